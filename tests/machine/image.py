"""The machine's disk: Debian bookworm as a node has it, with its own kernel, systemd and nothing of ours.

Made once and kept in the cache. Its key is this file and those that go into it: a change of either makes it anew.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from cluster.host.cache import key
from debian import SUITE, architecture
from tests.machine.cache import CACHE
from tests.machine.errors import MachineError

if TYPE_CHECKING:
    from collections.abc import Sequence

ARCHITECTURE = "amd64"  # the only one whose machine is described here
# The cloud kernel has all that is needed (overlay, ext4, virtio, NFS) at a fifth of the size of the other.
PACKAGES = (
    "busybox-static", "containerd", "dbus", "initramfs-tools", "kmod", "linux-image-cloud-amd64", "nfs-kernel-server",
    "procps", "python3", "runc", "systemd-sysv", "udev", "util-linux",
)  # fmt: skip
# A containerd of the tests' own is started where one is needed, and a server by who tests it. Timers only cost time.
_NOT_STARTED = (
    "apt-daily-upgrade.timer", "apt-daily.timer", "blkmapd.service", "containerd.service", "dpkg-db-backup.timer",
    "e2scrub_all.timer", "e2scrub_reap.service", "fsidd.service", "fstrim.timer", "getty@tty1.service",
    "nfs-blkmap.service", "nfs-client.target", "nfs-server.service", "rpcbind.service", "rpcbind.socket",
)  # fmt: skip
_UNIT = Path(__file__).parent / "inside" / "conformance.service"
_BYTES = 4 << 30  # of the disk; the file is sparse


class Image(NamedTuple):
    """What a machine boots from."""

    disk: Path
    kernel: Path
    initrd: Path


def image() -> Image:
    """That of the cache, made if it is not there, which takes two minutes; raises MachineError."""
    if architecture() != ARCHITECTURE:
        raise MachineError(f"the machine is one of {ARCHITECTURE}, and this is {architecture()}")
    slot = CACHE.slot(f"image-{SUITE}-{ARCHITECTURE}-{key(Path(__file__), _UNIT)}")
    if not slot.exists():
        print(f"==> making the machine's disk: Debian {SUITE} with {', '.join(PACKAGES)}", flush=True)
        with CACHE.filling(slot) as scratch:
            _fill(scratch)
        CACHE.keep_newest("image-*", 1)
    return Image(slot / "root.ext4", slot / "vmlinuz", slot / "initrd.img")


def _fill(folder: Path) -> None:
    if os.geteuid() != 0:
        raise MachineError("files of root go onto the machine's disk: run this as root")
    root = folder / "root"
    masks = " ".join(_NOT_STARTED)
    _run([
        # Its mounts are its own: nothing of the host is in the folder when somebody removes it, whatever went wrong.
        "unshare", "--mount",
        "mmdebstrap", "--mode=root", "--variant=minbase", "--quiet", f"--include={','.join(PACKAGES)}",
        f"--customize-hook=copy-in {_UNIT} /etc/systemd/system",
        f'--customize-hook=systemctl --root "$1" --quiet mask {masks}',
        # Debian's is a link to where systemd keeps it; no file of that name is wanted beside it.
        '--customize-hook=echo machine >"$1/etc/hostname"; : >"$1/etc/machine-id"; rm -f "$1/etc/resolv.conf"',
        SUITE, str(root),
    ])  # fmt: skip
    for name in ("vmlinuz", "initrd.img"):
        _run(["cp", "--dereference", str(root / name), str(folder / name)])
    disk = folder / "root.ext4"
    with disk.open("wb") as file:
        file.truncate(_BYTES)
    _run(["mke2fs", "-q", "-t", "ext4", "-d", str(root), str(disk)])
    _run(["rm", "-rf", str(root)])


def _run(command: Sequence[str]) -> None:
    done = subprocess.run(command, check=False, capture_output=True, text=True, errors="replace")
    if done.returncode != 0:
        raise MachineError(f"$ {' '.join(command)}\n{done.stdout}{done.stderr}".rstrip())
