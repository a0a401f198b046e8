"""The operator and its Lease, against an API server that misbehaves. A real one: test_high_availability.py."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from tests.fakes.apiserver import Cut, failure, no_http_fault
from tests.integration.stage import LEASE, Stage, stage, times

if TYPE_CHECKING:
    from pathlib import Path

    from aiohttp import web

SHORT: dict[str, Any] = {"lease_seconds": 3, "lease_renew_seconds": 2.0, "lease_retry_seconds": 0.2}
PATH = "/leases/reaper-operator"
RENEWAL = "PATCH /apis/coordination.k8s.io/v1/namespaces/reaper-system/leases/reaper-operator"
TASKS = "/apis/reaper.io/v1alpha1/namespaces/default/reapertasks"
LOOK = RENEWAL.replace("PATCH", "GET")


def held_by(holder: str, seconds: int) -> dict[str, Any]:
    return {"holderIdentity": holder, "leaseDurationSeconds": seconds, "leaseTransitions": 7}


async def asked(on: Stage, what: str, more: int) -> None:
    """Wait until the operator has asked for it so many times more."""
    before = on.server.requests.count(what)
    await on.until(lambda: on.server.requests.count(what) >= before + more)


async def acts_no_more(on: Stage) -> None:
    """It has ended; where it has not, as here, it writes nothing any more, not even what it is in the middle of."""
    await on.until(lambda: on.lost)
    assert on.lost == [1]
    writes = list(on.cluster.writes)
    await on.add("late")
    await on.until(lambda: f"GET {TASKS}/late" in on.server.requests)
    await asyncio.sleep(0.1)  # for what it must not do
    assert on.cluster.writes == writes


async def test_the_lease_is_made_renewed_and_released(tmp_path: Path) -> None:
    async with stage(tmp_path, **SHORT) as on:
        await on.running()
        await asked(on, RENEWAL, 2)
        assert on.lease["holderIdentity"]
        assert (on.lease["leaseDurationSeconds"], on.lease["leaseTransitions"]) == (3, 0)
        assert on.lease["acquireTime"] < on.lease["renewTime"]
    assert on.lost == []
    assert (on.lease["holderIdentity"], on.lease["leaseDurationSeconds"], on.lease["leaseTransitions"]) == ("", 1, 0)


AN_HOUR = 3600  # a leader that waited for that long would be none any more


@pytest.mark.parametrize(
    ("status", "retry_after"), [*((status, None) for status in (403, 404, 409, 429, 500, 503)), (429, AN_HOUR)]
)
async def test_renewals_that_fail_for_a_while(tmp_path: Path, status: int, retry_after: int | None) -> None:
    async with stage(tmp_path, **SHORT) as on:
        await on.running("first")
        on.server.fault = times(3, "PATCH", PATH, lambda: failure(status, retry_after=retry_after))
        await asked(on, RENEWAL, 6)
        await on.running("second")
        assert on.lost == []


@pytest.mark.parametrize("cut", Cut)
async def test_connections_that_are_cut_during_renewals_for_a_while(tmp_path: Path, cut: Cut) -> None:
    async with stage(tmp_path, **SHORT) as on:
        await on.running("first")
        left = [3]

        def cuts(method: str, path: str) -> Cut | None:
            if method != "PATCH" or not path.endswith(PATH) or not left[0]:
                return None
            left[0] -= 1
            return cut

        on.server.cut = cuts
        await on.until(lambda: left == [0])
        await asked(on, RENEWAL, 3)
        await on.running("second")
        assert on.lost == []


@pytest.mark.parametrize("cut", Cut)
async def test_connections_that_are_cut_for_too_long(tmp_path: Path, cut: Cut) -> None:
    """Also where every renewal was carried out: a leader that cannot know it may not count on it."""
    async with stage(tmp_path, **SHORT) as on:
        await on.running()
        on.server.cut = lambda _, path: cut if path.endswith(PATH) else None
        await acts_no_more(on)


async def test_a_renewal_that_is_not_answered(tmp_path: Path) -> None:
    """One takes half of the time that a leader has."""
    async with stage(tmp_path, lease_seconds=8, lease_renew_seconds=6.0, lease_retry_seconds=0.2) as on:
        await on.running("first")
        on.server.silent = lambda method, path: method == "PATCH" and path.endswith(PATH)
        await asked(on, RENEWAL, 1)
        on.server.silent = lambda *_: False
        await asked(on, RENEWAL, 3)
        await on.running("second")
        assert on.lost == []


@pytest.mark.parametrize(("status", "retry_after"), [(409, None), (429, None), (429, 3600), (500, None)])
async def test_renewals_that_fail_for_too_long(tmp_path: Path, status: int, retry_after: int | None) -> None:
    async with stage(tmp_path, **SHORT) as on:
        await on.running()

        def fault(method: str, path: str) -> web.Response | None:
            return failure(status, retry_after=retry_after) if method != "GET" and path.endswith(PATH) else None

        on.server.fault = fault
        await acts_no_more(on)


async def test_an_api_server_that_answers_everything_but_renewals(tmp_path: Path) -> None:
    async with stage(tmp_path, **SHORT) as on:
        await on.running()
        on.server.silent = lambda _, path: path.endswith(PATH)
        await acts_no_more(on)


async def test_an_api_server_whose_answers_do_not_come_to_an_end(tmp_path: Path) -> None:
    """No byte is long in coming, so the connection itself never seems to hang."""
    async with stage(tmp_path, **SHORT) as on:
        await on.running()
        on.server.drips = lambda _, path: path.endswith(PATH)
        await acts_no_more(on)
        on.server.drips = lambda *_: False


async def test_somebody_else_has_taken_the_lease(tmp_path: Path) -> None:
    async with stage(tmp_path, **SHORT) as on:
        await on.running()
        version = int(on.server.leases[LEASE]["metadata"]["resourceVersion"])
        on.server.leases[LEASE] = {
            "metadata": {"resourceVersion": str(version + 1)},
            "spec": held_by("somebody else", 60),
        }
        await acts_no_more(on)
        assert on.lease == held_by("somebody else", 60)


async def test_a_standby_looks_at_the_lease_and_at_nothing_else(tmp_path: Path) -> None:
    async with stage(tmp_path, lease=held_by("somebody else", 60), **SHORT) as on:
        await on.add()
        await asked(on, LOOK, 3)
        assert set(on.server.requests) == {LOOK}
        assert "200 OK" in await probe(on, "/readyz")
        on.server.fault = lambda *_: failure(503)
        await asked(on, LOOK, 2)
        assert "200 OK" in await probe(on, "/healthz")


@pytest.mark.parametrize("renewed", [None, "1999-01-01T00:00:00.000000Z", "2099-01-01T00:00:00.000000Z"])
async def test_a_leader_that_is_gone_is_replaced_when_its_own_duration_is_over(
    tmp_path: Path, renewed: str | None
) -> None:
    """By the clock of who waits, whatever time of day it was where the leader has been."""
    began = asyncio.get_running_loop().time()
    async with stage(tmp_path, lease=held_by("gone", 1) | {"renewTime": renewed}, **SHORT) as on:
        await on.running()
        assert on.lease["leaseTransitions"] == 8
        assert asyncio.get_running_loop().time() - began >= 1


async def test_a_released_lease_is_taken_at_once(tmp_path: Path) -> None:
    async with stage(tmp_path, lease=held_by("", 1), **SHORT) as on:
        await on.running()


@pytest.mark.parametrize("status", [403, 429, 500])
async def test_a_candidate_that_is_refused_goes_on_asking(tmp_path: Path, status: int) -> None:
    async with stage(tmp_path, **SHORT) as on:
        on.server.fault = times(3, "GET", PATH, lambda: failure(status))
        await on.running()


async def test_a_candidate_that_is_put_off_for_hours_asks_again_soon(tmp_path: Path) -> None:
    async with stage(tmp_path, **SHORT) as on:
        on.server.fault = times(1, "GET", PATH, lambda: failure(429, retry_after=3600))
        await on.running()


async def test_an_operator_that_ends_while_it_waits_for_an_answer_releases_what_it_got(tmp_path: Path) -> None:
    async with stage(tmp_path, **SHORT) as on:
        answers: list[str] = []

        def lost_answer(method: str, path: str) -> Any:
            answers.extend([path] if method == "POST" and path.endswith("/leases") else [])

        on.server.fault = lost_answer
        await on.until(lambda: answers)
        on.server.fault = no_http_fault
    assert on.server.leases.get(LEASE, {"spec": {"holderIdentity": ""}})["spec"]["holderIdentity"] == ""


async def test_metrics_say_who_leads(tmp_path: Path) -> None:
    async with stage(tmp_path, **SHORT) as on:
        await on.running()
        text = await probe(on, "/metrics")
        assert 'leader_election_master_status{name="reaper-operator"} 1.0' in text
        assert "reaper_task_attempts_total 1.0" in text
        assert 'rest_client_requests_total{code="201",method="POST"}' in text


async def probe(on: Stage, path: str) -> str:
    endpoint = on.settings.metrics_endpoint if path == "/metrics" else on.settings.health_endpoint
    reader, writer = await asyncio.open_connection(endpoint.host, endpoint.port)
    writer.write(f"GET {path} HTTP/1.0\r\n\r\n".encode())
    answer = (await reader.read()).decode()
    writer.close()
    return answer
