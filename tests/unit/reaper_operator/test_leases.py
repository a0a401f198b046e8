"""leases.py: a Lease as the API server writes it, and back. The calls themselves: tests/integration."""

import threading
from datetime import UTC, datetime
from typing import Any

import pytest

from reaper_operator.errors import ClusterError, Conflict, NotFound, Unavailable
from reaper_operator.lease import Found, Record
from reaper_operator.leases import LeaseStore

NOON = datetime(2026, 11, 23, 12, 0, 0, 250_000, tzinfo=UTC)
RECORD = Record("me", 15, NOON, NOON, transitions=3)
SPEC = {
    "holderIdentity": "me",
    "leaseDurationSeconds": 15,
    "acquireTime": "2026-11-23T12:00:00.250000Z",
    "renewTime": "2026-11-23T12:00:00.250000Z",
    "leaseTransitions": 3,
}


class FakeTransport:
    """Answers with what it is told, and remembers what it was asked."""

    def __init__(self, answer: dict[str, Any] | ClusterError) -> None:
        self.answer, self.asked = answer, dict[str, Any]()

    def call(self, method: str, path: str, names: dict[str, str], **more: Any) -> dict[str, Any]:
        self.asked = {"method": method, "path": path.format(**names), **more}
        if isinstance(self.answer, ClusterError):
            raise self.answer
        return self.answer


def store(answer: dict[str, Any] | ClusterError) -> tuple[LeaseStore, FakeTransport]:
    transport = FakeTransport(answer)
    return LeaseStore(transport.call, "reaper-system", "reaper-operator"), transport


def lease(spec: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"metadata": {"resourceVersion": "7"}, **({} if spec is None else {"spec": spec})}


async def test_a_lease_is_read() -> None:
    leases, _ = store(lease(SPEC))
    assert await leases.read(5) == Found(RECORD, "7")


async def test_no_lease() -> None:
    leases, _ = store(NotFound(404, "not found"))
    assert await leases.read(5) is None


@pytest.mark.parametrize("spec", [None, {}, {"holderIdentity": None}])
async def test_a_lease_that_somebody_made_empty_is_free(spec: dict[str, Any] | None) -> None:
    leases, _ = store(lease(spec))
    assert await leases.read(5) == Found(Record("", 0, None, None, 0), "7")


async def test_it_is_made_as_a_whole() -> None:
    leases, transport = store(lease(SPEC))
    assert await leases.create(RECORD, 5) == Found(RECORD, "7")
    assert (transport.asked["method"], transport.asked["path"]) == (
        "POST",
        "/apis/coordination.k8s.io/v1/namespaces/reaper-system/leases",
    )
    assert transport.asked["body"] == {
        "metadata": {"namespace": "reaper-system", "name": "reaper-operator"},
        "spec": SPEC,
    }


async def test_it_is_changed_at_a_version_and_labels_of_others_stay() -> None:
    leases, transport = store(lease(SPEC))
    await leases.write(RECORD, "6", 5)
    assert transport.asked["method"] == "PATCH"
    assert transport.asked["content_type"] == "application/merge-patch+json"
    assert transport.asked["body"] == {"metadata": {"resourceVersion": "6"}, "spec": SPEC}


async def test_the_api_server_knows_for_how_long_somebody_waits() -> None:
    leases, transport = store(lease(SPEC))
    await leases.read(2.5)
    assert (transport.asked["timeout"], transport.asked["query"]) == (2.5, {"timeout": "2.500s"})


async def test_errors_come_out_as_they_are() -> None:
    leases, _ = store(Conflict(409, "modified"))
    with pytest.raises(Conflict):
        await leases.write(RECORD, "6", 5)


async def test_a_call_that_hangs_is_given_up() -> None:
    """As in a search for the server's name, which no timeout of the client ends."""
    released = threading.Event()
    leases = LeaseStore(lambda *_, **__: {"waited": released.wait(10)}, "reaper-system", "reaper-operator")
    with pytest.raises(Unavailable, match=r"the API server does not answer within 0\.01 s"):
        await leases.read(0.01)
    released.set()
