from __future__ import annotations

import io

import pytest

from cluster.host.console import Console, elapsed
from cluster.host.polling import eventually


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0s"), (3.26, "3.3s"), (12.4, "12s"), (59.7, "1m00s"), (461, "7m41s"), (3600, "60m00s")],
)
def test_elapsed(seconds: float, text: str) -> None:
    assert elapsed(seconds) == text


def test_a_step_tells_its_beginning_and_its_time() -> None:
    out, times = io.StringIO(), iter([100.0, 561.0])
    with Console(out, clock=lambda: next(times)).step("building"):
        assert out.getvalue() == "==> building\n"
    assert out.getvalue() == "==> building\n    done in 7m41s\n"


def test_a_quick_step_is_one_line() -> None:
    out = io.StringIO()
    with Console(out, clock=lambda: 0.0).step("looking"):
        pass
    assert out.getvalue() == "==> looking\n"


def test_a_step_beside_another_is_told_apart() -> None:
    out, times = io.StringIO(), iter([0.0, 5.0])
    with Console(out, clock=lambda: next(times)).step("collecting", beside="base system"):
        pass
    assert out.getvalue().splitlines()[-1] == "    (base system) done in 5.0s"


def test_a_long_step_gives_signs_of_life_with_its_note() -> None:
    out = io.StringIO()
    with Console(out, heartbeat=0.001).step("building") as step:
        step.note = "12 packages compiled"
        assert eventually(lambda: "s: 12 packages compiled\n" in out.getvalue(), within=5, every=0.001)


def test_polling_asks_once_and_stops_at_its_deadline() -> None:
    times, pauses = iter([0.0, 1.0, 2.0, 3.0]), list[float]()
    answers: list[bool] = []

    def never() -> bool:
        answers.append(False)
        return False

    assert not eventually(never, within=2, every=0.5, clock=lambda: next(times), pause=pauses.append)
    assert (len(answers), pauses) == (2, [0.5])
    assert eventually(lambda: True, within=0)
