"""Files of the runtime, read; processes, told from others that have their pid by now."""

from __future__ import annotations

import os
import select
import subprocess
import threading
from typing import TYPE_CHECKING

import pytest

from reaper_node.errors import NodeError
from reaper_node.processes import TaskProcess, hold, read
from reaper_runtime.host import procfs
from reaper_runtime.state import PodState
from reaper_runtime.task import TaskProcess as Told
from tests.fakes.runtime import open_fds

if TYPE_CHECKING:
    from pathlib import Path

WHOSE = {"namespace": "default", "pod": "hello-2", "pod_uid": "pod-2", "task": "hello", "overlay": ""}


def start_time(pid: int) -> int:
    found = procfs.stat(pid)
    assert found is not None
    return found.start_time


@pytest.mark.parametrize("overlay", ["", "default@build"])
def test_what_the_runtime_writes_is_what_the_agent_reads(tmp_path: Path, overlay: str) -> None:
    state = PodState("k8s.io", "sandbox", str(tmp_path / "state"))
    state.task.write(Told(4711, 99, **WHOSE | {"overlay": overlay}))

    assert read(tmp_path / "tasks" / "k8s.io@sandbox") == TaskProcess(4711, 99, **WHOSE | {"overlay": overlay})


def test_a_file_that_is_not_there_is_no_error(tmp_path: Path) -> None:
    assert read(tmp_path / "nothing") is None


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("pid 4711", "pid x", "not as the runtime writes it.*'x'"),
        ("pid 4711\n", "", "not as the runtime writes it.*'pid'"),
        ("task hello", "task ../../secrets/x", "no name of an object"),
        ("task hello", "task a?b", "no name of an object"),
        ("namespace default", "namespace ", "no name of an object"),
        ("overlay ", "nothing ", "'overlay'"),
    ],
)
def test_a_file_that_makes_no_sense_is_named(tmp_path: Path, old: str, new: str, complaint: str) -> None:
    text = Told(4711, 99, **WHOSE).text
    assert old in text
    (tmp_path / "file").write_text(text.replace(old, new))

    with pytest.raises(NodeError, match=f"{tmp_path}/file .*{complaint}"):
        read(tmp_path / "file")


@pytest.mark.parametrize("kind", ["folder", "bytes"])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, kind: str) -> None:
    if kind == "folder":
        (tmp_path / "file").mkdir()
    else:
        (tmp_path / "file").write_bytes(b"\xff\xfe")

    with pytest.raises(NodeError, match="file cannot be read"):
        read(tmp_path / "file")


def test_a_process_is_held_until_it_ends() -> None:
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as child:
        exact = TaskProcess(child.pid, start_time(child.pid), **WHOSE)
        fd = hold(exact)
        assert fd is not None
        assert select.select([fd], [], [], 0)[0] == []
        before = open_fds()
        assert hold(TaskProcess(child.pid, exact.start_time + 1, **WHOSE)) is None  # another process's pid by now
        assert open_fds() == before
        child.kill()
        assert select.select([fd], [], [], 10)[0] == [fd]
        os.close(fd)
    assert hold(exact) is None


def test_a_number_that_is_no_process_any_more_is_not_held() -> None:
    """It is a thread's: pidfd_open(2) then says EINVAL, or ENOENT, and not ESRCH."""
    going_on = threading.Event()
    thread = threading.Thread(target=going_on.wait)
    thread.start()
    try:
        assert thread.native_id is not None
        assert hold(TaskProcess(thread.native_id, 99, **WHOSE)) is None
    finally:
        going_on.set()
        thread.join()
