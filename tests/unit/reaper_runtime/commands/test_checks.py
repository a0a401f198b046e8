"""doctor: each check on a node made of a folder, and on this one."""

from __future__ import annotations

import json
import socket
import subprocess
from typing import TYPE_CHECKING

import pytest

from reaper_runtime.commands import checks, doctor
from reaper_runtime.commands.checks import OK, PROBLEM, WARNING, Node
from reaper_runtime.commands.home import RUNNING, Home, State
from reaper_runtime.host import procfs
from reaper_runtime.state import PodState, Record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from reaper_runtime.commands.checks import Finding


@pytest.fixture
def node(tmp_path: Path) -> Node:
    for name in ("run", "state", "etc/reaper", "etc/containerd/conf.d", "s"):
        (tmp_path / name).mkdir(parents=True)
    return Node(
        build="1-a", environment={}, run=str(tmp_path / "run"), state=str(tmp_path / "state"),
        etc=str(tmp_path / "etc"), shim_sockets=str(tmp_path / "s"),
    )  # fmt: skip


@pytest.fixture
def serve() -> Iterator[Callable[[Path], None]]:
    made: list[socket.socket] = []

    def listen(path: Path) -> None:
        made.append(socket.socket(socket.AF_UNIX))
        made[-1].bind(str(path))
        made[-1].listen()

    yield listen
    for listener in made:
        listener.close()


@pytest.fixture
def sleeper() -> Iterator[procfs.Stat]:
    with subprocess.Popen(["/bin/sleep", "60"]) as child:
        seen = procfs.stat(child.pid)
        assert seen is not None
        yield seen
        child.kill()


def _dead(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))


def _levels(found: Iterable[Finding]) -> list[str]:
    return [finding.level for finding in found]


def test_reaper_conf_is_valid_odd_or_wrong(node: Node, tmp_path: Path) -> None:
    conf = tmp_path / "etc/reaper/reaper.conf"
    assert _levels(checks.configuration(node)) == [OK]
    conf.write_text("REAPER_TYPO=1")
    assert _levels(checks.configuration(node)) == [WARNING, OK]
    conf.write_text("REAPER_DNS_MODE=x")
    (wrong,) = checks.configuration(node)
    assert (wrong.level, f"{conf} line 1" in wrong.message) == (PROBLEM, True)


def test_the_fork_server_of_this_build_and_others(node: Node, tmp_path: Path, serve: Callable[[Path], None]) -> None:
    assert _levels(checks.fork_server(node)) == [OK]
    serve(tmp_path / "run/zygote-1-a.sock")
    assert _levels(checks.fork_server(node)) == [OK]
    serve(tmp_path / "run/zygote-0-b.sock")
    _dead(tmp_path / "run/zygote-0-c.sock")
    assert sorted(_levels(checks.fork_server(node))) == [OK, WARNING, WARNING]


CRI = """version = 3
[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.reaper-v2]
runtime_type = "io.containerd.reaper.v2"
"""


def test_containerd_names_the_runtime_or_does_not(node: Node, tmp_path: Path) -> None:
    main = tmp_path / "etc/containerd/config.toml"
    assert _levels(checks.containerd(node)) == [WARNING]
    main.write_text("version = 3")
    assert _levels(checks.containerd(node)) == [PROBLEM]
    (tmp_path / "etc/containerd/conf.d/reaper.toml").write_text(CRI)
    (named,) = checks.containerd(node)
    place = f"{tmp_path}/etc/containerd/conf.d/reaper.toml"
    assert named == (OK, f"containerd's configuration names io.containerd.reaper.v2: reaper-v2 in {place}", "")
    main.write_text("version =")
    assert _levels(checks.containerd(node)) == [PROBLEM, OK]


def test_records_without_a_process_and_processes_without_a_shim(node: Node, sleeper: procfs.Stat) -> None:
    assert _levels(checks.records(node)) == [OK]
    state = PodState("k8s.io", "pod", node.state)
    state.write(Record("gone", sleeper.pid, sleeper.start_time + 1))
    state.write(Record("here", sleeper.pid, sleeper.start_time))
    assert _levels(checks.records(node)) == [OK, WARNING]
    lost = [finding for finding in checks.shims(node) if finding.level == PROBLEM]
    assert [finding.message for finding in lost] == [f"process {sleeper.pid} of container here has lost its shim"]


def test_sockets_without_a_listener(node: Node, tmp_path: Path, serve: Callable[[Path], None]) -> None:
    serve(tmp_path / "s/a")
    assert _levels(checks.sockets(node)) == [OK]
    _dead(tmp_path / "s/b")
    assert _levels(checks.sockets(node)) == [WARNING]


def test_containers_without_a_supervisor(node: Node, tmp_path: Path, sleeper: procfs.Stat) -> None:
    assert _levels(checks.containers(node)) == [OK]
    for name, start in (("stopped", sleeper.start_time + 1), ("running", sleeper.start_time)):
        home = Home(str(tmp_path / "run/oci"), name)
        home.make()
        home.write(State(id=name, bundle="/", status=RUNNING, pid=sleeper.pid, start_time=start))
    Home(str(tmp_path / "run/oci"), "half").make()
    assert _levels(checks.containers(node)) == [WARNING, PROBLEM, WARNING, OK]


def test_cgroups_of_version_2_1_both_and_none(node: Node, tmp_path: Path) -> None:
    one = f"32 31 0:29 / {tmp_path} rw - cgroup cgroup rw,pids\n"
    two = f"41 31 0:38 / {tmp_path} rw - cgroup2 cgroup2 rw\n"
    (tmp_path / "self").mkdir()
    (tmp_path / "cgroup.procs").touch()
    there = node._replace(proc=str(tmp_path))

    def said(mounts: str) -> str:
        (tmp_path / "self" / "mountinfo").write_text(mounts)
        return next(iter(checks.cgroups(there))).message

    assert said(two) == said(one + two) == f"containers are tracked by cgroup version 2, at {tmp_path}"
    assert said(one) == "containers are tracked by cgroup version 1: pids"
    assert _levels(checks.cgroups(there)) == [OK]
    assert said("") == "there is no cgroup file system that can be written"
    assert _levels(checks.cgroups(there)) == [WARNING]


def test_a_kernel_without_overlayfs_or_capabilities(node: Node, tmp_path: Path) -> None:
    (tmp_path / "self").mkdir()
    (tmp_path / "filesystems").write_text("nodev\ttmpfs\n\text4\n")
    (tmp_path / "self/status").write_text("CapEff:\t0000000000000000\n")
    (tmp_path / "self/oom_score_adj").write_text("-5\n")
    poor = node._replace(proc=str(tmp_path))
    assert _levels([*checks.overlayfs(poor), *checks.oom_score(poor)]) == [WARNING, WARNING]
    (tmp_path / "filesystems").write_text("nodev\toverlay\n")
    (tmp_path / "self/status").write_text("CapEff:\t000001ffffffffff\n")
    assert _levels([*checks.overlayfs(poor), *checks.oom_score(poor)]) == [OK, OK]


def test_every_line_has_a_level_and_every_other_than_ok_a_next_step(node: Node) -> None:
    found = doctor.examine(node)
    assert {subject for subject, _ in found} == {subject for subject, _ in doctor.CHECKS}
    assert all(finding.level == OK or finding.next_step for _, finding in found)


def test_a_check_that_fails_is_a_problem(node: Node) -> None:
    found = doctor.examine(node._replace(proc="/nonexistent"))
    assert ("overlayfs", PROBLEM) in {(subject, finding.level) for subject, finding in found}


def test_the_report_says_the_same_as_table_and_as_json() -> None:
    code, text = doctor.report("1-a", {"REAPER_DNS_MODE": "x"}, "json")
    entries = json.loads(text)
    assert code == 1
    assert {"check", "level", "message", "next_step"} == set(entries[0])
    assert any(e["check"] == "configuration" and e["level"] == PROBLEM for e in entries)
    code, table = doctor.report("1-a", {"REAPER_DNS_MODE": "x"}, "table")
    assert (code, len(table.splitlines())) == (1, len(entries))
