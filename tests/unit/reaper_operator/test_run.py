"""run.py: what a lost Lease does. The rest runs in tests/integration."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest

from reaper_operator.run import LOST, Surroundings, hold_or_end

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


class FakeElection:
    """An election of which only `hold` counts."""

    def __init__(self, hold: Callable[[], Awaitable[str]]) -> None:
        self._hold = hold

    async def hold(self) -> str:
        return await self._hold()


async def lost() -> str:
    return "not renewed for 10 s: no route"


async def broken() -> str:
    raise ZeroDivisionError("a fault of ours")


@pytest.mark.parametrize(
    ("hold", "why"), [(lost, "not renewed for 10 s: no route"), (broken, "a fault of ours")], ids=["lost", "broken"]
)
async def test_a_process_that_leads_no_more_ends_at_once_and_says_why(
    hold: Callable[[], Awaitable[str]], why: str, caplog: pytest.LogCaptureFixture
) -> None:
    codes: list[int] = []
    holding = hold_or_end(FakeElection(hold), codes.append)
    await asyncio.wait([holding])
    await asyncio.sleep(0)
    assert codes == [LOST]
    assert f"leading no more, so this process ends: {why}" in caplog.text


async def test_whoever_hands_over_has_not_lost() -> None:
    codes: list[int] = []
    holding = hold_or_end(FakeElection(asyncio.Event().wait), codes.append)  # type: ignore[arg-type]
    await asyncio.sleep(0)
    holding.cancel()
    await asyncio.wait([holding])
    await asyncio.sleep(0)
    assert codes == []


async def test_the_clock_counts_the_time_that_the_machine_sleeps() -> None:
    here, awake = Surroundings(), time.monotonic()
    assert here.clock() >= awake
    assert abs(here.clock() - time.clock_gettime(time.CLOCK_BOOTTIME)) < 5
    assert 0 <= here.chance() <= 1
    await here.pause(0)
    assert here.wall().tzinfo is not None
