"""An OCI runtime for Docker: runc, asked only for capabilities that this machine has.

Docker 20.10 lists every capability that the kernel knows in the specification of a privileged container. Where the
bounding set lacks one, runc refuses the whole container; newer daemons leave it out themselves. A copy of this file
is executed by dockerd, without this package around it: standard library only.
"""

import itertools
import json
import os
import sys

# In the order of their numbers, as in linux/capability.h.
NAMES = [
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
]


def specification(arguments: list[str]) -> str | None:
    """The file that this call of runc reads its capabilities from, if it is one that does."""

    def value(*flags: str) -> str | None:
        for flag, following in itertools.pairwise(arguments):
            if flag in flags:
                return following
        return None

    if "create" in arguments or "run" in arguments:
        bundle = value("--bundle", "-b")
        return None if bundle is None else os.path.join(bundle, "config.json")  # noqa: PTH118
    return value("--process", "-p") if "exec" in arguments else None


def limit(specification: dict[str, object], bounding_set: int) -> None:
    """Leave out of `specification` what is not in the bounding set."""
    have = {f"CAP_{name}" for number, name in enumerate(NAMES) if bounding_set >> number & 1}
    process = specification.get("process", specification)  # an exec's file holds the process alone
    capabilities = process.get("capabilities") if isinstance(process, dict) else None
    if isinstance(capabilities, dict):
        for kind, names in capabilities.items():
            capabilities[kind] = [name for name in names if name in have]


def main() -> None:
    path = specification(sys.argv[1:])
    if path is not None:
        with open("/proc/self/status") as status:  # noqa: PTH123
            bounding_set = next(int(line.split()[1], 16) for line in status if line.startswith("CapBnd:"))
        with open(path) as file:  # noqa: PTH123
            content = json.load(file)
        limit(content, bounding_set)
        with open(path, "w") as file:  # noqa: PTH123
            json.dump(content, file)
    os.execvp("runc", ["runc", *sys.argv[1:]])


if __name__ == "__main__":
    main()
