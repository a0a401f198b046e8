"""What the tests of containers do again and again."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reaper_runtime.host.stdio import StdioPaths
from reaper_runtime.oci import bundle
from tests.fakes.runtime import spec, write_bundle

if TYPE_CHECKING:
    from reaper_runtime.container import Container

NOWHERE = StdioPaths("", "", "")
SLEEP = ("/bin/sleep", "60")
_IN_A_THREAD = (
    "import subprocess, threading; threading.Thread(target=subprocess.call, args=[['setsid', 'sleep', '60']]).start()"
)
# A process with one child, in a session of its own, which the kernel lists with the second thread only.
THREADED = (sys.executable, "-c", _IN_A_THREAD)
# A process that goes on in its second thread, after its first one has ended (exit(2), not exit_group(2)).
_EXIT = 60 if os.uname().machine == "x86_64" else 93
_WITHOUT_THE_FIRST = (
    "import ctypes, threading, time; threading.Thread(target=time.sleep, args=[60]).start(); "
    f"ctypes.CDLL(None).syscall({_EXIT}, 0)"
)
HEADLESS = (sys.executable, "-c", _WITHOUT_THE_FIRST)


def has_first_thread(pid: int) -> bool:
    """Whether the thread that a process began with still runs."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in ("Z", "X")
    except FileNotFoundError:
        return False


def limited_bundle(path: Path, cgroups_path: object, **wanted: Any) -> bundle.Bundle:
    """Of a container that sleeps in a cgroup with limits, by its annotation. wanted: linux.resources."""
    write_bundle(path, *SLEEP, annotations={"reaper.runtime/cgroup": "pod"})
    config = json.loads((path / "config.json").read_text())
    config["linux"] = {"cgroupsPath": cgroups_path, "resources": wanted}
    (path / "config.json").write_text(json.dumps(config))
    return bundle.load(str(path))


async def start_exec(container: Container, exec_id: str, wanted: Any = None, *, start: bool = True) -> int:
    """Add an exec, sleeping by default, and start it unless told otherwise; gives its pid."""
    await container.add_exec(exec_id, wanted or spec(*SLEEP), NOWHERE)
    if start:
        await container.start(exec_id, lambda _pid: None)
    return container.process(exec_id).pid


async def exit_code(container: Container, exec_id: str = "") -> int:
    """The exit code, once it is published."""
    code: int = (await container.process(exec_id).published).code
    return code
