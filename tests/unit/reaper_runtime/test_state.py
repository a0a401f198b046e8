"""What is written down for the clean-up after a shim that was killed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from reaper_runtime.errors import InvalidArgument
from reaper_runtime.state import Mark, PodState, Record, find_group, pods


@pytest.fixture
def state(tmp_path: Path) -> PodState:
    return PodState("k8s.io", "sandbox", str(tmp_path))


def _told(state: PodState) -> list[tuple[str, int, int]]:
    return sorted((r.name, r.pid, r.start_time) for r in state.records())


def test_records_are_read_back(state: PodState) -> None:
    state.write(Record("one", 1, 100))
    state.write(Record("one:exec", 2, 200))
    assert _told(state) == [("one", 1, 100), ("one:exec", 2, 200)]


def test_cgroups_are_read_back_also_with_spaces(state: PodState) -> None:
    state.write(Record("one", 1, 100, ("/sys/fs/cgroup/a b", "/sys/fs/cgroup/c")))
    state.write(Record("two", 2, 200))
    assert {r.name: r.cgroups for r in state.records()} == {
        "one": ("/sys/fs/cgroup/a b", "/sys/fs/cgroup/c"),
        "two": (),
    }


def test_a_record_is_replaced_as_a_whole(state: PodState) -> None:
    state.write(Record("one", 1, 100))
    state.write(Record("one", 2, 200))
    assert _told(state) == [("one", 2, 200)]
    assert os.listdir(state.path) == ["one"]  # noqa: PTH208


def test_the_folder_goes_with_the_last_record(state: PodState, tmp_path: Path) -> None:
    state.write(Record("one", 1, 1))
    state.write(Record("two", 2, 2))
    state.forget("one")
    assert _told(state) == [("two", 2, 2)]
    state.forget("two")
    assert not (tmp_path / "k8s.io" / "sandbox").exists()
    state.forget("two")


def test_without_a_folder_there_are_no_records(state: PodState) -> None:
    assert _told(state) == []


@pytest.mark.parametrize("content", [b"", b"12", b"1 2 3", b"a b", b"1 x", b"\xff\xfe", b"1.5 2", b"\0" * 8])
def test_what_is_half_written_is_no_record(state: PodState, tmp_path: Path, content: bytes) -> None:
    state.write(Record("good", 1, 100))
    (tmp_path / "k8s.io" / "sandbox" / "bad").write_bytes(content)
    (tmp_path / "k8s.io" / "sandbox" / "folder").mkdir()
    (tmp_path / "k8s.io" / "sandbox" / "late~").write_bytes(b"3 300")
    assert _told(state) == [("good", 1, 100)]


def test_what_a_killed_shim_was_about_to_write_is_forgotten_too(state: PodState, tmp_path: Path) -> None:
    state.write(Record("one", 1, 1))
    (tmp_path / "k8s.io" / "sandbox" / "one~").write_bytes(b"3")
    state.forget("one")
    assert not (tmp_path / "k8s.io" / "sandbox").exists()


def test_the_pods_cgroups_are_noted_and_are_no_record(state: PodState) -> None:
    state.mark(Mark(7, 700, ("/cg/reaper/k8s.io/pod",), "/run/s"))
    state.write(Record("c1", 5, 6))
    state.forget_half_written(None)
    mark = state.marked()
    assert mark is not None
    assert (mark.pid, mark.start_time, mark.cgroups, mark.socket) == (7, 700, ("/cg/reaper/k8s.io/pod",), "/run/s")
    assert [record.name for record in state.records()] == ["c1"]
    assert state.holds(Mark(7, 700))
    assert not state.holds(Mark(7, 701))
    state.forget("c1")
    state.take_back(Mark(7, 701))
    assert state.holds(Mark(7, 700)), "it is another shim's by now"
    for _ in range(2):
        state.take_back(Mark(7, 700))
    assert state.marked() is None
    assert not Path(state.path).exists()


@pytest.mark.parametrize("content", ["", "7", "7 700", "seven 700\n\n", "7 700 1\n\n/cg\n"])
def test_a_mark_that_is_half_written_is_none(state: PodState, content: str) -> None:
    state.mark(Mark(7, 700))
    Path(state.path, "~").write_text(content)
    assert state.marked() is None


def test_all_pods_are_found(state: PodState, tmp_path: Path) -> None:
    state.write(Record("one", 1, 1))
    PodState("moby", "other", str(tmp_path)).mark(Mark(7, 700))
    (tmp_path / "stray").write_text("")
    (tmp_path / "k8s.io" / "not a name").mkdir()
    assert sorted((pod.namespace, pod.group) for pod in pods(str(tmp_path))) == [
        ("k8s.io", "sandbox"),
        ("moby", "other"),
    ]
    assert list(pods(str(tmp_path / "nothing"))) == []


def test_only_root_may_look_into_any_of_the_folders(tmp_path: Path) -> None:
    PodState("k8s.io", "sandbox", str(tmp_path / "run" / "state")).write(Record("one", 1, 1))
    state = tmp_path / "run" / "state"
    for folder in (state, state / "k8s.io", state / "k8s.io" / "sandbox"):
        assert folder.stat().st_mode & 0o777 == 0o700


def test_the_pod_of_a_container_is_found(state: PodState, tmp_path: Path) -> None:
    state.write(Record("one", 1, 1))
    assert find_group("k8s.io", "one", str(tmp_path)) == "sandbox"
    assert find_group("k8s.io", "other", str(tmp_path)) is None
    assert find_group("moby", "one", str(tmp_path)) is None


@pytest.mark.parametrize(("namespace", "group"), [("..", "a"), ("a", ".."), ("", "a"), ("a/b", "c"), ("a", "b/c")])
def test_names_that_leave_the_folder_are_refused(tmp_path: Path, namespace: str, group: str) -> None:
    with pytest.raises(InvalidArgument):
        PodState(namespace, group, str(tmp_path))
