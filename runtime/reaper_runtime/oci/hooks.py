"""The `hooks` of config.json (OCI runtime-spec 1.2, config.md, "POSIX-platform Hooks"), checked."""

from reaper_runtime.errors import InvalidBundle
from reaper_runtime.oci.text import is_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

PRESTART, CREATE_RUNTIME, CREATE_CONTAINER = "prestart", "createRuntime", "createContainer"
START_CONTAINER, POSTSTART, POSTSTOP = "startContainer", "poststart", "poststop"
KINDS = (PRESTART, CREATE_RUNTIME, CREATE_CONTAINER, START_CONTAINER, POSTSTART, POSTSTOP)


class Hook:
    """One program of a hook: path, arguments (the first is its name), environment, seconds it may take."""

    __slots__ = ("args", "env", "path", "timeout")

    def __init__(self, path: str, args: tuple[str, ...], env: dict[str, str], timeout: int | None) -> None:
        self.path = path
        self.args = args
        self.env = env
        self.timeout = timeout


def parse(hooks: "Any", where: str) -> dict[str, tuple[Hook, ...]]:
    """Hooks by their kind; raises InvalidBundle with the field that is wrong."""
    if not isinstance(hooks, dict):
        raise InvalidBundle(f"{where} must be an object")
    found = {}
    for kind in KINDS:
        entries = hooks.get(kind) or []
        if not isinstance(entries, list):
            raise InvalidBundle(f"{where}.{kind} must be a list")
        if entries:
            found[kind] = tuple(_hook(entry, f"{where}.{kind}[{i}]") for i, entry in enumerate(entries))
    return found


def _hook(entry: "Any", where: str) -> Hook:
    path = entry.get("path") if isinstance(entry, dict) else None
    if not isinstance(path, str) or not is_text(path) or not path.startswith("/"):
        raise InvalidBundle(f"{where}.path must be an absolute path, not {path!r}")
    args, env, timeout = entry.get("args") or [path], entry.get("env") or [], entry.get("timeout")
    if not isinstance(args, list) or not all(map(is_text, args)):
        raise InvalidBundle(f"{where}.args must be a list of strings without NUL")
    if not isinstance(env, list) or not all(is_text(pair) and pair.find("=") > 0 for pair in env):
        raise InvalidBundle(f"{where}.env must be a list of NAME=value strings")
    if timeout is not None and (type(timeout) is not int or timeout <= 0):
        raise InvalidBundle(f"{where}.timeout must be a number of seconds above 0, not {timeout!r}")
    return Hook(path, tuple(args), dict(pair.split("=", 1) for pair in env), timeout)
