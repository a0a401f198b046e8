"""How the machine's processors are made: by KVM where that works, or emulated."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path

QEMU = "qemu-system-x86_64"
_DEVICE = "/dev/kvm"
_PROBE_SECONDS = 5.0  # a kernel without a disk panics within two of them, also where it is emulated


class Accelerator(NamedTuple):
    """QEMU's flags; why it is this one; and how much longer than on the host to wait for what runs inside."""

    flags: tuple[str, ...]
    reason: str
    patience: float


def accelerator(kernel: Path, device: str = _DEVICE, qemu: str = QEMU, seconds: float = _PROBE_SECONDS) -> Accelerator:
    """KVM only where this kernel is seen to run under it: some virtual hosts have the device, and guests hang in it."""
    if not os.access(device, os.R_OK | os.W_OK):
        return _emulated(f"{device} cannot be used")
    kvm = Accelerator(("-accel", "kvm", "-cpu", "host"), "KVM", 2.0)
    command = [
        qemu, *kvm.flags, "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-m", "256",
        "-kernel", str(kernel), "-append", "panic=-1",
    ]  # fmt: skip
    null = subprocess.DEVNULL
    try:
        done = subprocess.run(command, stdin=null, stdout=null, stderr=null, timeout=seconds, check=False)
    except subprocess.TimeoutExpired:
        return _emulated(f"a kernel hangs under {device} of this host")
    return kvm if done.returncode == 0 else _emulated(f"QEMU does not start with {device} of this host")


def _emulated(reason: str) -> Accelerator:
    # tb-size: MiB of translated code. Two processors, a thread each. la57: page tables of five levels, slower to walk.
    return Accelerator(("-accel", "tcg,thread=multi,tb-size=512", "-cpu", "max,la57=off"), f"emulated: {reason}", 10.0)
