"""/healthz and /readyz: what the operator knows about itself, and no more.

Alive means that its loops turn. It does not depend on the API server: killing the operator would not bring
that back. Ready means that it watches and that the last resync went well not long ago.
"""

from collections.abc import Callable

from aiohttp import web

MISSED = 3  # intervals without a resync before something is wrong


class Vitals:
    """Signs of life, written by the parts, read by the probes. Times are seconds of a monotonic clock."""

    def __init__(self, monotonic: Callable[[], float], *, interval: float, slack: float) -> None:
        """A resync is due every `interval` seconds and may itself take `slack`."""
        self._monotonic = monotonic
        self._limit = MISSED * interval + slack
        self._tried = self._succeeded = monotonic()
        self.watching = False
        self.stopping = False

    def resynced(self, *, succeeded: bool) -> None:
        """A resync was tried just now."""
        self._tried = self._monotonic()
        if succeeded:
            self._succeeded = self._tried

    def sickness(self) -> str | None:
        """Why the process should be restarted, if it should."""
        age = self._monotonic() - self._tried
        return f"no resync was even tried for {age:.0f} s" if age > self._limit else None

    def unreadiness(self) -> str | None:
        """Why the operator is not at work, if it is not."""
        if self.stopping:
            return "stopping"
        if not self.watching:
            return "not watching yet"
        age = self._monotonic() - self._succeeded
        return f"the API server has not answered a resync for {age:.0f} s" if age > self._limit else None


async def serve(vitals: Vitals, host: str, port: int) -> web.AppRunner:
    """Start answering. The caller stops it with `cleanup()`. Raises OSError if the address is taken."""

    def answer(trouble: str | None) -> web.Response:
        return web.Response(text=(trouble or "ok") + "\n", status=503 if trouble else 200)

    async def healthz(_: web.Request) -> web.Response:
        return answer(vitals.sickness())

    async def readyz(_: web.Request) -> web.Response:
        return answer(vitals.unreadiness())

    app = web.Application()
    app.add_routes([web.get("/healthz", healthz), web.get("/readyz", readyz)])
    runner = web.AppRunner(app, access_log=None, handle_signals=False)
    await runner.setup()
    await web.TCPSite(runner, host, port).start()
    return runner
