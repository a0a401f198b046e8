"""A short run of the chaos, with the same kills each time; `make chaos` is the long one, with others."""

from __future__ import annotations

import pytest

from tests.conformance.chaos import MOMENTS, VICTIMS, plan, run

KILLS, SEED = 16, 7


@pytest.mark.timeout(300)
def test_nothing_is_left_and_no_exit_code_is_wrong(version: str) -> None:
    """containerd, docs/runtime-v2.md: delete leaves nothing, whatever is killed and when. Ours: no wrong code."""
    chaos = run(version, KILLS, SEED)
    left = {name: count for name, count in chaos.figures.items() if name.startswith("left: ") and count}
    assert not left, f"{left}; {chaos.wrong}"


def test_a_seed_gives_the_same_kills_again_and_each_kind_of_them() -> None:
    """What chaos.py says of a seed; a run that fails can be repeated by it."""
    assert plan(7, 200) == plan(7, 200) != plan(8, 200)
    assert {(game.victim, game.moment) for game in plan(7, 200)} == {(v, m) for v in VICTIMS for m in MOMENTS}
