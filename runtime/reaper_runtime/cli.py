"""reaper-runtime: the OCI commands, and what an administrator asks on a node."""

import json
import os
import sys

from reaper_runtime import config as node_config
from reaper_runtime.commands import arguments, lifecycle, pods, show
from reaper_runtime.commands.home import OCI_VERSION, Home
from reaper_runtime.commands.log import Log
from reaper_runtime.errors import InvalidArgument, ReaperError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Sequence
    from typing import NoReturn

    from reaper_runtime.config import Config

NAME = arguments.NAME
_WORDS = {"help": "--help", "version": "--version"}  # as verbs, too
_EXEC_FAILED = 255  # as runc: not to be taken for the exit code of the process
_ADVISERS = ("doctor", "list", "features", "completion")  # what works although reaper.conf is wrong


def main(build: str) -> "NoReturn":
    """Do what the command line says and exit: 0, 1 for a failure, or the exit code of the process that was run."""
    code, text = run(sys.argv[1:], build, dict(os.environ))
    if text:
        sys.stdout.write(text)
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        code = 1  # `reaper-runtime list | head`
    os._exit(code)


def run(words: "Sequence[str]", build: str, environment: dict[str, str]) -> tuple[int, str]:
    """Exit code and text for standard output. Errors are written to standard error and to the log."""
    log = Log()
    verb = ""
    try:
        config, wrong = _configuration(environment)
        options = parse(words, config)
        verb = options.verb or ""
        log = Log(options.log, options.log_format)
        if wrong is not None and verb not in _ADVISERS and not options.version:
            raise wrong
        if options.debug:
            log.debug(f"{NAME} {build} {' '.join(words)}")
        return _do(options, build, environment, config, log)
    except SystemExit as printed:  # argparse has printed a help text
        return int(printed.code or 0), ""
    except (ReaperError, OSError) as error:
        log.failed(str(error))
        sys.stderr.write(f"{NAME}: {error}\n")
        return _EXEC_FAILED if verb == "exec" else 1, ""


def parse(words: "Sequence[str]", config: "Config") -> "Namespace":
    """The command line; raises InvalidArgument, and SystemExit after --help."""
    if words and words[0] in _WORDS:
        words = (_WORDS[words[0]], *words[1:])
    options = arguments.parser(os.path.join(config.runtime_root, "oci"), config.runtime_log).parse_args(words)
    if not options.verb and not options.version:
        raise InvalidArgument(f"no command given: see {NAME} --help")
    return options


def _configuration(environment: dict[str, str]) -> "tuple[Config, node_config.InvalidConfig | None]":
    try:
        return node_config.load(environment), None
    except node_config.InvalidConfig as error:
        return node_config.Config(), error


def _do(options: "Namespace", build: str, environment: dict[str, str], config: "Config", log: Log) -> tuple[int, str]:
    if options.version:
        return 0, f"{NAME} {build}\nspec: {OCI_VERSION}\n"
    if options.verb == "doctor":
        from reaper_runtime.commands import doctor

        return doctor.report(build, environment, options.output)
    if options.verb == "overlay":
        from reaper_runtime.commands import overlays

        return 0, overlays.overlay(options, config)
    if "id" in options:
        return _on_container(options, Home(options.root, options.id), config, log)
    return 0, _show(options, config)


def _on_container(options: "Namespace", home: Home, config: "Config", log: Log) -> tuple[int, str]:
    match options.verb:
        case "create":
            lifecycle.create(home, _creation(options, config, log))
        case "run":
            from reaper_runtime.commands.run import run as run_container

            wanted = _creation(options, config, log)
            return run_container(home, wanted, detach=options.detach, keep=options.keep), ""
        case "exec":
            from reaper_runtime.commands.execute import execute

            return execute(home, options), ""
        case "start":
            lifecycle.start(home)
        case "state":
            return 0, json.dumps(lifecycle.state(home).document(), indent=2) + "\n"
        case "kill":
            from reaper_runtime.commands import signals

            lifecycle.kill(home, signals.number(options.signal), everything=options.all)
        case "delete":
            lifecycle.delete(home, force=options.force)
        case "ps":
            return 0, show.processes(home, options.format, options.arguments)
    return 0, ""


def _creation(options: "Namespace", config: "Config", log: Log) -> lifecycle.Creation:
    return lifecycle.Creation(
        options.bundle,
        config,
        log,
        pid_file=options.pid_file,
        console_socket=options.console_socket,
        preserve_fds=options.preserve_fds,
    )


def _show(options: "Namespace", config: "Config") -> str:
    match options.verb:
        case "features":
            return json.dumps(show.features(), indent=2) + "\n"
        case "spec":
            show.write_spec(options.bundle)
            return ""
        case "completion":
            from reaper_runtime.commands import completion

            return completion.bash(arguments.parser(os.path.join(config.runtime_root, "oci"), ""))
    if options.output == "json":
        return json.dumps(pods.objects(list(pods.rows())), indent=2) + "\n"
    if options.output:
        return pods.table(list(pods.rows()))
    found = show.states(options.root)
    if options.format or options.quiet:
        return show.listing(found, options.format or "table", quiet=options.quiet)
    below = f"\n{show.listing(found, 'table', quiet=False)}" if found else ""
    return pods.table(list(pods.rows())) + below
