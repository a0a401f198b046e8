"""The periodic LIST. A watch can lose a deletion (Kopf does, over a re-list), and stalled tasks get a look
this way."""

import asyncio
import logging

from reaper_operator.cluster import Cluster
from reaper_operator.errors import ClusterError, NotFound
from reaper_operator.health import Vitals
from reaper_operator.key import Key
from reaper_operator.workqueue import WorkQueue

logger = logging.getLogger(__name__)


async def resync_once(cluster: Cluster, queue: WorkQueue[Key], vitals: Vitals) -> bool:
    """Queue every task that is not over. False if the API server would not say."""
    try:
        keys = await cluster.unfinished_tasks()
    except NotFound:
        logger.warning("the API server does not know ReaperTasks: install crds/reapertask.yaml")
        vitals.resynced(succeeded=False)
        return False
    except ClusterError as error:
        logger.warning("resync failed: %s", error)
        vitals.resynced(succeeded=False)
        return False
    for key in keys:
        queue.add(key)
    vitals.resynced(succeeded=True)
    return True


async def resync_until_success(cluster: Cluster, queue: WorkQueue[Key], vitals: Vitals, *, pause: float) -> None:
    """Ask until the API server answers. `pause` in seconds."""
    while not await resync_once(cluster, queue, vitals):
        await asyncio.sleep(pause)


async def resync_for_ever(cluster: Cluster, queue: WorkQueue[Key], vitals: Vitals, *, interval: float) -> None:
    """Ask every `interval` seconds."""
    while True:
        await asyncio.sleep(interval)
        await resync_once(cluster, queue, vitals)
