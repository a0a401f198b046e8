"""watch.py: what an end of Kopf may leave in the log. The rest is in tests/integration/test_watch.py."""

from __future__ import annotations

import asyncio
import gc
import json
from typing import Any

import aiohttp
import kopf
import pytest

from reaper_operator.errors import NotFound
from reaper_operator.health import Health, Pulse
from reaper_operator.watch import Watch, is_of_the_cluster, pass_over_lost_requests


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
    watch = Watch(kopf.OperatorRegistry(), call, replica, pause=0)
    await watch.run(lambda: pytest.fail("Kopf has begun"))
    assert caplog.messages == [complaint]
    assert replica.readiness_problem() == complaint


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
