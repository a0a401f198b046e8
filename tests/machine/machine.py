"""A virtual machine, from its start to its end. It has no network: two ports and two disks are all it has."""

from __future__ import annotations

import shutil
import subprocess
import threading
from typing import TYPE_CHECKING, BinaryIO

from tests.machine.accelerator import QEMU
from tests.machine.errors import MachineError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.machine.accelerator import Accelerator
    from tests.machine.image import Image

PROCESSORS, MEMORY = 2, "3G"
CONSOLE, RESULT = "console", "result"  # names of files
# Without mitigations: the machine has no secrets, and where it is emulated a switch of page tables at each system call
# costs more than the call.
_KERNEL = "root=/dev/disk/by-id/virtio-root rw console=ttyS0 panic=-1 quiet mitigations=off"
_SYSTEMD = "TERM=dumb systemd.getty_auto=no systemd.wants=conformance.service"
_CHUNK = 1 << 16


def command(image: Image, accelerator: Accelerator, cargo: Path, folder: Path) -> list[str]:
    """QEMU's command line: boot from an image, which stays as it is, with a cargo; console and result in the folder."""
    return [
        *_dying_with_us(), QEMU, *accelerator.flags, "-nodefaults", "-no-user-config", "-display", "none",
        "-no-reboot", "-nic", "none", "-smp", str(PROCESSORS), "-m", MEMORY,
        "-kernel", str(image.kernel), "-initrd", str(image.initrd),
        "-append", f"{_KERNEL} {_SYSTEMD}",
        "-serial", f"file:{folder / CONSOLE}", "-device", "virtio-rng-pci",
        "-drive", f"file={image.disk},format=raw,if=none,snapshot=on,id=root",
        "-device", "virtio-blk-pci,drive=root,serial=root",
        "-drive", f"file={cargo},format=raw,if=none,readonly=on,id=cargo",
        "-device", "virtio-blk-pci,drive=cargo,serial=cargo", "-device", "virtio-serial-pci",
        "-chardev", "file,path=/dev/stdout,id=output", "-device", "virtserialport,chardev=output,name=output",
        "-chardev", f"file,path={folder / RESULT},id=result", "-device", "virtserialport,chardev=result,name=result",
    ]  # fmt: skip


def run(command: Sequence[str], folder: Path, output: BinaryIO, seconds: float) -> int:
    """Boot it, copy what it says, and give the exit code that it leaves in the folder; raises MachineError.

    Whatever ends this, an interrupt too, ends the machine.
    """
    late = threading.Event()
    # A group of its own: Ctrl-C is for us, and we see to its end.
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, process_group=0, bufsize=0)
    timer = threading.Timer(seconds, _end, (process, late))
    timer.start()
    with process:
        try:
            assert process.stdout is not None
            while chunk := process.stdout.read(_CHUNK):
                output.write(chunk)
                output.flush()
        finally:
            timer.cancel()
            process.kill()
    if late.is_set():
        limit = f"the machine was ended after {seconds / 60:g} minutes: allow more with MINUTES=…"
        raise MachineError(f"{limit}; {_last_words(folder)}")
    code = folder / RESULT
    said = code.read_text() if code.exists() else ""
    if not said.strip().isdigit():
        raise MachineError(f"the machine ended without a result; {_last_words(folder)}")
    return int(said)


def _last_words(folder: Path) -> str:
    console = folder / CONSOLE
    said = console.read_text(errors="replace")[-4000:] if console.exists() else ""
    return f"the last on its console:\n{said}"


def _end(process: subprocess.Popen[bytes], late: threading.Event) -> None:
    late.set()
    process.kill()


def _dying_with_us() -> list[str]:
    """So that nothing is left of a run that was killed (prctl(2), PR_SET_PDEATHSIG)."""
    return ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []
