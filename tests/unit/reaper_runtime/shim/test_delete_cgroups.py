"""`delete` and cgroups: what is in them is killed, and they are removed; by systemd, where they are its units."""

from __future__ import annotations

import os
import shutil
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from reaper_runtime.host import procfs
from reaper_runtime.host.cgroup import cgroup, directory
from reaper_runtime.host.systemd import connection
from reaper_runtime.state import Mark, PodState, Record
from tests.fakes.recorded import DEAD, start_session, write_record
from tests.fakes.runtime import is_alive
from tests.fakes.systemd import FakeSystemd, obliging

if TYPE_CHECKING:
    from collections.abc import Callable

    from reaper_runtime.host.systemd.message import Message

pytestmark = pytest.mark.usefixtures("reaper")


def test_what_left_its_session_is_killed_by_its_cgroup(state: PodState, call: Callable[[str], tuple[int, int]]) -> None:
    made = cgroup.track("k8s.io", f"unit-test-{os.getpid()}", "c1")
    if made is None:
        pytest.skip("no cgroup can be written here")
    leader, daemon = start_session(), start_session()
    for pid in (leader, daemon):
        for place in made.directories:
            Path(place, "cgroup.procs").write_text(str(pid))
    found = procfs.stat(leader)
    assert found is not None
    state.write(Record("c1", leader, found.start_time, tuple(made.directories)))
    assert call("c1") == (leader, 137)
    assert not is_alive(leader)
    assert not is_alive(daemon)
    assert not any(Path(place).exists() for place in made.directories)
    cgroup.forget("k8s.io", f"unit-test-{os.getpid()}")


def test_units_that_systemd_does_not_see_the_end_of_are_on_record_until_they_are_gone(
    state: PodState, call: Callable[[str], tuple[int, int]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who is killed before that is followed by another `delete`."""
    places = [tmp_path / f"cri-containerd-{name}.scope" for name in ("c1", "c2")]
    for place in places:
        place.mkdir()
        (place / "unit").touch()
        state.write(Record(place.name.removesuffix(".scope"), DEAD, 1, (str(place),)))
    systemd = FakeSystemd(tmp_path / "private")
    on_record = []

    def stops(fake: FakeSystemd, asked: Message) -> list[bytes]:
        on_record.append(len(list(state.records())))
        shutil.rmtree(tmp_path / fake.calls[-1][1][0])
        return obliging(fake, asked)

    systemd.answer = stops
    monkeypatch.setattr(connection, "SOCKET", str(systemd.path))
    monkeypatch.setattr(directory, "is_unit", lambda path: Path(path, "unit").exists())
    monkeypatch.setattr("reaper_runtime.shim.delete._UNIT_SECONDS", 0.03)
    call("pod")
    assert sorted(values[0] for _, values in systemd.calls) == [place.name for place in places]
    assert on_record == [2, 2]
    assert list(state.records()) == []
    systemd.close()


@pytest.mark.parametrize("seen", [True, False])
def test_a_unit_is_systemds_to_remove(
    state: PodState,
    call: Callable[[str], tuple[int, int]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    seen: bool,
) -> None:
    """One that systemd does not see the end of is stopped."""
    place = tmp_path / "cri-containerd-c1.scope"
    place.mkdir()
    (place / "unit").touch()
    systemd = FakeSystemd(tmp_path / "private")

    def stops(fake: FakeSystemd, asked: Message) -> list[bytes]:
        shutil.rmtree(place)
        return obliging(fake, asked)

    systemd.answer = stops
    monkeypatch.setattr(connection, "SOCKET", str(systemd.path))
    monkeypatch.setattr(directory, "is_unit", lambda path: Path(path, "unit").exists())
    monkeypatch.setattr("reaper_runtime.shim.delete._UNIT_SECONDS", 20.0 if seen else 0.03)
    state.write(Record("c1", DEAD, 1, (str(place),)))
    timer = threading.Timer(0.05, shutil.rmtree, (place,))
    if seen:
        timer.start()
    assert call("c1") == (DEAD, 137)
    assert systemd.calls == ([] if seen else [("StopUnit", (place.name, "replace"))])
    assert not place.exists()
    if seen:
        timer.join()
    systemd.close()


def test_the_pods_cgroup_goes_with_its_last_container(
    tmp_path: Path, state: PodState, call: Callable[[str], tuple[int, int]]
) -> None:
    pod = tmp_path / "reaper" / "k8s.io" / "pod"
    (pod / "c1").mkdir(parents=True)
    kubelets = tmp_path / "kubepods" / "pod1"
    (kubelets / "c2").mkdir(parents=True)
    state.write(Record("c1", 1 << 22, 1, (str(pod / "c1"),)))
    state.write(Record("c2", 1 << 22, 1, (str(kubelets / "c2"),)))
    call("pod")
    assert not (tmp_path / "reaper" / "k8s.io").exists()
    assert kubelets.exists()
    assert not (kubelets / "c2").exists()


def test_a_shim_that_was_killed_before_it_had_recorded_anything(
    state: PodState, call: Callable[[str], tuple[int, int]]
) -> None:
    """make chaos, seed 407242: the cgroup of a container whose shim was killed while it started was left."""
    names = ("k8s.io", "pod")
    made = cgroup.track(*names, "c1")
    if made is None:
        pytest.skip("no cgroup can be written here")
    state.mark(Mark(DEAD, 1, tuple(cgroup.places(*names))))
    lost = start_session()
    Path(made.tracking, "cgroup.procs").write_text(str(lost))
    assert call("pod") == (0, 137)
    assert not is_alive(lost)
    assert not any(Path(place).exists() for place in cgroup.places(*names))
    assert not os.path.exists(state.path)  # noqa: PTH110


def test_the_delete_of_one_container_leaves_the_pods_cgroup(
    state: PodState, call: Callable[[str], tuple[int, int]], tmp_path: Path
) -> None:
    place = tmp_path / "reaper" / "k8s.io" / "pod"
    place.mkdir(parents=True)
    state.mark(Mark(DEAD, 1, (str(place),)))
    pid = start_session()
    write_record(state, "c1", pid)
    assert call("c1") == (pid, 137)
    assert place.exists()
    assert state.marked() is not None
