"""`delete` and records that are half-written: they keep nothing else from being cleared, and go themselves."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from reaper_runtime.shim.delete import delete
from tests.fakes.recorded import start_session, write_record
from tests.fakes.runtime import eventually, is_alive

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from reaper_runtime.loop import Loop
    from reaper_runtime.state import PodState

    Run = Callable[..., Any]

pytestmark = pytest.mark.usefixtures("reaper")


@pytest.mark.parametrize("content", [b"", b"12", b"x y", b"\xff"])
def test_half_written_records_do_not_keep_the_others_from_being_cleared(
    state: PodState, call: Callable[[str], tuple[int, int]], content: bytes, loop: Loop, run: Run
) -> None:
    pid = start_session()
    write_record(state, "c1", pid)
    for name in ("c0", "c2", "c3~"):
        with open(os.path.join(state.path, name), "wb") as file:  # noqa: PTH118, PTH123
            file.write(content)
    call("pod")
    run(eventually(loop, lambda: not is_alive(pid)))


@pytest.mark.parametrize("half_written", [[], ["c1~"], ["c1:exec~"]])
def test_a_shim_killed_while_it_wrote_a_record_leaves_nothing(tmp_path: Path, half_written: list[str]) -> None:
    """Found by tests/conformance/chaos.py: the directory was there, its record not yet."""
    pod = tmp_path / "state" / "k8s.io" / "c1"
    pod.mkdir(parents=True)
    for name in half_written:
        (pod / name).touch()
    delete("k8s.io", "c1", str(tmp_path), str(tmp_path / "state"))
    assert not pod.exists()


def test_a_half_written_record_of_a_pods_container_goes_and_those_of_others_stay(tmp_path: Path) -> None:
    pod = tmp_path / "state" / "k8s.io" / "pod"
    pod.mkdir(parents=True)
    for name in ("c1~", "c2~"):
        (pod / name).touch()
    delete("k8s.io", "c1", str(tmp_path), str(tmp_path / "state"))
    assert [path.name for path in pod.iterdir()] == ["c2~"]  # its shim may live, and be about to rename it
    delete("k8s.io", "pod", str(tmp_path), str(tmp_path / "state"))
    assert not pod.exists()
