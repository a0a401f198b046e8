"""Overlays whose namespace is gone: they take memory or disk, and a later namespace of that name would see into them.

The runtime cannot know: it is told a namespace's name, and nothing of its end.
"""

from __future__ import annotations

import json
import logging
from datetime import datetime
from typing import TYPE_CHECKING

from reaper_node.errors import NodeError
from reaper_node.settings import INSTALL_DIRECTORY

if TYPE_CHECKING:
    from reaper_node.host import Host
    from reaper_node.kube import Cluster

log = logging.getLogger(__name__)

_RUNTIME = f"{INSTALL_DIRECTORY}/current/bin/reaper-runtime"
_PATIENCE = 600.0  # seconds: there may be many files in it
_ACCURACY = 2.0  # seconds: both times have no more than whole ones


def collect(host: Host, cluster: Cluster) -> None:
    """Reset those that nobody uses and whose namespace is not there, or was created after them.

    What fails is told to the log: an overlay that stays a while keeps no Pod from its work.
    """
    try:
        unused = _unused(host)
        created = cluster.namespaces() if unused else {}
    except (NodeError, ValueError, KeyError, TypeError) as error:
        log.warning("overlays whose namespace is gone stay for now: %s", error)
        return
    for name, made in unused.items():
        namespace = name.partition("@")[0]
        if namespace not in created:
            _reset(host, name, f"namespace {namespace} is gone")
        elif made is not None and made + _ACCURACY < created[namespace]:
            _reset(host, name, f"it is of an earlier namespace {namespace}")


def _unused(host: Host) -> dict[str, float | None]:
    """Those of Kubernetes namespaces (see name_of() in the runtime's overlay.py), and when each was made."""
    listed = json.loads(host.run(_RUNTIME, "overlay", "list", "--no-sizes", "-o", "json"))
    return {
        each["name"]: None if each["made"] is None else datetime.fromisoformat(each["made"]).timestamp()
        for each in listed
        if not each["inUse"] and not each["name"].startswith("@")
    }


def _reset(host: Host, name: str, why: str) -> None:
    try:
        host.run(_RUNTIME, "overlay", "reset", name, timeout=_PATIENCE)
    except NodeError as error:
        log.warning("overlay %s stays for now, although %s: %s", name, why, error)
    else:
        log.info("reset overlay %s: %s", name, why)
