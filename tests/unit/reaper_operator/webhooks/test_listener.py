"""listener.py: an AdmissionReview comes to Kopf and its answer goes back, by HTTPS. The rest: tests/integration."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest

from reaper_operator.settings import Endpoint
from reaper_operator.webhooks import authority
from reaper_operator.webhooks.listener import Listener
from reaper_operator.webhooks.tls import Shown
from tests.ports import free_port
from tests.unit.reaper_operator.webhooks.test_reviews import review


class Called:
    """What Kopf is called with."""

    def __init__(self) -> None:
        self.calls = list[tuple[Any, str | None]]()
        self.listening = 0

    async def __call__(self, request: Any, *, webhook: str | None = None, **_: Any) -> Any:
        self.calls.append((request, webhook))
        return {"response": {"uid": request["request"]["uid"], "allowed": True}}

    def begin(self) -> None:
        self.listening += 1


@pytest.fixture
async def served() -> AsyncIterator[tuple[Called, str, ssl.SSLContext]]:
    now, life = datetime.now(UTC), timedelta(days=1)
    root, shown, kopf = authority.new_authority(now, life), Shown(), Called()
    shown.show(*authority.sign(root, ["127.0.0.1"], now, life))
    port = free_port()
    serving = Listener(Endpoint("127.0.0.1", port), shown.context, kopf.begin)(kopf)
    assert await anext(serving) == {}
    rest = asyncio.ensure_future(anext(serving))
    yield kopf, f"https://127.0.0.1:{port}", ssl.create_default_context(cadata=root.certificate.decode())
    rest.cancel()
    await asyncio.wait([rest])


async def test_a_review_is_answered_by_kopf(served: tuple[Called, str, ssl.SSLContext]) -> None:
    kopf, url, context = served
    async with aiohttp.ClientSession() as client:
        async with client.post(f"{url}/validate", json=review(), ssl=context) as answer:
            assert await answer.json() == {"response": {"uid": "1", "allowed": True}}
        for path, data in (("validate", b"{"), ("validate", b"{}"), ("other", b"{}")):
            async with client.post(f"{url}/{path}", data=data, ssl=context) as answer:
                assert answer.status == 400
    assert kopf.calls == [(review(), "validate")]
    assert kopf.listening == 1
