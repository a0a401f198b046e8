"""The reset of an overlay: everything is forgotten, also after one that was cut short; refused while it is in use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from reaper_runtime.errors import FailedPrecondition, NotFound
from reaper_runtime.host import libc, mounts, procfs
from reaper_runtime.overlay import Overlay, overlays, release_base
from reaper_runtime.rootfs import Rootfs
from tests.fakes.rootfs import Overlays, mounts_at, run
from tests.fakes.runtime import needs_root

pytestmark = needs_root


def test_reset_forgets_everything(make: Overlays) -> None:
    run(make(), "echo hello > /etc/reaper-test")
    make().reset()
    assert not list(mounts_at(make().merged))
    assert run(make(), "test -e /etc/reaper-test")[1] == 1


def test_a_reset_that_was_cut_short_leaves_nothing_to_see(make: Overlays) -> None:
    """What is removed has another name by then; the next reset removes what is left of it."""
    run(make(), "echo hello > /etc/reaper-test")
    libc.unmount(make().merged, mounts.MNT_DETACH)
    left = Path(f"{make().path}~")
    Path(make().path).rename(left)
    assert [each.name for each in overlays(make.base, make.locks)] == ["team-a"]
    assert run(make(), "test -e /etc/reaper-test")[1] == 1
    make().reset()
    assert not left.exists()
    assert overlays(make.base, make.locks) == []


def test_what_is_left_of_a_reset_is_removed_by_the_next(make: Overlays) -> None:
    left = Path(f"{make().path}~")
    left.mkdir(parents=True)
    make().reset()
    assert not left.exists()


def test_the_base_stays_for_one_that_is_just_being_made(make: Overlays) -> None:
    """As where somebody resets all of them at that moment: nobody else must see into it."""

    class Raced(Overlay):
        def _unmount(self) -> None:
            release_base(self._base, self._locks)
            super()._unmount()

    assert run(Raced("team-a", make.base, make.locks), "echo made") == ("made\n", 0)
    assert make.base in mounts.table()


def test_reset_waits_for_nobody(make: Overlays) -> None:
    lock = make().open_lock()
    make().acquire(lock)
    assert make().is_used(procfs.roots())
    with pytest.raises(FailedPrecondition, match="overlay team-a is in use"):
        make().reset()
    os.close(lock)
    assert not make().is_used(procfs.roots())
    make().reset()
    with pytest.raises(NotFound, match="no overlay team-a"):
        make().reset()


def test_it_is_in_use_while_somebody_runs_in_it_whose_shim_was_killed(make: Overlays) -> None:
    reader, writer = os.pipe()
    rootfs = Rootfs(make())
    pid = os.fork()
    if pid == 0:
        try:
            rootfs.enter(rootfs.fds)
            os.write(writer, b"x")
            os.execv("/bin/sleep", ["sleep", "60"])
        finally:
            os._exit(1)
    rootfs.close()
    os.close(writer)
    assert os.read(reader, 2) == b"x"
    assert os.read(reader, 1) == b"", "it has executed, and with that given up the lock"
    os.close(reader)
    assert make().is_used(procfs.roots())
    with pytest.raises(FailedPrecondition, match="overlay team-a is in use"):
        make().reset()
    os.kill(pid, 9)
    os.waitpid(pid, 0)
    assert not make().is_used(procfs.roots())
