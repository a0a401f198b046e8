"""What is used: of version 2, of version 1, and of processes without a cgroup."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from reaper_runtime.host.cgroup import usage
from reaper_runtime.host.cgroup.cgroup import Cgroup

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Sleeper = Callable[..., int]


def _files(folder: Path, **texts: str) -> None:
    for name, text in texts.items():
        (folder / name.replace("__", ".")).write_text(text)


def test_version_2(tmp_path: Path) -> None:
    _files(
        tmp_path,
        cpu__stat="usage_usec 30\nuser_usec 20\nsystem_usec 10\nnr_periods 0\ncore_sched.force_idle_usec 0\n",
        memory__stat="anon 4096\nfile 8192\ninactive_file 100\npgfault 7\npgmajfault 1\n",
        memory__current="16384\n",
        memory__max="max\n",
        memory__peak="20000\n",
        memory__events="low 0\nhigh 0\nmax 3\noom 2\noom_kill 1\noom_group_kill 0\n",
        pids__current="5\n",
        pids__max="max\n",
    )
    found = usage.of_cgroup(Cgroup({"": str(tmp_path)}, limited=False))
    assert (found.cpu["usage_usec"], found.cpu["user_usec"], found.cpu["system_usec"]) == (30, 20, 10)
    assert (found.memory["usage"], found.memory["inactive_file"], found.memory["max_usage"]) == (16384, 100, 20000)
    assert found.memory["usage_limit"] == usage.UNLIMITED
    assert (found.memory["anon"], found.memory["pgfault"], found.memory["swap_usage"]) == (4096, 7, 0)
    assert found.pids == {"current": 5, "limit": 0}
    assert found.events["oom_kill"] == 1


def test_version_1(tmp_path: Path) -> None:
    _files(
        tmp_path,
        cpuacct__usage="30000\n",
        cpuacct__stat="user 2\nsystem 1\n",
        memory__stat="rss 1\nhierarchical_memory_limit 9223372036854771712\ntotal_rss 4096\ntotal_inactive_file 100\n",
        memory__usage_in_bytes="16384\n",
        memory__max_usage_in_bytes="20000\n",
        pids__current="5\n",
        pids__max="64\n",
    )
    found = usage.of_cgroup(Cgroup(dict.fromkeys(("memory", "cpuacct", "pids"), str(tmp_path)), limited=False))
    assert (found.cpu["usage_usec"], found.cpu["user_usec"]) == (30, 2 * 1_000_000 // os.sysconf("SC_CLK_TCK"))
    assert (found.memory["usage"], found.memory["anon"], found.memory["inactive_file"]) == (16384, 4096, 100)
    assert (found.memory["usage_limit"], found.memory["max_usage"]) == (usage.UNLIMITED, 20000)
    assert found.pids == {"current": 5, "limit": 64}
    assert found.events == {}


def test_what_the_controllers_do_not_tell_comes_from_the_members(tmp_path: Path) -> None:
    _files(tmp_path, cgroup__procs=f"{os.getpid()}\n", cpu__stat="usage_usec 30\n")
    found = usage.of_cgroup(Cgroup({"": str(tmp_path)}, limited=False))
    assert found.cpu == {"usage_usec": 30}
    assert found.memory["usage"] > 1 << 20
    assert found.pids["current"] >= 1


def test_the_machines_own(group: Cgroup, sleeper: Sleeper) -> None:
    sleeper()
    sleeper()
    found = usage.of_cgroup(group)
    assert found.pids["current"] == 2
    assert found.memory["usage"] > 0
    assert found.cpu["usage_usec"] > 0


def test_processes_without_a_cgroup() -> None:
    me = usage.of_processes([os.getpid()], children=False)
    twice = usage.of_processes([os.getpid(), os.getpid(), 2**22 + 1])  # the last has ended
    assert me.cpu["usage_usec"] == me.cpu["user_usec"] + me.cpu["system_usec"] > 0
    assert me.memory["usage"] == me.memory["anon"] + me.memory["file"] > 1 << 20
    assert twice.pids["current"] == 2 * me.pids["current"]
    assert twice.memory["pgfault"] >= 2 * me.memory["pgfault"]
