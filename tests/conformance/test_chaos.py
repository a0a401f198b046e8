"""A short run of the chaos, with a seed of its own each time; `make chaos` is the long one."""

from __future__ import annotations

import time

import pytest

from tests.conformance.chaos import MOMENTS, VICTIMS, plan, run

KILLS = 16


@pytest.mark.timeout(300)
def test_nothing_is_left_and_no_exit_code_is_wrong(version: str) -> None:
    """containerd, docs/runtime-v2.md: delete leaves nothing, whatever is killed and when. Ours: no wrong code."""
    seed = time.time_ns() % 1_000_000
    chaos = run(version, KILLS, seed)
    left = {name: count for name, count in chaos.figures.items() if name.startswith("left: ") and count}
    assert not left, f"seed {seed}: {left}; {chaos.wrong}"


def test_a_seed_gives_the_same_kills_again_and_each_kind_of_them() -> None:
    """What chaos.py says of a seed; a run that fails can be repeated by it."""
    assert plan(7, 200) == plan(7, 200) != plan(8, 200)
    assert {(game.victim, game.moment) for game in plan(7, 200)} == {(v, m) for v in VICTIMS for m in MOMENTS}
