"""The Lease at the API server: what the election reads and writes."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial

from reaper_operator.errors import NotFound, Unavailable
from reaper_operator.lease import Found, Record
from reaper_operator.transport import Body

_ALL = "/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
_ONE = _ALL + "/{name}"
_MERGE = "application/merge-patch+json"  # so that labels and fields of others stay as they are


class LeaseStore:
    """One Lease. Its requests wait for nobody: they have a thread and a connection of their own."""

    def __init__(self, call: Callable[..., Body], namespace: str, name: str) -> None:
        """`call`: that of a Transport that nobody else waits for."""
        self.name = f"{namespace}/{name}"
        self._request = call
        self._names = {"namespace": namespace, "name": name}
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="lease")

    async def read(self, timeout: float) -> Found | None:
        try:
            return _found(await self._call("GET", timeout))
        except NotFound:
            return None

    async def create(self, record: Record, timeout: float) -> Found:
        body = {"metadata": dict(self._names), "spec": _spec(record)}
        return _found(await self._call("POST", timeout, body))

    async def write(self, record: Record, version: str, timeout: float) -> Found:
        body = {"metadata": {"resourceVersion": version}, "spec": _spec(record)}
        return _found(await self._call("PATCH", timeout, body))

    async def _call(self, method: str, timeout: float, body: Body | None = None) -> Body:
        path = _ALL if method == "POST" else _ONE
        kind = _MERGE if method == "PATCH" else "application/json"

        limit = {"timeout": f"{timeout:.3f}s"}  # for the API server: what nobody waits for is not done
        request = partial(self._request, method, path, self._names)
        return await self._in_time(
            partial(request, query=limit, body=body, content_type=kind, timeout=timeout), timeout
        )

    async def _in_time(self, request: Callable[[], Body], timeout: float) -> Body:
        """The client's own limit does not count the search for the server's name."""
        try:
            work = asyncio.get_running_loop().run_in_executor(self._thread, request)
            return await asyncio.wait_for(work, timeout)
        except TimeoutError:
            raise Unavailable(0, f"the API server does not answer within {timeout:g} s") from None


def _spec(record: Record) -> Body:
    return {
        "holderIdentity": record.holder,
        "leaseDurationSeconds": record.lease_seconds,
        "acquireTime": _text(record.acquired),
        "renewTime": _text(record.renewed),
        "leaseTransitions": record.transitions,
    }


def _found(body: Body) -> Found:
    spec = body.get("spec") or {}
    record = Record(
        holder=spec.get("holderIdentity") or "",
        lease_seconds=spec.get("leaseDurationSeconds") or 0,
        acquired=_time(spec.get("acquireTime")),
        renewed=_time(spec.get("renewTime")),
        transitions=spec.get("leaseTransitions") or 0,
    )
    return Found(record, body["metadata"]["resourceVersion"])


def _text(time: datetime | None) -> str | None:
    """As a MicroTime: always six digits, always Z."""
    return None if time is None else time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
