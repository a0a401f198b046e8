"""What a process is given: capabilities, scheduling, personality; and the sentence where the node refuses."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from reaper_runtime.errors import FailedPrecondition
from reaper_runtime.host import libc, privileges, process
from reaper_runtime.oci import capabilities
from reaper_runtime.oci.capabilities import Capabilities
from reaper_runtime.oci.process import User
from reaper_runtime.oci.scheduling import Scheduler
from tests.fakes.runtime import needs_root, read_all, spec

if TYPE_CHECKING:
    from collections.abc import Callable

    from reaper_runtime.exits import Reaper
    from reaper_runtime.loop import Loop

    Show = Callable[..., str]

pytestmark = needs_root
CHOWN, NET_BIND = 1, 1 << 10
NODE = os.uname().nodename


@pytest.fixture
def output(loop: Loop, run: Callable[..., Any], reaper: Reaper) -> Show:
    """What a program with these attributes prints."""

    async def story(*args: str, **attributes: Any) -> str:
        receive, send = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(receive, False)
        child = process.fork(spec(*args, **attributes), (send, send, send))
        ended = reaper.expect(child.pid)
        os.close(send)
        try:
            await child.prepared(loop)
            await child.open_gate(loop)
        except BaseException:
            os.close(receive)
            await ended
            raise
        output = await read_all(loop, receive)
        assert (await ended).code == 0
        return output.decode()

    return lambda *args, **attributes: run(story(*args, **attributes))


@pytest.fixture
def show(output: Show) -> Show:
    """The content of a file as a process with these attributes reads it."""
    return lambda file, **attributes: output("/bin/cat", file, **attributes)


def _sets(text: str) -> dict[str, int]:
    return {line[3:6]: int(line.split()[1], 16) for line in text.splitlines() if line.startswith("Cap")}


def _caps(**sets: int) -> Capabilities:
    return Capabilities(**{**dict.fromkeys(Capabilities.SETS, 0), **sets})


def _same(mask: int, *names: str) -> Capabilities:
    return _caps(**dict.fromkeys(names, mask))


def test_root_has_what_is_left_in_its_bounding_set(show: Show) -> None:
    wanted = _same(CHOWN, "bounding", "effective", "permitted")
    found = _sets(show("/proc/self/status", capabilities=wanted))
    assert found == {"Inh": 0, "Prm": CHOWN, "Eff": CHOWN, "Bnd": CHOWN, "Amb": 0}


def test_drop_all(show: Show) -> None:
    assert set(_sets(show("/proc/self/status", capabilities=_caps())).values()) == {0}


def test_a_user_keeps_the_ambient_ones(show: Show) -> None:
    wanted = _same(NET_BIND, *Capabilities.SETS)
    found = _sets(show("/proc/self/status", capabilities=wanted, user=User(1000, 1000, (), None)))
    assert set(found.values()) == {NET_BIND}


def test_a_user_without_ambient_ones_has_none(show: Show) -> None:
    wanted = _same(NET_BIND, "bounding", "effective", "permitted")
    found = _sets(show("/proc/self/status", capabilities=wanted, user=User(1000, 1000, (), None)))
    assert (found["Eff"], found["Prm"], found["Bnd"]) == (0, 0, NET_BIND)


def test_what_the_node_does_not_have_is_named(show: Show) -> None:
    lacking = [n for n in range(len(capabilities.NAMES)) if not privileges.held_capabilities() >> n & 1]
    if not lacking:
        pytest.skip("this machine's root has every capability")
    name = capabilities.NAMES[lacking[0]]
    with pytest.raises(FailedPrecondition, match=rf"node {NODE} has no CAP_{name} to give"):
        show("/proc/self/status", capabilities=_caps(permitted=1 << lacking[0]))


def test_nobody_asked_and_it_keeps_what_root_has(show: Show) -> None:
    mine = _sets(Path("/proc/self/status").read_text())
    assert _sets(show("/proc/self/status"))["Eff"] == mine["Eff"]


def test_scheduler(show: Show) -> None:
    fields = show("/proc/self/stat", scheduler=Scheduler("SCHED_BATCH", 0, 5, 0, (0, 0, 0))).rpartition(")")[2].split()
    assert (fields[16], fields[38]) == ("5", "3")  # nice and policy: fields 19 and 41 of proc(5)


def test_a_scheduler_that_is_refused_is_named(show: Show) -> None:
    with pytest.raises(FailedPrecondition, match=rf"scheduler SCHED_FIFO cannot be set on node {NODE}: Invalid"):
        show("/proc/self/stat", scheduler=Scheduler("SCHED_FIFO", 0, 0, 0, (0, 0, 0)))  # its priority begins at 1


def test_io_priority_and_its_refusal(show: Show) -> None:
    show("/proc/self/stat", io_priority=2 << 13 | 7)
    with pytest.raises(FailedPrecondition, match=rf"ioPriority cannot be set on node {NODE}: Invalid"):
        show("/proc/self/stat", io_priority=5 << 13)


def test_personality(show: Show) -> None:
    assert int(show("/proc/self/personality", personality=8), 16) & 0xFF == 8


def test_an_oom_score_that_the_node_refuses_is_named(show: Show) -> None:
    mine = int(Path("/proc/self/oom_score_adj").read_text())
    if privileges.held_capabilities() >> capabilities.NAMES.index("SYS_RESOURCE") & 1:
        pytest.skip("this machine's root may lower it")
    with pytest.raises(FailedPrecondition, match=rf"oom_score_adj {mine - 1} cannot be set on node {NODE}: Permission"):
        show("/proc/self/stat", oom_score_adj=mine - 1)


def test_a_process_has_a_session_keyring_of_its_own(output: Show) -> None:
    """Not that of the session that containerd, or we, were started in."""
    ask = f"import ctypes; print(ctypes.CDLL(None).syscall({libc._KEYCTL}, 0, -3, 0))"  # KEYCTL_GET_KEYRING_ID
    ours = subprocess.run([sys.executable, "-c", ask], stdout=subprocess.PIPE, check=True).stdout
    first, second = (output(sys.executable, "-c", ask) for _ in range(2))
    assert len({int(ours), int(first), int(second)}) == 3
    assert int(first) > 0
