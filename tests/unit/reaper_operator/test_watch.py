"""watch.py: what an end of Kopf may leave in the log. The rest is in tests/integration/test_watch.py."""

from __future__ import annotations

import asyncio
import gc
import json
from typing import Any

import aiohttp
import kopf
import pytest

from reaper_operator.complaints import Complaints
from reaper_operator.errors import NotFound
from reaper_operator.health import Health, Pulse
from reaper_operator.restarts import Restarts
from reaper_operator.watch import Watch, is_of_the_cluster, pass_over_lost_requests
from tests.fakes.time import FakeLoop


async def abandoned(error: Exception) -> None:
    """A task that fails, and that nobody asks how it ended."""

    async def fail() -> None:
        raise error

    task = asyncio.create_task(fail())
    await asyncio.wait([task])
    error.__traceback__ = None  # which leads back to the task
    del task
    gc.collect()


@pytest.mark.parametrize(
    "error", [aiohttp.ClientConnectionError("Connection closed"), aiohttp.ServerDisconnectedError("cut off by the end")]
)
async def test_a_request_that_the_end_cut_off_is_no_traceback(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    asyncio.get_running_loop().set_exception_handler(pass_over_lost_requests)
    await abandoned(error)
    assert str(error) not in caplog.text


async def test_any_other_fault_is_still_told(caplog: pytest.LogCaptureFixture) -> None:
    asyncio.get_running_loop().set_exception_handler(pass_over_lost_requests)
    await abandoned(ZeroDivisionError("a fault of ours"))
    assert "Task exception was never retrieved" in caplog.text
    assert "a fault of ours" in caplog.text


async def test_without_it_the_end_would_print_one(caplog: pytest.LogCaptureFixture) -> None:
    await abandoned(aiohttp.ClientConnectionError("Connection closed"))
    assert "Connection closed" in caplog.text


def health() -> Health:
    health = Health(*(Pulse(lambda: 0.0, interval=1, slack=0) for _ in range(2)))
    health.lead()
    return health


GROUPS: dict[str, Any] = {"groups": [{"name": "apps"}, {"name": "reaper.io"}]}
NOT_SERVED = "the API server does not serve reapertasks.reaper.io: install crds/reapertask.yaml"


@pytest.mark.parametrize(
    ("answers", "complaint"),
    [
        ({"/apis": {"groups": [{"name": "apps"}]}}, NOT_SERVED),
        ({"/apis": GROUPS, "/apis/reaper.io/v1alpha1": {"resources": [{"name": "reapertasks/status"}]}}, NOT_SERVED),
        (
            {"/apis": GROUPS},
            "the API server does not say whether it serves reapertasks.reaper.io: 404 page not found",
        ),
    ],
    ids=["no group", "no resource", "no answer"],
)
async def test_kopf_is_not_begun_where_it_would_look_in_vain(
    answers: dict[str, Any], complaint: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The complaint is made once, and is why the replica is not ready. The end is not waited for."""
    asked = 0

    def call(method: str, path: str, names: object) -> dict[str, Any]:
        nonlocal asked
        asked += path == "/apis"
        if asked == 3:
            loop.call_soon_threadsafe(watch.end)
        if path not in answers:
            raise NotFound(404, "404 page not found")
        answer: dict[str, Any] = answers[path]
        return answer

    loop, replica = asyncio.get_running_loop(), health()
    at_once = Restarts(lambda: 0.0, lambda: 0.0, first=0.0)
    watch = Watch(kopf.OperatorRegistry(), call, replica, "tasks", restarts=at_once)
    await watch.run(lambda: pytest.fail("Kopf has begun"))
    assert caplog.messages == [complaint]
    assert replica.readiness_problem() == complaint


async def test_the_end_is_heard_while_the_api_server_is_asked() -> None:
    def call(_method: str, path: str, _names: object) -> dict[str, Any]:
        loop.call_soon_threadsafe(watch.end)
        answer: dict[str, Any] = SERVED[path]
        return answer

    async def kopf_begins(**_: Any) -> None:
        pytest.fail("Kopf has begun")

    loop = asyncio.get_running_loop()
    watch = Watch(kopf.OperatorRegistry(), call, health(), "tasks", operator=kopf_begins)
    await watch.run(lambda: None)


class FakeKopf:
    """In place of Kopf: each run lasts as long as it is told to, and then breaks off, or ends as it was asked to."""

    def __init__(self, *runs: tuple[float, Exception | None]) -> None:
        self.time, self.replica = FakeLoop(), health()
        self.ready: list[tuple[float, str | None]] = []  # when, and why the replica is not ready then
        self._runs = list(runs)
        clock = lambda: self.time.now  # noqa: E731
        self.watch = Watch(
            kopf.OperatorRegistry(),
            lambda _method, path, _names: SERVED[path],
            self.replica,
            "tasks",
            restarts=Restarts(clock, lambda: 0.0, first=0.0),
            complaints=Complaints(clock),
            operator=self.run_once,
            call_later=self.time.call_later,
        )

    async def run_once(self, *, ready_flag: asyncio.Future[None], **_: Any) -> None:
        lasts, error = self._runs.pop(0)
        ready_flag.set_result(None)
        await asyncio.sleep(0)  # Kopf's next step
        for _second in range(int(lasts)):
            self.time.pass_time(1)
            self.ready.append((self.time.now, self.replica.readiness_problem()))
        if not self._runs:
            self.watch.end()
        if error is not None:
            raise error
        self.watch.begin_anew()

    async def run(self) -> int:
        """All runs. How often Kopf's signal handlers were taken over."""
        begun: list[float] = []
        await self.watch.run(lambda: begun.append(self.time.now))
        return len(begun)


SERVED: dict[str, Any] = {"/apis": GROUPS, "/apis/reaper.io/v1alpha1": {"resources": [{"name": "reapertasks"}]}}
REFUSED = aiohttp.ClientPayloadError("cut off")
BROKEN_OFF = "the watch has broken off, and begins anew: cut off"


async def test_a_watch_that_breaks_off_once_is_two_lines(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    stage = FakeKopf((1000, REFUSED), (10, None))
    assert await stage.run() == 2
    assert caplog.messages == ["watching tasks", BROKEN_OFF, "watching tasks again, after 1 try in 0 s"]
    assert {why for _, why in stage.ready} == {None}


async def test_one_that_breaks_off_for_an_hour_is_told_at_a_sane_rate(caplog: pytest.LogCaptureFixture) -> None:
    """And the replica is not ready meanwhile, also while a Kopf is there that is going to break off."""
    caplog.set_level("INFO")
    stage = FakeKopf((1000, REFUSED), *((8, REFUSED),) * 450, (100, None))
    assert await stage.run() == 452
    first, *others, last = caplog.messages
    assert (first, last) == ("watching tasks", "watching tasks again, after 450 tries in 60 min")
    assert others[:3] == [BROKEN_OFF, "watching tasks again, after 1 try in 0 s", BROKEN_OFF]
    assert others[3:] == [f"{BROKEN_OFF} (75 times in 10 min)"] * 5
    unready = [moment for moment, why in stage.ready if why is not None]
    assert (unready[0], unready[-1]) == (1009, 1000 + 450 * 8 + 15)
    assert {why for _, why in stage.ready} == {None, BROKEN_OFF}


async def test_a_fault_of_ours_ends_it(caplog: pytest.LogCaptureFixture) -> None:
    stage = FakeKopf((1, KeyError("a fault of ours")))
    with pytest.raises(KeyError):
        await stage.run()
    assert not stage.replica.watching


OF_THE_CLUSTER = (
    aiohttp.ClientPayloadError("Response payload is not completed"),
    aiohttp.ClientConnectionError("Cannot connect"),
    TimeoutError(),
    kopf.LoginError("Ran out of valid credentials"),
    json.JSONDecodeError("Expecting value", "<html>", 0),
)
OURS = (OSError(98, "address already in use"), RuntimeError("a framework bug"), KeyError("a fault of ours"))


def test_what_comes_over_the_network_is_no_fault_of_ours() -> None:
    assert [error for error in (*OF_THE_CLUSTER, *OURS) if is_of_the_cluster(error)] == list(OF_THE_CLUSTER)
