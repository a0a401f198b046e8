"""The whole operator, Kopf included, against an API server that misbehaves."""

import asyncio
import socket
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from aiohttp import web

from reaper_operator.key import Key
from tests.fakes.apiserver import PODS, failure, no_http_fault
from tests.fakes.cluster import FakeCluster, no_fault, pod_body
from tests.integration.stage import stage, times

STATUS = "/status"


async def test_a_life(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        key = await on.running()
        on.cluster.end(key, 42)
        await on.server.publish()
        await on.until_status(key, phase="Failed", exitCode=42)
        await on.until(lambda: [event["reason"] for event in on.cluster.events] == ["Running", "Failed"])
        assert on.cluster.writes.count("create_pod") == 1


async def test_an_operator_that_dies_is_seen_at_once(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="address already in use"), socket.create_server(("127.0.0.1", 0)) as taken:
        async with stage(tmp_path, health_address=f"127.0.0.1:{taken.getsockname()[1]}") as on:
            await on.running()


async def test_what_was_there_before_the_operator_came(tmp_path: Path) -> None:
    cluster = FakeCluster()
    key = cluster.add_task()
    async with stage(tmp_path, cluster) as on:
        await on.until_status(key, phase="Pending")


async def test_twenty_tasks_at_once_are_twenty_pods(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        keys = [on.cluster.add_task(f"task-{number}") for number in range(20)]
        await on.server.publish()
        for key in keys:
            await on.until_status(key, phase="Pending")
        assert on.cluster.writes.count("create_pod") == len(on.cluster.pods) == 20


async def test_a_deletion_that_the_watch_lost_is_found_by_the_resync(tmp_path: Path) -> None:
    async with stage(tmp_path, resync_seconds=0.3) as on:
        key = await on.running()
        on.server.fault = lambda _, path: failure(503) if path == "/api/v1/pods" else None
        await on.server.drop_watches(PODS)
        on.cluster.delete_pod(key, force=True)
        await on.server.publish()
        on.server.forget_history(PODS)
        on.server.fault = no_http_fault
        await on.until_status(key, phase="Failed", reason="PodDeleted")
        assert (PODS, "DELETED") not in on.server.sent
        assert len(on.cluster.starts) == 1


async def test_a_watch_that_is_dropped_again_and_again_loses_nothing(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        for number in range(5):
            await on.server.drop_watches()
            key = await on.running(f"task-{number}")
            await on.server.drop_watches()
            on.cluster.end(key, 0)
            await on.server.publish()
            await on.until_status(key, phase="Succeeded")


async def test_an_expired_watch_starts_anew(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        await on.running("first")
        on.server.forget_history()
        await on.server.drop_watches()
        on.server.forget_history()
        await on.running("second")


WRITES = [("POST", "/pods"), ("PATCH", STATUS), ("PATCH", "/reapertasks/hello"), ("PATCH", "/pods/hello")]
READS = [("GET", "/reapertasks/hello"), ("GET", "/pods/hello")]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [(*call, status) for status in (500, 503, 429) for call in READS + WRITES] + [(*call, 409) for call in WRITES],
)
async def test_an_api_server_that_fails_for_a_while(tmp_path: Path, method: str, path: str, status: int) -> None:
    async with stage(tmp_path) as on:
        on.server.fault = times(3, method, path, lambda: failure(status))
        key = await on.running()
        assert len(on.cluster.starts) == 1
        assert on.cluster.writes.count("create_pod") == 1
        assert on.cluster.status(key)["podUID"] == on.cluster.starts[0]


async def test_a_watch_that_says_nothing_more_is_made_good_by_the_resync(tmp_path: Path) -> None:
    """As of a connection that is dead, and that nobody has closed."""
    async with stage(tmp_path, resync_seconds=0.3) as on:
        key = await on.running()
        on.server.mute = True
        told = len(on.server.sent)
        on.cluster.end(key, 42)
        await on.server.publish()
        await on.until_status(key, phase="Failed", exitCode=42)
        new = await on.add("new")
        await on.until(lambda: on.cluster.start(new))
        assert on.server.sent[told:] == []


class Crowded:
    """An API server that, asked for one thing, says once that it is to be asked again in a second."""

    def __init__(self, method: str, path: str) -> None:
        self._wanted = (method, path)
        self.asked: list[float] = []

    def __call__(self, method: str, path: str) -> web.Response | None:
        if method != self._wanted[0] or not path.endswith(self._wanted[1]):
            return None
        self.asked.append(asyncio.get_running_loop().time())
        return failure(429, "too many requests", retry_after=1) if len(self.asked) == 1 else None

    @property
    def waited(self) -> float:
        """Seconds from the first request to the second."""
        return self.asked[1] - self.asked[0]


async def test_the_client_comes_again_when_the_api_server_says(tmp_path: Path) -> None:
    """By itself the operator would be back after 10 ms."""
    async with stage(tmp_path) as on:
        on.server.fault = crowded = Crowded("POST", "/pods")
        await on.running()
        assert crowded.waited >= 1.0


async def test_kopf_comes_again_when_the_api_server_says(tmp_path: Path) -> None:
    """By itself it would be back after some 100 ms."""
    async with stage(tmp_path) as on:
        await on.running()
        on.server.fault = crowded = Crowded("GET", "/api/v1/pods")
        await on.server.drop_watches(PODS)
        await on.until(lambda: len(crowded.asked) > 1)
        assert crowded.waited >= 1.0


async def test_a_token_that_is_refused_until_there_is_another(tmp_path: Path) -> None:
    """Kopf's session and the official client both come back with the new one, in the same process."""
    async with stage(tmp_path, resync_seconds=0.3) as on:
        key = await on.running()
        on.server.token = "renewed"  # noqa: S105 - nobody's
        await on.server.drop_watches()
        on.cluster.end(key, 42)
        await on.server.publish()
        await on.until(lambda: on.server.turned_away_of("kopf") > 1 and on.server.turned_away_of("OpenAPI") > 1)
        refused = on.server.turned_away_of("kopf")
        assert refused < 10, "it asks and asks"

        watches = len(on.server.watches)
        (tmp_path / "token").write_text("renewed")

        await on.until_status(key, phase="Failed", exitCode=42)
        await on.until(lambda: "reapertasks" in on.server.watches[watches:])  # the end may have come by the resync
        told = len(on.server.sent)
        new = await on.add("new")
        await on.until(lambda: on.cluster.start(new))
        assert ("reapertasks", "ADDED") in on.server.sent[told:]


async def test_an_answer_that_is_lost_after_the_pod_was_made(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:

        def fault(call: str, done: bool) -> None:  # noqa: FBT001 - see Fault
            if call == "create_pod" and done:
                on.cluster.fault = no_fault  # once
                raise ConnectionResetError

        on.cluster.fault = fault
        await on.running()
        assert on.cluster.writes.count("create_pod") == 1


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (lambda: failure(422, "Pod is invalid: spec.x", field="spec.x"), "PodInvalid"),
        (lambda: failure(422, "ValidatingAdmissionPolicy 'x' denied request: not here"), "PodRefused"),
        (lambda: failure(400, 'admission webhook "x" denied the request: not here'), "PodRefused"),
        (lambda: failure(500, "failed calling webhook"), "PodNotCreated"),
    ],
)
async def test_a_refusal_that_is_taken_back(tmp_path: Path, answer: Callable[[], web.Response], reason: str) -> None:
    async with stage(tmp_path, resync_seconds=0.1) as on:
        on.server.fault = times(99, "POST", "/pods", answer)
        key = await on.add()
        await on.until_status(key, reason=reason)
        on.server.fault = no_http_fault
        await on.until(lambda: on.cluster.start(key))


async def test_neither_its_own_report_nor_the_resync_ends_a_back_off(tmp_path: Path) -> None:
    asked = 0

    def fault(method: str, path: str) -> web.Response | None:
        nonlocal asked
        if method != "POST" or not path.endswith("/pods"):
            return None
        asked += 1
        return failure(403, f"refused for the {asked}. time")  # so that each refusal is another status

    async with stage(tmp_path, retry_base_seconds=3600.0, retry_limit_seconds=3600.0, resync_seconds=0.05) as on:
        on.server.fault = fault

        async def resyncs(count: int) -> None:
            done = on.server.requests.count("GET /apis/reaper.io/v1alpha1/reapertasks")
            await on.until(lambda: on.server.requests.count("GET /apis/reaper.io/v1alpha1/reapertasks") > done + count)

        await on.until_status(await on.add(), reason="PodRefused")
        await resyncs(2)  # the watch tells of the new task, in case that a resync was faster
        before = asked
        await resyncs(5)
        assert asked == before <= 2


@pytest.mark.parametrize("text", ["<html>a proxy</html>", '"text"'])
async def test_an_answer_that_is_not_from_kubernetes(tmp_path: Path, text: str) -> None:
    async with stage(tmp_path) as on:
        on.server.fault = times(2, "GET", "/reapertasks/hello", lambda: web.Response(text=text))
        await on.running()


async def test_one_bad_task_holds_up_no_other(tmp_path: Path) -> None:
    async with stage(tmp_path, workers=1, retry_base_seconds=0.001, retry_limit_seconds=0.001) as on:
        on.server.fault = lambda _, path: failure(500) if "/reapertasks/bad" in path else None
        bad = await on.add("bad")
        for number in range(5):
            await on.running(f"good-{number}")
        assert on.cluster.status(bad) == {}


async def test_one_pod_that_cannot_be_read_is_a_sentence_and_holds_up_no_other(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Kopf, the resync and the reconcile all meet it, and each again."""
    caplog.set_level("WARNING")
    async with stage(tmp_path, resync_seconds=0.1) as on:
        odd = await on.running("odd")
        started = on.cluster.pods[odd]["status"]["containerStatuses"][0]["state"]["running"]
        began = len(on.server.requests)
        for time in ("0000-01-01T00:00:00Z", "10000-01-01T00:00:00Z") * 3:
            started["startedAt"] = time
            on.cluster.edit(odd, activeDeadlineSeconds=1000)
            await on.server.publish()
            await on.running(f"good-{len(on.cluster.tasks)}")
        await on.until(lambda: on.server.requests[began:].count("GET /api/v1/pods") > 10)
        await on.until(lambda: on.server.requests[began:].count("GET /api/v1/namespaces/default/pods/odd") > 3)
    told = [record for record in caplog.records if "odd" in record.getMessage() + str(record.__dict__.get("object"))]
    sentence = "this operator cannot read Pod odd of the task: "
    assert [record.getMessage().startswith(sentence) for record in told] == [True] * 2
    assert [record.exc_info for record in told] == [None] * 2


async def test_the_name_is_taken_until_the_stranger_leaves(tmp_path: Path) -> None:
    cluster = FakeCluster()
    stranger = Key("default", "hello")
    cluster.pods[stranger] = pod_body("Running", uid="stranger")
    async with stage(tmp_path, cluster, resync_seconds=0.2) as on:
        key = await on.add()
        await on.until_status(key, reason="PodNameTaken")
        on.cluster.delete_pod(stranger, force=True)
        await on.until(lambda: on.cluster.start(key))


async def test_an_operator_that_was_away(tmp_path: Path) -> None:
    cluster = FakeCluster()
    async with stage(tmp_path, cluster) as on:
        keys = [await on.running(name) for name in ("ends", "vanishes", "runs")]
    cluster.end(keys[0], 7)
    cluster.delete_pod(keys[1], force=True)
    async with stage(tmp_path, cluster) as on:
        await on.until_status(keys[0], phase="Failed", exitCode=7)
        await on.until_status(keys[1], phase="Failed", reason="PodDeleted", exitCode=None)
        assert cluster.status(keys[2])["phase"] == "Running"
    assert len(cluster.starts) == 3


async def test_the_crd_comes_after_the_operator(tmp_path: Path) -> None:
    cluster = FakeCluster()
    key = cluster.add_task()
    async with stage(tmp_path, cluster) as on:
        on.server.fault = times(1, "GET", "/reapertasks", lambda: failure(404))
        await on.until(lambda: "GET /apis/reaper.io/v1alpha1/reapertasks" in on.server.requests)
        await on.until_status(key, phase="Pending")


def assert_only_the_lease_is_written(requests: list[str]) -> None:
    """The leader says that it lives; nobody else writes anything."""
    writes = {request for request in requests if not request.startswith("GET")}
    assert writes <= {"PATCH /apis/coordination.k8s.io/v1/namespaces/reaper-system/leases/reaper-operator"}


async def test_at_rest_the_operator_writes_nothing(tmp_path: Path) -> None:
    async with stage(tmp_path, resync_seconds=0.05) as on:
        await on.running()
        await on.until(lambda: on.cluster.events)
        writes = len(on.cluster.writes)
        seen = len(on.server.requests)
        await on.until(lambda: len(on.server.requests) > seen + 30)
        assert len(on.cluster.writes) == writes
        assert_only_the_lease_is_written(on.server.requests[seen:])


async def test_suspend_resume_and_delete(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        key = await on.running()
        on.cluster.edit(key, suspend=True)
        await on.server.publish()
        await on.until(lambda: "deletionTimestamp" in on.cluster.pods[key]["metadata"])
        on.cluster.tick()
        await on.server.publish()
        await on.until_status(key, phase="Suspended")
        on.cluster.edit(key, suspend=False)
        await on.server.publish()
        second = Key("default", "hello-2")
        await on.until(lambda: on.cluster.start(second))
        await on.server.publish()
        await on.until_status(key, phase="Running", attempts=2)
        on.cluster.delete(key)
        await on.server.publish()
        await on.until(lambda: "deletionTimestamp" in on.cluster.pods[second]["metadata"])
        on.cluster.tick()
        await on.server.publish()
        await on.until(lambda: key not in on.cluster.tasks)


async def test_what_is_due_is_done_without_anybody_asking(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        limited, short = await on.running("limited"), await on.add("short", ttlSecondsAfterFinished=1)
        active = datetime.now(UTC) - datetime.fromisoformat(on.cluster.status(limited)["activeSince"])
        on.cluster.edit(limited, activeDeadlineSeconds=int(active.total_seconds()) + 2)
        await on.until(lambda: on.cluster.start(short))
        on.cluster.end(short, 0)
        await on.server.publish()
        await on.until(lambda: on.cluster.pods[limited]["spec"].get("activeDeadlineSeconds") == 1)
        on.cluster.tick()
        await on.server.publish()
        await on.until_status(limited, phase="Failed", reason="DeadlineExceeded")
        await on.until(lambda: short not in on.cluster.tasks)


async def test_what_is_due_survives_the_operator(tmp_path: Path) -> None:
    cluster = FakeCluster()
    async with stage(tmp_path, cluster) as on:
        finished, limited, failed = [await on.running(name) for name in ("finished", "limited", "failed")]
        cluster.edit(failed, backoffLimit=1)
        cluster.end(finished, 0)
        cluster.end(failed, 1)
        await on.server.publish()
        await on.until_status(finished, phase="Succeeded")
        await on.until_status(failed, reason="BackOff")
    cluster.edit(finished, ttlSecondsAfterFinished=1)
    cluster.edit(limited, activeDeadlineSeconds=1)
    cluster.status(failed)["nextAttemptTime"] = "2026-01-01T00:00:00Z"  # which is long ago
    async with stage(tmp_path, cluster) as on:
        await on.until(lambda: finished not in cluster.tasks)
        await on.until(lambda: cluster.pods[limited]["spec"].get("activeDeadlineSeconds") == 1)
        await on.until(lambda: cluster.start(Key("default", "failed-2")))
    assert cluster.writes.count("create_pod") == 4


async def test_at_rest_nothing_is_written_for_what_is_going_to_be_due(tmp_path: Path) -> None:
    async with stage(tmp_path, resync_seconds=0.05) as on:
        failed = await on.running("failed")
        on.cluster.edit(failed, backoffLimit=1)
        on.cluster.end(failed, 1)
        limited = await on.running("limited")
        on.cluster.edit(limited, activeDeadlineSeconds=3600)
        paused = await on.add("paused", suspend=True)
        finished = await on.running("finished")
        on.cluster.edit(finished, ttlSecondsAfterFinished=3600)
        on.cluster.end(finished, 0)
        await on.server.publish()
        await on.until_status(failed, reason="BackOff", observedGeneration=2)
        await on.until_status(limited, observedGeneration=2)
        await on.until_status(paused, phase="Suspended")
        await on.until_status(finished, phase="Succeeded", observedGeneration=2)
        await on.until(lambda: on.cluster.tasks[finished]["metadata"]["finalizers"] == [])
        await on.until(lambda: len(on.cluster.events) == 6)
        seen = len(on.server.requests)
        await on.until(lambda: len(on.server.requests) > seen + 30)
        assert_only_the_lease_is_written(on.server.requests[seen:])
