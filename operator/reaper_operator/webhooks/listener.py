"""Where API servers ask: a webhook server in Kopf's sense, in place of its own.

Kopf's own closes the port and opens it again when the certificate's files change, and wants files.
"""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Callable

import kopf
from aiohttp import web

from reaper_operator import endpoints
from reaper_operator.settings import Endpoint
from reaper_operator.webhooks.reviews import is_review

LARGEST = 2**23  # bytes: an API server takes objects of up to 3 MiB, and sends the old one too
KEPT_ALIVE = 120.0  # seconds; longer than the 90 after which an API server closes what it does not use


class Listener:
    """What `settings.admission.server` of Kopf may be."""

    def __init__(self, endpoint: Endpoint, context: ssl.SSLContext, listening: Callable[[], object]) -> None:
        """`listening` is called when it answers."""
        self._endpoint, self._context, self._listening = endpoint, context, listening

    async def __call__(self, review: kopf.WebhookFn) -> AsyncIterator[kopf.WebhookClientConfig]:
        """Serve until it is cancelled. `review`: Kopf, which calls the handlers."""

        async def answer(request: web.Request) -> web.Response:
            path = request.match_info["path"]
            try:
                data = json.loads(await request.read())
            except ValueError:
                data = None
            if not is_review(path, data):
                raise web.HTTPBadRequest(text="this is no AdmissionReview that is served here\n")
            return web.json_response(await review(data, webhook=path))

        routes = [web.post("/{path}", answer)]
        runner = await endpoints.serve(
            routes, *self._endpoint, tls=self._context, kept_alive=KEPT_ALIVE, largest=LARGEST
        )
        try:
            self._listening()
            yield kopf.WebhookClientConfig()  # for configurations that Kopf would write: ours are Helm's
            await asyncio.Event().wait()
        finally:
            await runner.cleanup()
