"""The `process` object of config.json (OCI runtime-spec 1.2, config.md), checked."""

from reaper_runtime.errors import InvalidBundle
from reaper_runtime.oci import capabilities, fields, scheduling
from reaper_runtime.oci.text import decode, is_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from reaper_runtime.oci.capabilities import Capabilities
    from reaper_runtime.oci.scheduling import Scheduler

_MAX_ID = (1 << 32) - 2  # (uid_t) -1 means "leave it as it is": it would leave root root
# Of an exec's process: the field, and what it is in a ProcessSpec.
_LEFT_TO_THE_CONTAINER = (
    ("user", "user"),
    ("capabilities", "capabilities"),
    ("noNewPrivileges", "no_new_privileges"),
    ("rlimits", "rlimits"),
    ("oomScoreAdj", "oom_score_adj"),
    ("scheduler", "scheduler"),
    ("ioPriority", "io_priority"),
)


class User:
    """Whom a process runs as: ids and umask (None: the runtime's, 0022)."""

    __slots__ = ("gid", "groups", "uid", "umask")

    def __init__(self, uid: int, gid: int, groups: tuple[int, ...], umask: int | None) -> None:
        self.uid = uid
        self.gid = gid
        self.groups = groups
        self.umask = umask


class ProcessSpec:
    """The `process` object of config.json, checked: what to execute, as whom, where, with what environment."""

    __slots__ = (
        "args",
        "capabilities",
        "console_size",
        "cwd",
        "env",
        "io_priority",
        "no_new_privileges",
        "oom_score_adj",
        "personality",
        "rlimits",
        "scheduler",
        "terminal",
        "user",
    )

    def __init__(
        self,
        args: tuple[str, ...],
        env: dict[str, str],
        cwd: str,
        user: User,
        *,
        terminal: bool = False,
        console_size: tuple[int, int] | None = None,
        no_new_privileges: bool = False,
        oom_score_adj: int | None = None,
        rlimits: tuple[tuple[str, int, int], ...] = (),
        capabilities: "Capabilities | None" = None,
        scheduler: "Scheduler | None" = None,
        io_priority: int | None = None,
        personality: int | None = None,
    ) -> None:
        """capabilities: None leaves the process what the node's root has; personality is the container's."""
        self.args = args
        self.env = env
        self.cwd = cwd
        self.user = user
        self.terminal = terminal
        self.console_size = console_size
        self.no_new_privileges = no_new_privileges
        self.oom_score_adj = oom_score_adj
        self.rlimits = rlimits
        self.capabilities = capabilities
        self.scheduler = scheduler
        self.io_priority = io_priority
        self.personality = personality


def parse_process(process: "Any", where: str) -> ProcessSpec:
    """Check an OCI process object; `where` begins the message of the InvalidBundle that is raised."""
    if not isinstance(process, dict):
        raise InvalidBundle(f"{where} must be an object")
    args = process.get("args")
    if not isinstance(args, list) or not args or not all(map(is_text, args)) or not args[0]:
        raise InvalidBundle(f"{where}.args must be a list of strings without NUL, the first of them the program to run")
    cwd = process.get("cwd", "/")
    if not is_text(cwd) or not cwd.startswith("/"):
        raise InvalidBundle(f"{where}.cwd must be an absolute path, not {cwd!r}")
    score = process.get("oomScoreAdj")
    if score is not None and not (type(score) is int and -1000 <= score <= 1000):
        raise InvalidBundle(f"{where}.oomScoreAdj must be a number from -1000 to 1000, not {score!r}")
    return ProcessSpec(
        tuple(args),
        _environment(process.get("env") or [], f"{where}.env"),
        cwd,
        _user(process.get("user") or {}, f"{where}.user"),
        terminal=bool(process.get("terminal")),
        console_size=_console_size(process.get("consoleSize"), f"{where}.consoleSize"),
        no_new_privileges=bool(process.get("noNewPrivileges")),
        oom_score_adj=score,
        rlimits=_rlimits(process.get("rlimits") or [], f"{where}.rlimits"),
        capabilities=capabilities.parse(process.get("capabilities"), f"{where}.capabilities"),
        scheduler=scheduling.parse_scheduler(process.get("scheduler"), f"{where}.scheduler"),
        io_priority=scheduling.parse_io_priority(process.get("ioPriority"), f"{where}.ioPriority"),
    )


def parse_exec(data: bytes, where: str, container: ProcessSpec | None) -> ProcessSpec:
    """The process object of an exec request, as JSON bytes.

    containerd sends a whole one, made from the container's own. What another client leaves out is the container's too:
    an exec has no more rights because somebody said nothing, and not the shim's limits, which are containerd's.
    """
    process = decode(data, where)
    spec = parse_process(process, where)
    fields.check(fields.unsupported({"process": process}), where)
    if container is not None:
        spec.personality = container.personality
        for field, attribute in _LEFT_TO_THE_CONTAINER:
            if process.get(field) is None:
                setattr(spec, attribute, getattr(container, attribute))
    return spec


def _environment(entries: "Any", where: str) -> dict[str, str]:
    """NAME=value entries to a mapping; of two of the same name the later counts, as for runc."""
    env: dict[str, str] = {}
    if not isinstance(entries, list):
        raise InvalidBundle(f"{where} must be a list of NAME=value strings")
    for entry in entries:
        name, equals, value = entry.partition("=") if is_text(entry) else ("", "", "")
        if not name or not equals:
            raise InvalidBundle(f"{where} has the entry {entry!r}, which is not NAME=value")
        env[name] = value
    return env


def _user(user: "Any", where: str) -> User:
    if not isinstance(user, dict):
        raise InvalidBundle(f"{where} must be an object")
    groups = user.get("additionalGids") or []
    if not isinstance(groups, list):
        raise InvalidBundle(f"{where}.additionalGids must be a list of numbers")
    umask = user.get("umask")
    return User(
        _id(user.get("uid", 0), f"{where}.uid"),
        _id(user.get("gid", 0), f"{where}.gid"),
        tuple(_id(gid, f"{where}.additionalGids") for gid in groups),
        None if umask is None else _id(umask, f"{where}.umask") & 0o777,
    )


def _id(value: "Any", where: str) -> int:
    if type(value) is not int or not 0 <= value <= _MAX_ID:
        raise InvalidBundle(f"{where} must be a number from 0 to {_MAX_ID}, not {value!r}")
    return value


def _console_size(size: "Any", where: str) -> tuple[int, int] | None:
    """Columns and rows."""
    if size is None:
        return None
    try:
        columns, rows = size["width"], size["height"]
        if 0 <= columns < 1 << 16 and 0 <= rows < 1 << 16:
            return columns, rows
    except (TypeError, KeyError):
        pass
    raise InvalidBundle(f"{where} takes width and height, numbers below {1 << 16}, not {size!r}")


def _rlimits(entries: "Any", where: str) -> tuple[tuple[str, int, int], ...]:
    limits = []
    for entry in entries if isinstance(entries, list) else [entries]:
        try:
            name, soft, hard = entry["type"], entry["soft"], entry["hard"]
        except (TypeError, KeyError):
            raise InvalidBundle(f"{where} has the entry {entry!r}: it takes type, soft and hard") from None
        if not is_text(name) or not all(type(limit) is int and 0 <= limit < 1 << 64 for limit in (soft, hard)):
            raise InvalidBundle(f"{where} has the entry {entry!r}: type is a name, soft and hard are 64-bit numbers")
        limits.append((name, soft, hard))
    return tuple(limits)
