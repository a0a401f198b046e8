"""Capabilities (capabilities(7)) of config.json: names to sets, and whether anybody asked for them."""

from reaper_runtime.errors import InvalidBundle

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

NAMES = (
    "CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP",
    "LINUX_IMMUTABLE", "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW", "IPC_LOCK", "IPC_OWNER",
    "SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT", "SYS_PTRACE", "SYS_PACCT", "SYS_ADMIN", "SYS_BOOT", "SYS_NICE",
    "SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD", "LEASE", "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP",
    "MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG", "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ", "PERFMON", "BPF",
    "CHECKPOINT_RESTORE",
)  # fmt: skip  # in the order of their numbers, include/uapi/linux/capability.h
_NUMBERS = {f"CAP_{name}": number for number, name in enumerate(NAMES)}
# What containerd gives to a container whose author asked for nothing (oci.defaultUnixCaps).
_UNASKED = (
    "CHOWN", "DAC_OVERRIDE", "FSETID", "FOWNER", "MKNOD", "NET_RAW", "SETGID", "SETUID", "SETFCAP", "SETPCAP",
    "NET_BIND_SERVICE", "SYS_CHROOT", "KILL", "AUDIT_WRITE",
)  # fmt: skip
_DEFAULT = sum(1 << NAMES.index(name) for name in _UNASKED)


class Capabilities:
    """The five sets of a process, as bit masks."""

    SETS = ("bounding", "effective", "inheritable", "permitted", "ambient")
    __slots__ = SETS

    def __init__(self, *, bounding: int, effective: int, inheritable: int, permitted: int, ambient: int) -> None:
        self.bounding = bounding
        self.effective = effective
        self.inheritable = inheritable
        self.permitted = permitted
        self.ambient = ambient

    @property
    def is_default(self) -> bool:
        """Whether it is containerd's own set: nobody asked for it, and the process keeps what the node's root has."""
        asked = (self.bounding, self.effective, self.permitted)
        return asked == (_DEFAULT,) * 3 and self.inheritable in (0, _DEFAULT) and not self.ambient

    def beyond(self, held: int) -> str:
        """The names of those that it has and `held` has not."""
        lacking = (self.effective | self.permitted | self.ambient) & ~held
        return ", ".join(f"CAP_{name}" for number, name in enumerate(NAMES) if lacking >> number & 1)


def parse(value: "Any", where: str) -> Capabilities | None:
    """The sets that were asked for, None if none were; raises InvalidBundle for an unknown name."""
    if value is None:
        return None
    if not isinstance(value, dict):
        raise InvalidBundle(f"{where} must be an object")
    found = Capabilities(**{name: _set(value.get(name) or [], f"{where}.{name}") for name in Capabilities.SETS})
    return None if found.is_default else found


def _set(entries: "Any", where: str) -> int:
    mask = 0
    for entry in entries if isinstance(entries, list) else [entries]:
        number = _NUMBERS.get(entry) if isinstance(entry, str) else None
        if number is None:
            raise InvalidBundle(f"{where} has {entry!r}, which is not a capability: they are named as CAP_NET_ADMIN")
        mask |= 1 << number
    return mask
