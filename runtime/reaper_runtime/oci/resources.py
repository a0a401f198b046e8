"""linux.resources of config.json (config-linux.md, "Control groups"), checked. Devices are none of a host process's."""

from reaper_runtime.errors import FailedPrecondition, InvalidBundle

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_NUMBERS = {
    "cpu": {"shares": "cpu_shares", "quota": "cpu_quota", "period": "cpu_period"},
    "memory": {"limit": "memory_limit", "swap": "memory_swap", "reservation": "memory_reservation"},
    "pids": {"limit": "pids_limit"},
}
_TEXTS = {"cpu": {"cpus": "cpus", "mems": "mems"}}
_ELSEWHERE = {"memory": ("useHierarchy",)}  # what the kernel does anyway
_IGNORED = ("devices",)  # a host process has the node's devices
_64_BITS = 1 << 63


class Resources:
    """What is asked for; None, "" or () where nothing is. -1 means no limit."""

    __slots__ = (
        "cpu_period", "cpu_quota", "cpu_shares", "cpus", "hugepages", "memory_limit", "memory_reservation",
        "memory_swap", "mems", "pids_limit", "unified",
    )  # fmt: skip

    def __init__(self) -> None:
        self.cpu_shares: int | None = None
        self.cpu_quota: int | None = None
        self.cpu_period: int | None = None
        self.cpus = ""
        self.mems = ""
        self.memory_limit: int | None = None
        self.memory_swap: int | None = None
        self.memory_reservation: int | None = None
        self.pids_limit: int | None = None
        self.hugepages: tuple[tuple[str, int], ...] = ()
        self.unified: tuple[tuple[str, str], ...] = ()


def parse(value: "Any", where: str) -> Resources:
    """Raises InvalidBundle for what is not well formed, FailedPrecondition for a limit that this runtime lacks."""
    found = Resources()
    for part, content in _object(value, where).items():
        if part in _IGNORED or not content:
            continue
        if part == "hugepageLimits":
            found.hugepages = _hugepages(content, f"{where}.{part}")
        elif part == "unified":
            found.unified = _unified(content, f"{where}.{part}")
        elif part in _NUMBERS:
            _read(found, part, _object(content, f"{where}.{part}"), f"{where}.{part}")
        else:
            raise FailedPrecondition(f"{where}.{part} cannot be applied to a host process: remove it")
    return found


def _read(found: Resources, part: str, content: "dict[str, Any]", where: str) -> None:
    for name, value in content.items():
        if name in _NUMBERS[part]:
            setattr(found, _NUMBERS[part][name], _number(value, f"{where}.{name}"))
        elif name in _TEXTS.get(part, ()):
            if not isinstance(value, str):
                raise InvalidBundle(f"{where}.{name} must be a list such as 0-3,7, not {value!r}")
            setattr(found, _TEXTS[part][name], value)
        elif value and name not in _ELSEWHERE.get(part, ()):
            raise FailedPrecondition(f"{where}.{name} cannot be applied to a host process: remove it")


def _object(value: "Any", where: str) -> "dict[str, Any]":
    if not isinstance(value, dict):
        raise InvalidBundle(f"{where} must be an object")
    return value


def _number(value: "Any", where: str) -> int:
    if type(value) is not int or not -1 <= value < _64_BITS:
        raise InvalidBundle(f"{where} must be a number from -1 to {_64_BITS - 1}, not {value!r}")
    return value


def _hugepages(entries: "Any", where: str) -> tuple[tuple[str, int], ...]:
    found = []
    for entry in entries if isinstance(entries, list) else [entries]:
        size = entry.get("pageSize") if isinstance(entry, dict) else None
        if not isinstance(size, str) or not size.isalnum():
            raise InvalidBundle(f"{where} has the entry {entry!r}: it takes pageSize, such as 2MB, and limit")
        found.append((size, _number(entry.get("limit"), f"{where}.limit")))
    return tuple(found)


def _unified(entries: "Any", where: str) -> tuple[tuple[str, str], ...]:
    for name, value in _object(entries, where).items():
        plain = (
            name.replace(".", "").replace("_", "").isalnum() and "." in name and not name.startswith((".", "cgroup."))
        )
        if not plain or not isinstance(value, str):
            raise InvalidBundle(f"{where} has the entry {name!r}: {value!r}: it takes file names such as memory.high")
    return tuple(entries.items())
