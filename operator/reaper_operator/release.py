"""Before the operator goes for good: takes its finalizer off every task, and no other finalizer. What the chart's
pre-delete hook runs, and an administrator whose operator went in another way.

An operator at work would put it on again, so it is stopped first. If anything fails it is started again: a refused
uninstall leaves a cluster that works.
"""

import argparse
import asyncio
import logging
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

from reaper_api.vocabulary import FINAL_PHASES, FINALIZER, KIND
from reaper_operator import connection, logs
from reaper_operator.cluster import ApiServer
from reaper_operator.errors import ClusterError, Conflict, NotFound
from reaper_operator.key import Key, key_of_task

logger = logging.getLogger(__name__)

Body = dict[str, Any]

COMMAND = "release"
_BETWEEN = 1.0  # seconds between two looks
_START_AGAIN_WITHIN = 15.0  # seconds, of the 30 between a SIGTERM and the end


class ReleaseError(Exception):
    """One sentence: what could not be done, and what to do."""


class Cluster(Protocol):
    """What is needed of the API server; every call may raise a ClusterError."""

    def all_tasks(self) -> AsyncIterator[Body]:
        """Every ReaperTask in the cluster."""

    async def get_task(self, key: Key) -> Body | None:
        """One of them."""

    async def patch_finalizers(self, key: Key, resource_version: str, finalizers: list[str]) -> Body:
        """Replace its finalizers; Conflict unless it is still at that version."""

    async def replicas(self, namespace: str, deployment: str) -> int | None:
        """How many Pods a Deployment is to have; None if it is not there."""

    async def set_replicas(self, namespace: str, deployment: str, replicas: int) -> None:
        """Scale a Deployment."""

    async def pods_selected(self, namespace: str, selector: str) -> list[Body]:
        """The Pods that a label selector finds."""


@dataclass(frozen=True)
class Operator:
    """The Deployment that is stopped first, and the labels of its Pods."""

    namespace: str
    deployment: str
    selector: str


class Release:
    """One run of it. `timeout`: seconds until the operator has to be gone."""

    def __init__(
        self,
        cluster: Cluster,
        *,
        timeout: float,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._cluster = cluster
        self._timeout = timeout
        self._monotonic = monotonic
        self._sleep = sleep

    async def run(self, operator: Operator | None) -> int:
        """How many tasks were let go. Raises ReleaseError or a ClusterError; the operator works again then."""
        before = await self._cluster.replicas(operator.namespace, operator.deployment) if operator is not None else None
        try:
            if operator is not None and before:
                await self._stop(operator)
            return await self._let_go()
        except BaseException:
            if operator is not None and before:
                await self._start_again(operator, before)
            raise

    async def _stop(self, operator: Operator) -> None:
        await self._cluster.set_replicas(operator.namespace, operator.deployment, 0)
        logger.info("stopping the operator")
        deadline = self._monotonic() + self._timeout
        while pods := await self._at_work(operator):
            if self._monotonic() > deadline:
                names = ", ".join(pod["metadata"]["name"] for pod in pods)
                raise ReleaseError(
                    f"after {self._timeout:.0f} s the operator is still there, and it is started again: {names}. If "
                    "its node is lost, delete its Pod by force; `helm uninstall --no-hooks` leaves tasks as they are"
                )
            await self._sleep(_BETWEEN)

    async def _at_work(self, operator: Operator) -> list[Body]:
        """Its Pods, without those that are over: an evicted one stays, as its Deployment looks at active Pods only."""
        pods = await self._cluster.pods_selected(operator.namespace, operator.selector)
        return [pod for pod in pods if (pod.get("status") or {}).get("phase") not in FINAL_PHASES]

    async def _start_again(self, operator: Operator, replicas: int) -> None:
        deadline = self._monotonic() + _START_AGAIN_WITHIN
        while True:
            try:
                await self._cluster.set_replicas(operator.namespace, operator.deployment, replicas)
            except ClusterError as error:
                if self._monotonic() > deadline:
                    logger.error("the operator was not started again: %s", error)  # noqa: TRY400
                    return
                await self._sleep(_BETWEEN)
            else:
                return

    async def _let_go(self) -> int:
        count = 0
        with suppress(NotFound):  # the CRD went before
            async for task in self._cluster.all_tasks():
                count += await self._let_one_go(task)
        return count

    async def _let_one_go(self, task: Body | None) -> bool:
        """Somebody else may write at the same time; each try is on top of what was read."""
        while task is not None:
            metadata = task["metadata"]
            finalizers = metadata.get("finalizers", [])
            if FINALIZER not in finalizers:
                return False
            others = [name for name in finalizers if name != FINALIZER]
            try:
                await self._cluster.patch_finalizers(key_of_task(task), metadata["resourceVersion"], others)
            except Conflict:
                task = await self._cluster.get_task(key_of_task(task))
            except NotFound:
                return False
            else:
                return True
        return False


def main(arguments: Sequence[str]) -> int:
    """Exit code: 0 when no task is held any more, 1 if that failed, 2 for a wrong command line."""
    parser = argparse.ArgumentParser(
        prog=f"reaper_operator {COMMAND}",
        description=f"Takes the finalizer {FINALIZER} off every {KIND}, and no other finalizer. An operator that is at "
        "work puts it on again: name its Deployment to have it stopped first.",
        allow_abbrev=False,
    )
    parser.add_argument("--kubeconfig", help="path of a kubeconfig; absent: as for the operator")
    parser.add_argument("--namespace", help="of the operator's Deployment")
    parser.add_argument("--deployment", help="the operator's Deployment, which is scaled to 0")
    parser.add_argument("--selector", help="labels of its Pods, such as app.kubernetes.io/component=operator")
    parser.add_argument("--timeout", type=float, default=60.0, help="seconds until the operator is gone (default: 60)")
    chosen = parser.parse_args(arguments)
    names = (chosen.namespace, chosen.deployment, chosen.selector)
    if any(names) and not all(names):
        parser.error("--namespace, --deployment and --selector go together")
    logs.configure("info", "plain")
    try:
        cluster = ApiServer(connection.load(chosen.kubeconfig, connections=1), timeout=15)
        operator = Operator(*names) if all(names) else None
        count = asyncio.run(_until_told_to_stop(Release(cluster, timeout=chosen.timeout).run(operator)))
    except (ReleaseError, ClusterError, connection.NoCluster) as error:
        sys.stderr.write(f"reaper_operator {COMMAND}: {error}\n")
        return 1
    logger.info("%d tasks are not held any more", count)
    return 0


async def _until_told_to_stop(work: Awaitable[int]) -> int:
    """The first process of a container gets no signal that it does not handle."""
    task = asyncio.ensure_future(work)
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    try:
        return await task
    except asyncio.CancelledError:
        raise ReleaseError("stopped by a signal before every task was let go") from None
