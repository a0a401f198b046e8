"""The reset of an overlay: everything is forgotten, also after one that was cut short; refused while it is in use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from reaper_runtime.errors import FailedPrecondition, NotFound
from reaper_runtime.host import libc, mounts, procfs
from reaper_runtime.overlay import Overlay, overlays, release_base
from reaper_runtime.rootfs import Rootfs
from tests.fakes.rootfs import Overlays, mounts_at, run, sleeper
from tests.fakes.runtime import needs_root

pytestmark = needs_root


def test_reset_forgets_everything(make_overlay: Overlays) -> None:
    run(make_overlay(), "echo hello > /etc/reaper-test")
    make_overlay().reset()
    assert not list(mounts_at(make_overlay().merged))
    assert run(make_overlay(), "test -e /etc/reaper-test")[1] == 1


def test_a_reset_that_was_cut_short_leaves_nothing_to_see(make_overlay: Overlays) -> None:
    """What is removed has another name by then; the next reset removes what is left of it."""
    run(make_overlay(), "echo hello > /etc/reaper-test")
    libc.unmount(make_overlay().merged, mounts.MNT_DETACH)
    left = Path(f"{make_overlay().path}~")
    Path(make_overlay().path).rename(left)
    assert [each.name for each in overlays(make_overlay.base, make_overlay.locks)] == ["team-a"]
    assert run(make_overlay(), "test -e /etc/reaper-test")[1] == 1
    make_overlay().reset()
    assert not left.exists()
    assert overlays(make_overlay.base, make_overlay.locks) == []


def test_what_is_left_of_a_reset_is_removed_by_the_next(make_overlay: Overlays) -> None:
    left = Path(f"{make_overlay().path}~")
    left.mkdir(parents=True)
    make_overlay().reset()
    assert not left.exists()


def test_the_base_stays_for_one_that_is_just_being_made(make_overlay: Overlays) -> None:
    """As where somebody resets all of them at that moment: nobody else must see into it."""

    class Raced(Overlay):
        def _unmount(self) -> None:
            release_base(self._base, self._locks)
            super()._unmount()

    assert run(Raced("team-a", make_overlay.base, make_overlay.locks), "echo made") == ("made\n", 0)
    assert make_overlay.base in mounts.table()


def test_reset_waits_for_nobody(make_overlay: Overlays) -> None:
    lock = make_overlay().open_lock()
    make_overlay().acquire(lock)
    assert make_overlay().is_used(procfs.roots())
    with pytest.raises(FailedPrecondition, match="overlay team-a is in use"):
        make_overlay().reset()
    os.close(lock)
    assert not make_overlay().is_used(procfs.roots())
    make_overlay().reset()
    with pytest.raises(NotFound, match="no overlay team-a"):
        make_overlay().reset()


def test_it_is_in_use_while_somebody_runs_in_it_whose_shim_was_killed(make_overlay: Overlays) -> None:
    rootfs = Rootfs(make_overlay())
    pid = sleeper(rootfs)
    rootfs.close()
    assert make_overlay().is_used(procfs.roots())
    with pytest.raises(FailedPrecondition, match="overlay team-a is in use"):
        make_overlay().reset()
    os.kill(pid, 9)
    os.waitpid(pid, 0)
    assert not make_overlay().is_used(procfs.roots())
