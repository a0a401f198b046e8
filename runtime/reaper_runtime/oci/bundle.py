"""An OCI bundle's config.json (OCI runtime-spec 1.2, config.md) to what a host process needs of it."""

import json
import os
import re

from reaper_runtime.errors import InvalidBundle

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MAX_CONFIG = 16 << 20  # bytes: a config.json beyond this is an attack or a defect
CONTAINER_TYPE = "io.kubernetes.cri.container-type"
SANDBOX_ID = "io.kubernetes.cri.sandbox-id"
RUNTIME_ANNOTATIONS = "reaper.runtime/"
_MAX_ID = (1 << 32) - 2  # (uid_t) -1 means "leave it as it is": it would leave root root


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
        "console_size",
        "cwd",
        "env",
        "no_new_privileges",
        "oom_score_adj",
        "rlimits",
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
    ) -> None:
        self.args = args
        self.env = env
        self.cwd = cwd
        self.user = user
        self.terminal = terminal
        self.console_size = console_size
        self.no_new_privileges = no_new_privileges
        self.oom_score_adj = oom_score_adj
        self.rlimits = rlimits


class Bundle:
    """A bundle's directory, annotations, process, and the mounts that its author asked for."""

    __slots__ = ("annotations", "mounts", "path", "process")

    def __init__(
        self, path: str, annotations: dict[str, str], process: ProcessSpec | None, mounts: tuple[str, ...]
    ) -> None:
        self.path = path
        self.annotations = annotations
        self.process = process
        self.mounts = mounts

    @property
    def is_sandbox(self) -> bool:
        """The pod's sandbox ("pause") container: it has no process of its own here."""
        return self.annotations.get(CONTAINER_TYPE) == "sandbox"


def load(path: str) -> Bundle:
    """Read a bundle; raises InvalidBundle with the file and the field that is wrong."""
    config = _read_config(path)
    where = os.path.join(path, "config.json")
    annotations = _strings(config.get("annotations") or {}, f"{where}: annotations")
    bundle = Bundle(path, annotations, None, _user_mounts(config.get("mounts") or [], where))
    if not bundle.is_sandbox:
        if "process" not in config:
            raise InvalidBundle(f"{where} has no process: there is nothing to run")
        bundle.process = parse_process(config["process"], f"{where}: process")
    return bundle


def parse_process(process: "Any", where: str) -> ProcessSpec:
    """Check an OCI process object; `where` begins the message of the InvalidBundle that is raised."""
    if not isinstance(process, dict):
        raise InvalidBundle(f"{where} must be an object")
    args = process.get("args")
    if not isinstance(args, list) or not args or not all(map(_is_text, args)) or not args[0]:
        raise InvalidBundle(f"{where}.args must be a list of strings without NUL, the first of them the program to run")
    cwd = process.get("cwd", "/")
    if not _is_text(cwd) or not cwd.startswith("/"):
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
    )


def parse_process_json(data: bytes, where: str) -> ProcessSpec:
    """The process object of an exec request, as JSON bytes."""
    return parse_process(_decode(data, where), where)


def _read_config(path: str) -> "dict[str, Any]":
    where = os.path.join(path, "config.json")
    try:
        data = _read(where)
    except FileNotFoundError:
        raise InvalidBundle(f"there is no bundle at {path}: {where} does not exist") from None
    except OSError as error:
        raise InvalidBundle(f"{where} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise InvalidBundle(f"{path!r} is not a path: {error}") from error
    if len(data) > MAX_CONFIG:
        raise InvalidBundle(f"{where} is larger than {MAX_CONFIG >> 20} MiB")
    config = _decode(data, where)
    if not isinstance(config, dict):
        raise InvalidBundle(f"{where} must hold a JSON object")
    return config


def _read(path: str) -> bytes:
    """At most one byte more than MAX_CONFIG. A FIFO in the file's place does not block us."""
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        data = b""
        while len(data) <= MAX_CONFIG and (more := os.read(fd, MAX_CONFIG + 1 - len(data))):
            data += more
        return data
    finally:
        os.close(fd)


def _is_text(value: "Any") -> bool:
    """Whether a value can be an argument, a path or part of the environment: no NUL, nothing but Unicode."""
    if not isinstance(value, str) or "\0" in value:
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _decode(data: bytes, where: str) -> "Any":
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise InvalidBundle(f"{where} is not JSON: {error}") from error


def _strings(value: "Any", where: str) -> dict[str, str]:
    if not isinstance(value, dict) or not all(isinstance(item, str) for item in value.values()):
        raise InvalidBundle(f"{where} must be an object of strings")
    return value


def _environment(entries: "Any", where: str) -> dict[str, str]:
    """NAME=value entries to a mapping; of two of the same name the later counts, as for runc."""
    env: dict[str, str] = {}
    if not isinstance(entries, list):
        raise InvalidBundle(f"{where} must be a list of NAME=value strings")
    for entry in entries:
        name, equals, value = entry.partition("=") if _is_text(entry) else ("", "", "")
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
        if not _is_text(name) or not all(type(limit) is int and 0 <= limit < 1 << 64 for limit in (soft, hard)):
            raise InvalidBundle(f"{where} has the entry {entry!r}: type is a name, soft and hard are 64-bit numbers")
        limits.append((name, soft, hard))
    return tuple(limits)


# Mounts that kubelet and containerd add to every container. A host process sees the node's own files there.
_STANDARD_MOUNTS = re.compile(
    r"/run|/(proc|sys|dev)(/.*)?|/etc/(hosts|hostname|resolv\.conf)|/run/secrets/kubernetes\.io/.*|"
    r"/var/run/secrets/kubernetes\.io/.*"
)


def _is_in_place(mount: "dict[str, Any]") -> bool:
    """A writable bind of a path onto itself: a host process has it anyway."""
    options = mount.get("options") or []
    return mount.get("source") == mount["destination"] and isinstance(options, list) and "ro" not in options


def _user_mounts(mounts: "Any", where: str) -> tuple[str, ...]:
    destinations = []
    for mount in mounts if isinstance(mounts, list) else [mounts]:
        destination = mount.get("destination") if isinstance(mount, dict) else None
        if not isinstance(destination, str):
            raise InvalidBundle(f"{where}: mounts has the entry {mount!r}, which has no destination")
        if not _STANDARD_MOUNTS.fullmatch(destination) and not _is_in_place(mount):
            destinations.append(destination)
    return tuple(destinations)
