"""Hooks in the loop: real programs."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING, Any

import pytest

from reaper_runtime.commands import hooks
from reaper_runtime.errors import FailedPrecondition
from reaper_runtime.loop import Future
from reaper_runtime.oci.hooks import Hook
from tests.fakes.runtime import open_fds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from reaper_runtime.exits import Reaper
    from reaper_runtime.loop import Loop


def _shell(script: str, timeout: int | None = None, **env: str) -> Hook:
    return Hook("/bin/sh", ("sh", "-c", script), env, timeout)


@pytest.fixture
def call(loop: Loop, reaper: Reaper, run: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *found, state=None: run(hooks.run(loop, reaper, "prestart", found, state or {}, Future()))


def test_hooks_run_in_order_with_state_and_environment(call: Callable[..., Any], tmp_path: Path) -> None:
    before = open_fds()
    call(
        _shell(f"cat > {tmp_path}/state", HOME="x"),
        _shell(f"env > {tmp_path}/env; grep -c pid {tmp_path}/state", NAME="v"),
        state={"pid": 5},
    )
    assert json.loads((tmp_path / "state").read_text()) == {"pid": 5}
    assert "NAME=v" in (tmp_path / "env").read_text().split()
    assert "HOME" not in (tmp_path / "env").read_text()
    assert open_fds() == before


def test_the_first_that_fails_is_the_last(call: Callable[..., Any], tmp_path: Path) -> None:
    with pytest.raises(FailedPrecondition, match=r"^prestart hook 0 \(/bin/sh\) failed with exit code 3: why$"):
        call(_shell("echo why; exit 3"), _shell(f"touch {tmp_path}/ran"))
    assert not (tmp_path / "ran").exists()


def test_a_program_that_is_not_there_is_named(call: Callable[..., Any]) -> None:
    with pytest.raises(FailedPrecondition, match=r"hook 0 \(/none\) cannot run: No such file or directory"):
        call(Hook("/none", ("none",), {}, None))


def test_a_late_one_is_killed_with_its_children(call: Callable[..., Any]) -> None:
    with pytest.raises(FailedPrecondition, match="was killed: it took longer than its timeout of 1 s"):
        call(_shell("sleep 60 | sleep 60", timeout=1))


@pytest.fixture
def _quit_ignored() -> Iterator[None]:
    """As for what a shell has started in the background."""
    before = signal.signal(signal.SIGQUIT, signal.SIG_IGN)
    yield
    signal.signal(signal.SIGQUIT, before)


@pytest.mark.usefixtures("_quit_ignored")
def test_signals_are_as_a_program_expects_them(call: Callable[..., Any], tmp_path: Path) -> None:
    call(_shell(f"grep -E 'SigIgn|SigBlk' /proc/self/status > {tmp_path}/signals"))
    masks = [int(line.split()[1], 16) for line in (tmp_path / "signals").read_text().splitlines()]
    the_library_s_own = 1 << 31 | 1 << 32  # 32 and 33: posix_spawn(3) of glibc leaves them ignored
    assert [mask & ~the_library_s_own for mask in masks] == [0, 0]
