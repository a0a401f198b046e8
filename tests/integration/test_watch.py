"""What ends Kopf: an API server that misbehaves while it asks or watches. The operator goes on, with another Kopf."""

import base64
import itertools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from reaper_operator.key import Key
from reaper_operator.webhooks import authority
from tests.fakes.apiserver import PODS, Cut, FakeApiServer, failure, no_http_fault
from tests.integration.stage import LEASE, Stage, stage
from tests.ports import free_port

SOON = {"holderIdentity": "somebody else", "leaseDurationSeconds": 1}  # an operator leads when a test is prepared


def tracebacks(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What is in the operator's log with one. The server that plays the API server has a log, too."""
    return [record.message for record in caplog.records if record.exc_info and record.name != "aiohttp.server"]


async def hears_of_new_tasks(on: Stage) -> None:
    """By a watch, and not by a list or by the resync only."""
    told = len(on.server.sent)
    for number in itertools.count():
        new = await on.add(f"new-{number}")
        await on.until(partial(on.cluster.start, new))
        if ("reapertasks", "ADDED") in on.server.sent[told:]:
            return


def cut_off(server: FakeApiServer, hit: Callable[[str], bool]) -> None:
    """The API server dies under the answer."""
    server.cut = lambda _, path: Cut.WITHIN if hit(path) else None


def spoken_for(server: FakeApiServer, hit: Callable[[str], bool]) -> None:
    """A proxy answers, and says that all is well."""
    server.fault = lambda _, path: web.Response(text="<html>", content_type="text/html") if hit(path) else None


@pytest.mark.parametrize(
    ("path", "turn", "spoil"),
    [("/api/v1", 1, cut_off), ("/apis", 2, spoken_for)],  # where it is the second, the first is not Kopf's
)
async def test_a_discovery_that_breaks_off(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    path: str,
    turn: int,
    spoil: Callable[[FakeApiServer, Callable[[str], bool]], None],
) -> None:
    """By that Kopf ends, and with it ended the operator, with a traceback for each of their parts."""
    caplog.set_level("INFO", "reaper_operator")
    async with stage(tmp_path, lease=SOON) as on:
        asked: list[str] = []

        def hit(where: str) -> bool:
            asked.extend([where] if where == path else [])
            return where == path and len(asked) == turn

        spoil(on.server, hit)
        await on.until(lambda: caplog.text.count("watching ReaperTasks of") == 2)
        await hears_of_new_tasks(on)
    (said,) = [message for message in caplog.messages if "broken off" in message]
    assert said.startswith("the watch has broken off, and begins anew: ")
    assert tracebacks(caplog) == []


async def test_webhooks_whose_discovery_breaks_off(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Theirs is a Kopf of its own, on a standby too."""
    caplog.set_level("INFO", "reaper_operator")
    async with stage(tmp_path, **webhooks()) as on:
        asked: list[str] = []

        def hit(path: str) -> bool:
            asked.extend([path] if path == "/api/v1" else [])
            return path == "/api/v1" and len(asked) == 1

        cut_off(on.server, hit)
        await on.until(lambda: "certificate of the webhooks: " in caplog.text)
        on.server.secrets[Key(LEASE.namespace, "reaper-operator-webhooks")] = certificate()
        await on.until(lambda: len(asked) > 1)
        await on.until(lambda: "serving webhooks at" in caplog.text)
        assert on.operator is not None
        assert not on.operator.done()
    assert "serving webhooks has broken off, and begins anew: " in caplog.text
    assert tracebacks(caplog) == []
    assert "OS signals are ignored" not in caplog.text, "Kopf's, of a thread that is to get none"


async def test_webhooks_that_wait_for_the_crd_say_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with stage(tmp_path, **webhooks()) as on:
        on.server.fault = lambda _, path: web.json_response({"groups": []}) if path == "/apis" else None
        missing = "reapertasks.reaper.io are not served yet: install crds/reapertask.yaml"
        await on.until(lambda: missing in caplog.text)
        on.server.fault = no_http_fault
        await on.until(lambda: "certificate of the webhooks: " in caplog.text)


def webhooks() -> dict[str, Any]:
    """Settings of a standby that serves them."""
    return {
        "lease": {"holderIdentity": "somebody else", "leaseDurationSeconds": 3600},
        "webhook_address": f"127.0.0.1:{free_port()}",
        "webhook_certificates": "cert-manager",
        "webhook_check_seconds": 0.1,
    }


def certificate() -> dict[str, Any]:
    """The Secret of one for webhooks, as cert-manager makes it."""
    day, now = timedelta(days=1), datetime.now(UTC)
    trusted = authority.new_authority(now, day)
    issued = authority.sign(trusted, ["127.0.0.1"], now, day)
    data = {"ca.crt": trusted.certificate, "tls.crt": issued.certificate, "tls.key": issued.key}
    encoded = {name: base64.b64encode(text).decode() for name, text in data.items()}
    return {"metadata": {"resourceVersion": "1"}, "data": encoded}


async def test_a_crd_that_goes_and_comes_back(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "reaper_operator")
    async with stage(tmp_path, resync_seconds=0.3) as on:
        await on.running()
        on.server.fault = lambda _, path: failure(404) if path.startswith("/apis/reaper.io/") else None
        await on.server.drop_watches()
        await on.until(lambda: "does not say whether it serves reapertasks.reaper.io" in caplog.text)
        on.server.fault = no_http_fault
        await on.until(lambda: caplog.text.count("watching ReaperTasks of") == 2)
        await hears_of_new_tasks(on)
    assert tracebacks(caplog) == []
    assert caplog.text.count("the API server does not know ReaperTasks: install crds/reapertask.yaml") == 1


async def test_a_crd_that_goes_before_kopf_has_seen_it(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Kopf goes on without it, and would never look again."""
    caplog.set_level("INFO", "reaper_operator")
    async with stage(tmp_path, lease=SOON, resync_seconds=0.3) as on:
        asked: list[str] = []

        def gone(_: str, path: str) -> web.Response | None:
            asked.extend([path] if path == "/apis/reaper.io/v1alpha1" else [])
            return failure(404) if path.startswith("/apis/reaper.io/") and len(asked) > 1 else None

        on.server.fault = gone
        await on.until(lambda: "does not say whether it serves reapertasks.reaper.io" in caplog.text)
        on.server.fault = no_http_fault
        await on.until(lambda: caplog.text.count("watching ReaperTasks of") == 2)
        await hears_of_new_tasks(on)


async def test_a_watch_that_reports_an_error(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Other than that it has expired, as of an API server that has lost its etcd."""
    caplog.set_level("INFO", "reaper_operator")
    async with stage(tmp_path) as on:
        await on.running()
        await on.server.fail_watches(PODS, "etcdserver: request timed out")
        await on.until(lambda: "the watch has broken off, and begins anew: " in caplog.text)
        await on.until(lambda: caplog.text.count("watching ReaperTasks of") == 2)
        await hears_of_new_tasks(on)
    assert "etcdserver: request timed out" in caplog.text
    assert tracebacks(caplog) == []


@pytest.mark.timeout(150)  # half a minute until three have ended, and a quarter until the fourth is taken for well
async def test_a_watch_that_is_refused_for_long(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Kopf ends after seconds, again and again, and says each time before that it is ready."""
    caplog.set_level("INFO", "reaper_operator")
    async with stage(tmp_path, lease=SOON) as on:
        asked: list[str] = []

        def hit(path: str) -> bool:
            asked.extend([path] if path == "/api/v1" else [])
            return path == "/api/v1"

        cut_off(on.server, hit)
        await on.until(lambda: len(asked) == 3)  # the third is not taken for well any more
        on.server.cut = lambda _method, _path: None
        await hears_of_new_tasks(on)
        await on.until(lambda: " again, after 2 tries in " in caplog.text)
    told = [message for message in caplog.messages if "the watch has" in message or "watching" in message]
    assert [message.partition(" of ")[0].partition(":")[0] for message in told] == [
        "watching ReaperTasks",
        "the watch has broken off, and begins anew",
        "watching ReaperTasks",
        "the watch has broken off, and begins anew",
        "watching ReaperTasks",
    ]
    assert tracebacks(caplog) == []
