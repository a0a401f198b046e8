"""The command line of containerd-shim-reaper-v2, as containerd calls it (containerd docs/runtime-v2.md)."""

import os
import sys

from reaper_runtime.errors import InvalidArgument, ReaperError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NoReturn

NAME = "containerd-shim-reaper-v2"
USAGE = f"""{NAME} runs pods as plain host processes. containerd calls it; people need only -v.

usage: {NAME} -namespace NAMESPACE -id ID -address SOCKET [-bundle PATH] [-debug] start|delete
       {NAME} -v | -info | -h

  start    begin, or find, the shim of the container's pod; run in the bundle's directory; prints its address
  delete   kill and forget what a dead shim left behind; prints a containerd.task.v3.DeleteResponse
  -v       print the version
  -info    print a containerd.types.RuntimeInfo
"""
_TEXTS = ("namespace", "id", "address", "publish-binary", "bundle", "socket")
_SWITCHES = ("debug", "v", "info", "h", "help")


class Options:
    """The parsed command line: flags by their names, and the action ("" if there is none)."""

    def __init__(self) -> None:
        self.action = ""
        self.texts = dict.fromkeys(_TEXTS, "")
        self.switches: set[str] = set()


def parse(arguments: "Sequence[str]") -> Options:
    """Flags in the manner of Go's flag package; raises InvalidArgument that names what is wrong."""
    options = Options()
    rest = list(arguments)
    while rest:
        argument = rest.pop(0)
        if not argument.startswith("-"):
            if options.action:
                raise InvalidArgument(f"unexpected argument {argument!r} after {options.action}")
            options.action = argument
            continue
        name, equals, value = argument.lstrip("-").partition("=")
        if name in _SWITCHES:
            options.switches.add(name)
        elif name in _TEXTS:
            if not equals and not rest:
                raise InvalidArgument(f"flag -{name} needs a value")
            options.texts[name] = value if equals else rest.pop(0)
        else:
            raise InvalidArgument(f"unknown flag -{name}: see {NAME} -h")
    return options


def main(build: str) -> "NoReturn":
    """Do what the command line says. `build` names version and content of this installation."""
    try:
        output = run(parse(sys.argv[1:]), build)
    except (ReaperError, OSError) as error:
        os.write(2, f"{NAME}: {error}\n".encode())
        os._exit(getattr(error, "exit_code", 1))
    os.write(1, output)
    os._exit(0)  # nothing to tear down: it would cost a millisecond


def run(options: Options, build: str) -> bytes:
    """The bytes for standard output. Raises ReaperError or OSError."""
    if options.switches & {"h", "help"}:
        return USAGE.encode()
    if "v" in options.switches:
        return f"{NAME} {build}\n".encode()
    if "info" in options.switches:
        return _info(build)
    if options.action == "start":
        return _start(options, build)
    if options.action == "delete":
        return _delete(options)
    if options.action:
        raise InvalidArgument(f"unknown command {options.action!r}: it is start or delete; see {NAME} -h")
    raise InvalidArgument(f"no command given: it is start or delete; see {NAME} -h")


def _start(options: Options, build: str) -> bytes:
    from reaper_runtime.shim.launch import Launch
    from reaper_runtime.shim.start import start

    _require(options, "namespace", "id")
    launch = Launch(
        container=options.texts["id"],
        namespace=options.texts["namespace"],
        address=options.texts["address"],
        ttrpc_address=os.environ.get("TTRPC_ADDRESS", ""),
        bundle=os.getcwd(),
        bootstrap=_standard_input(),
        settings=_settings(),
    )
    return start(launch, build, os.path.realpath(sys.prefix) + "/libexec/reaper-zygote")


def _delete(options: Options) -> bytes:
    from reaper_runtime.shim.delete import delete

    _require(options, "namespace", "id")
    bundle = options.texts["bundle"] or os.getcwd()
    return delete(options.texts["namespace"], options.texts["id"], bundle).encode()


def _info(build: str) -> bytes:
    from reaper_runtime.wire.starting import RuntimeInfo, RuntimeVersion

    version = RuntimeVersion(version=build.partition("-")[0], revision=build.partition("-")[2])
    return RuntimeInfo(name="io.containerd.reaper.v2", version=version).encode()


def _require(options: Options, *names: str) -> None:
    for name in names:
        if not options.texts[name]:
            raise InvalidArgument(f"flag -{name} is missing; see {NAME} -h")


def _settings() -> str:
    """What our environment sets of the node's configuration. What is no Unicode cannot be right, and is shown as ?."""
    found = "".join(f"{name}={value}\0" for name, value in os.environ.items() if name.startswith("REAPER_"))
    return found.encode(errors="replace").decode()


def _standard_input() -> bytes:
    from reaper_runtime.shim.launch import MAX_LAUNCH

    data = b""
    while more := os.read(0, 1 << 16):
        data += more
        if len(data) > MAX_LAUNCH // 2:
            raise InvalidArgument(f"standard input is longer than {MAX_LAUNCH // 2} bytes")
    return data
