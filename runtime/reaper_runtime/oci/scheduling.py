"""process.scheduler, process.ioPriority and linux.personality of config.json, checked."""

from reaper_runtime.errors import InvalidBundle

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# include/uapi/linux/sched.h and ioprio.h, sys/personality.h
POLICIES = {
    "SCHED_OTHER": 0, "SCHED_FIFO": 1, "SCHED_RR": 2, "SCHED_BATCH": 3, "SCHED_ISO": 4, "SCHED_IDLE": 5,
    "SCHED_DEADLINE": 6,
}  # fmt: skip
FLAGS = {
    "SCHED_FLAG_RESET_ON_FORK": 0x01, "SCHED_FLAG_RECLAIM": 0x02, "SCHED_FLAG_DL_OVERRUN": 0x04,
    "SCHED_FLAG_KEEP_POLICY": 0x08, "SCHED_FLAG_KEEP_PARAMS": 0x10, "SCHED_FLAG_UTIL_CLAMP_MIN": 0x20,
    "SCHED_FLAG_UTIL_CLAMP_MAX": 0x40,
}  # fmt: skip
IO_CLASSES = {"IOPRIO_CLASS_RT": 1, "IOPRIO_CLASS_BE": 2, "IOPRIO_CLASS_IDLE": 3}
PERSONALITIES = {"LINUX": 0x0000, "LINUX32": 0x0008}
_LARGEST = (1 << 64) - 1


class Scheduler:
    """The arguments of sched_setattr(2); runtime, deadline and period in nanoseconds."""

    __slots__ = ("deadline", "flags", "name", "nice", "period", "policy", "priority", "runtime")

    def __init__(self, name: str, flags: int, nice: int, priority: int, times: tuple[int, int, int]) -> None:
        self.name = name
        self.policy = POLICIES[name]
        self.flags = flags
        self.nice = nice
        self.priority = priority
        self.runtime, self.deadline, self.period = times


def parse_scheduler(value: "Any", where: str) -> Scheduler | None:
    """None if nothing is asked for; raises InvalidBundle."""
    if not value:
        return None
    _object(value, where)
    policy = value.get("policy")
    if policy not in POLICIES:
        raise InvalidBundle(f"{where}.policy must be one of {', '.join(POLICIES)}, not {policy!r}")
    flags = 0
    for flag in value.get("flags") or []:
        if flag not in FLAGS:
            raise InvalidBundle(f"{where}.flags must be of {', '.join(FLAGS)}, not {flag!r}")
        flags |= FLAGS[flag]
    nice = _number(value.get("nice", 0), -20, 19, f"{where}.nice")
    priority = _number(value.get("priority", 0), 0, 99, f"{where}.priority")
    runtime, deadline, period = (
        _number(value.get(name, 0), 0, _LARGEST, f"{where}.{name}") for name in ("runtime", "deadline", "period")
    )
    return Scheduler(policy, flags, nice, priority, (runtime, deadline, period))


def parse_io_priority(value: "Any", where: str) -> int | None:
    """The argument of ioprio_set(2), class and priority; None if nothing is asked for; raises InvalidBundle."""
    if not value:
        return None
    _object(value, where)
    if value.get("class") not in IO_CLASSES:
        raise InvalidBundle(f"{where}.class must be one of {', '.join(IO_CLASSES)}, not {value.get('class')!r}")
    return IO_CLASSES[value["class"]] << 13 | _number(value.get("priority", 0), 0, 7, f"{where}.priority")


def parse_personality(value: "Any", where: str) -> int | None:
    """The argument of personality(2); None if nothing is asked for; raises InvalidBundle."""
    if not value:
        return None
    _object(value, where)
    if value.get("domain") not in PERSONALITIES:
        raise InvalidBundle(f"{where}.domain must be one of {', '.join(PERSONALITIES)}, not {value.get('domain')!r}")
    if value.get("flags"):
        raise InvalidBundle(f"{where}.flags are not defined by the OCI specification: leave them out")
    return PERSONALITIES[value["domain"]]


def _object(value: "Any", where: str) -> None:
    if not isinstance(value, dict):
        raise InvalidBundle(f"{where} must be an object")


def _number(value: "Any", least: int, largest: int, where: str) -> int:
    if type(value) is not int or not least <= value <= largest:
        raise InvalidBundle(f"{where} must be a number from {least} to {largest}, not {value!r}")
    return value
