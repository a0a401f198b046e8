"""A container's cgroup as a unit of systemd: what systemd is told, and what becomes of it where it refuses."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reaper_runtime.errors import Unavailable
from reaper_runtime.host.cgroup import directory, limits, scope
from reaper_runtime.host.cgroup.hierarchies import UNIFIED
from reaper_runtime.host.cgroup.limits import Setting
from reaper_runtime.host.cgroup.scope import Scope
from reaper_runtime.host.systemd import connection
from reaper_runtime.host.systemd.connection import Refused
from reaper_runtime.oci import resources
from tests.fakes.systemd import JOB, FakeSystemd, answer, obliging, refusal, removed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from reaper_runtime.host.cgroup.cgroup import Cgroup
    from reaper_runtime.host.systemd.message import Message
    from reaper_runtime.loop import Loop

    Run = Callable[..., Any]

NO_LIMIT = (1 << 64) - 1
EXISTS, UNKNOWN = "org.freedesktop.systemd1.UnitExists", "org.freedesktop.DBus.Error.PropertyReadOnly"
NAME = "cri-containerd-c.scope"
UNIT_FILE = "unit"  # in the place of systemd's extended attributes, which only a cgroup takes from anybody


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeSystemd]:
    made = FakeSystemd(tmp_path / "private")
    monkeypatch.setattr(connection, "SOCKET", str(made.path))
    monkeypatch.setattr(connection, "BUS", "/nonexistent")
    monkeypatch.setattr(directory, "is_unit", lambda path: Path(path, UNIT_FILE).exists())
    yield made
    made.close()


@pytest.fixture
def unit(tmp_path: Path) -> Scope:
    """One that systemd has not made."""
    place = tmp_path / NAME
    place.mkdir()
    (place / "cgroup.procs").write_text("")
    return Scope("pod1.slice", NAME, str(place))


def _made(unit: Scope) -> None:
    Path(unit.place, UNIT_FILE).touch()


def _settings(**wanted: Any) -> list[Setting]:
    return limits.version2(resources.parse(wanted, "r"))


def test_the_unit_is_as_runc_makes_it(loop: Loop, run: Run, systemd: FakeSystemd, unit: Scope) -> None:
    """opencontainers/cgroups, systemd/v2.go, Apply."""
    _made(unit)
    run(unit.start(loop, 42, _settings(memory={"limit": 64 << 20})))
    assert systemd.members() == ["StartTransientUnit"]
    name, mode, _, others = systemd.calls[0][1]
    assert (name, mode, others) == (NAME, "replace", [])
    assert systemd.properties() == {
        "Description": f"container {NAME}",
        "Slice": "pod1.slice",
        "Delegate": True,
        "DefaultDependencies": False,
        "CollectMode": "inactive-or-failed",
        "CPUAccounting": True,
        "IOAccounting": True,
        "MemoryAccounting": True,
        "TasksAccounting": True,
        "TasksMax": NO_LIMIT,
        "MemoryMax": 64 << 20,
        "PIDs": [42],
    }


def test_what_is_left_of_one_with_its_name_is_reset(loop: Loop, run: Run, systemd: FakeSystemd, unit: Scope) -> None:
    """opencontainers/cgroups, systemd/common.go, startUnit."""

    def once(systemd: FakeSystemd, asked: Message) -> list[bytes]:
        if systemd.members() == ["StartTransientUnit"]:
            return [refusal(asked, EXISTS, "was already loaded")]
        return obliging(systemd, asked)

    systemd.answer = once
    _made(unit)
    run(unit.start(loop, 42, ()))
    assert systemd.members() == ["StartTransientUnit", "ResetFailedUnit", "StartTransientUnit"]


def test_an_older_systemd_does_not_know_of_kills_that_spare_nobody(
    loop: Loop, run: Run, systemd: FakeSystemd, unit: Scope
) -> None:
    """OOMPolicy of a scope: systemd 253. What was refused is there, as a unit that has failed."""
    starts = []

    def older(systemd: FakeSystemd, asked: Message) -> list[bytes]:
        if systemd.members()[-1] != "StartTransientUnit":
            return obliging(systemd, asked)
        starts.append(systemd.properties().get("OOMPolicy"))
        refused = {1: UNKNOWN, 2: EXISTS}.get(len(starts))
        return [refusal(asked, refused, "no")] if refused else obliging(systemd, asked)

    systemd.answer = older
    _made(unit)
    run(unit.start(loop, 42, _settings(unified={"memory.oom.group": "1"})))
    assert starts == ["kill", None, None]
    assert systemd.members()[2] == "ResetFailedUnit"


@pytest.mark.parametrize(
    ("name", "asked"),
    [(EXISTS, ["StartTransientUnit", "ResetFailedUnit", "StartTransientUnit"]), ("org.a.B", ["StartTransientUnit"])],
)
def test_systemd_refuses(loop: Loop, run: Run, systemd: FakeSystemd, unit: Scope, name: str, asked: list[str]) -> None:
    systemd.answer = lambda _, call: [refusal(call, name, "not here")]
    with pytest.raises(Refused, match="systemd refuses it: not here"):
        run(unit.start(loop, 42, ()))
    assert systemd.members() == asked


def test_a_process_that_systemd_has_taken_elsewhere_is_taken_back(
    loop: Loop, run: Run, systemd: FakeSystemd, unit: Scope
) -> None:
    with pytest.raises(Refused, match=f"is not {unit.place}"):
        run(unit.start(loop, 42, ()))
    assert systemd.members() == ["StartTransientUnit"]
    assert directory.read(f"{unit.place}/cgroup.procs") == "42"


def test_one_without_a_mark_that_systemd_has_left_in_its_place_is_a_unit(
    loop: Loop, run: Run, systemd: FakeSystemd, group: Cgroup, sleeper: Callable[..., int]
) -> None:
    if UNIFIED not in group.paths:
        pytest.skip("no cgroup version 2")
    unit = Scope("pod1.slice", NAME, group.paths[UNIFIED])
    run(unit.start(loop, sleeper(), ()))
    assert unit.is_unit
    assert systemd.members() == ["StartTransientUnit"]


@pytest.mark.parametrize("made", [False, True])
def test_systemd_that_executes_itself_anew_is_asked_again_if_need_be(
    loop: Loop, run: Run, systemd: FakeSystemd, unit: Scope, *, made: bool
) -> None:
    def ends(systemd: FakeSystemd, asked: Message) -> list[bytes]:
        if made or len(systemd.calls) == 2:
            _made(unit)
        if len(systemd.calls) == 1:
            raise OSError
        return obliging(systemd, asked)

    systemd.answer = ends
    run(unit.start(loop, 42, ()))
    assert systemd.members() == ["StartTransientUnit"] * (1 if made else 2)


def test_one_that_has_ended_meanwhile_is_no_error(loop: Loop, run: Run, systemd: FakeSystemd, unit: Scope) -> None:
    """systemd has removed the directory."""
    Path(unit.place, "cgroup.procs").unlink()
    run(unit.start(loop, 42, ()))
    assert systemd.members() == ["StartTransientUnit"]


def test_systemd_is_told_of_a_change(loop: Loop, run: Run, systemd: FakeSystemd, unit: Scope) -> None:
    run(unit.change(loop, _settings(memory={"limit": 32 << 20}, pids={"limit": 7})))
    assert [(member, values[:2]) for member, values in systemd.calls] == [("SetUnitProperties", (NAME, True))]
    assert systemd.properties() == {"MemoryMax": 32 << 20, "TasksMax": 7}


def test_systemd_is_not_asked_for_what_it_does_not_know(
    loop: Loop, run: Run, systemd: FakeSystemd, unit: Scope
) -> None:
    run(unit.change(loop, _settings(hugepageLimits=[{"pageSize": "2MB", "limit": 4 << 20}])))
    assert systemd.calls == []


def test_the_end_of_one_that_is_none_is_its_removal(loop: Loop, run: Run, systemd: FakeSystemd, unit: Scope) -> None:
    Path(unit.place, "cgroup.procs").unlink()
    run(unit.ended(loop))
    assert not Path(unit.place).exists()
    assert systemd.calls == []


def test_the_end_of_a_unit_is_left_to_systemd(loop: Loop, run: Run, systemd: FakeSystemd, unit: Scope) -> None:
    _made(unit)

    def removes_it() -> None:
        shutil.rmtree(unit.place)

    loop.call_later(0.03, removes_it)
    run(unit.ended(loop))
    assert systemd.calls == []


@pytest.mark.parametrize("gone", [False, True])
def test_a_unit_whose_end_systemd_does_not_see_is_stopped(
    loop: Loop, run: Run, systemd: FakeSystemd, unit: Scope, *, gone: bool
) -> None:
    _made(unit)
    if gone:
        systemd.answer = lambda _, asked: [refusal(asked, "org.freedesktop.systemd1.NoSuchUnit", "not loaded")]
    run(unit.ended(loop, 0.03))
    assert systemd.calls == [("StopUnit", (NAME, "replace"))]


def test_a_job_that_fails(loop: Loop, run: Run, systemd: FakeSystemd, unit: Scope) -> None:
    systemd.answer = lambda _, asked: [answer(asked, "o", JOB), removed(result="failed")]
    with pytest.raises(Refused, match="'failed'"):
        run(unit.start(loop, 42, ()))


def test_systemd_does_not_answer(
    loop: Loop, run: Run, systemd: FakeSystemd, unit: Scope, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scope, "START_SECONDS", 0.1)
    systemd.answer = lambda *_: []
    with pytest.raises(Unavailable, match=r"not answered within 0\.1 seconds"):
        run(unit.start(loop, 42, ()))


def test_only_the_form_of_the_driver_systemd_can_be_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scope, "BOOTED", str(tmp_path))
    found = scope.of("a-b.slice:cri-containerd:c", "/place")
    assert found is not None
    assert (found.slice, found.name, found.place) == ("a-b.slice", NAME, "/place")
    assert scope.of("/kubepods/pod1/c", "/place") is None


def test_only_on_a_node_of_systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scope, "BOOTED", str(tmp_path / "none"))
    assert scope.of("a-b.slice:cri-containerd:c", "/place") is None


@pytest.mark.parametrize(
    ("file", "value", "expected"),
    [
        ("memory.max", "max", [("MemoryMax", ("t", NO_LIMIT))]),
        ("memory.swap.max", "0", [("MemorySwapMax", ("t", 0))]),
        ("memory.max", "0", []),
        ("memory.high", "1G", []),
        ("pids.max", "-1", []),
        ("cpu.weight", "20", [("CPUWeight", ("t", 20))]),
        ("cpu.max", "50000 100000", [("CPUQuotaPeriodUSec", ("t", 100_000)), ("CPUQuotaPerSecUSec", ("t", 500_000))]),
        ("cpu.max", "1001 100000", [("CPUQuotaPeriodUSec", ("t", 100_000)), ("CPUQuotaPerSecUSec", ("t", 20_000))]),
        ("cpu.max", "max 100000", [("CPUQuotaPeriodUSec", ("t", 100_000)), ("CPUQuotaPerSecUSec", ("t", NO_LIMIT))]),
        ("cpu.max", "max", []),
        ("cpuset.cpus", "0-3,9", [("AllowedCPUs", ("ay", [15, 2]))]),
        ("cpuset.mems", "0", [("AllowedMemoryNodes", ("ay", [1]))]),
        ("cpuset.cpus", "3-1", []),
        ("cpuset.cpus", "0-99999999", []),
        ("memory.oom.group", "1", []),
        ("io.weight", "default 20", []),
    ],
)
def test_the_properties(file: str, value: str, expected: list[Any]) -> None:
    """opencontainers/cgroups, systemd/v2.go: unifiedResToSystemdProps; systemd.resource-control(5)."""
    assert list(scope.properties([Setting("field", "controller", file, value)])) == expected


@given(st.sampled_from(["cpu.max", "cpu.weight", "cpuset.cpus", "memory.max", "pids.max"]), st.text(max_size=12))
def test_any_text_has_properties_or_none(file: str, value: str) -> None:
    for _, (kind, content) in scope.properties([Setting("field", "controller", file, value)]):
        assert kind == "ay" or 0 <= content <= NO_LIMIT
