"""The wanted state of a node, step by step. Every step looks first and does only what is missing."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from reaper_node import bundle, check, containerd, dropin, lookup, placeholder, report, service
from reaper_node.errors import ApiError, NodeError
from reaper_node.settings import DROP_IN, HANDLER

if TYPE_CHECKING:
    from reaper_node.host import Host
    from reaper_node.kube import Cluster
    from reaper_node.settings import Settings

log = logging.getLogger(__name__)


def ensure(host: Host, cluster: Cluster, settings: Settings, *, thorough: bool) -> None:
    """Bring the node into the wanted state, or raise with the step that failed.

    `thorough` does what costs something even where nothing seems to have changed: it reads every
    installed file and runs a test process.
    """
    changed = bundle.ensure(host, settings.bundle, thorough=thorough)
    daemon = containerd.find(host, settings.containerd_unit)
    if dropin.ensure(host, daemon, settings.drop_in_directory):
        log.info("wrote %s/%s on the node", settings.drop_in_directory, DROP_IN)
        changed = True
    changed |= lookup.ensure(host, daemon)
    changed |= service.ensure_known(host, settings, daemon)
    changed |= placeholder.ensure(host, settings.containerd_socket)
    if changed or thorough:
        check.run_process(host, settings.containerd_socket)
    report.ready(cluster, settings.node_name, bundle.version(settings.bundle))
    bundle.prune(host)


def tell_failure(host: Host, cluster: Cluster, settings: Settings, error: NodeError) -> None:
    """Put a failure where an administrator looks: the log, the Node, an Event."""
    log.error("%s: %s", error.reason, error)
    if isinstance(error, ApiError):
        return  # there is nobody to tell
    try:
        report.failed(cluster, settings.node_name, error, usable=_usable(host, settings))
    except ApiError as unreachable:
        log.error("cannot report the failure: %s", unreachable)  # noqa: TRY400


def _usable(host: Host, settings: Settings) -> bool:
    """Whether pods run with what an earlier installation left: then a failed upgrade disturbs nobody."""
    try:
        check.run_process(host, settings.containerd_socket)
    except NodeError as second:
        log.warning("the node cannot run reaper pods now: %s", second)
        return False
    return not _handler_is_missing(host, settings)


def _handler_is_missing(host: Host, settings: Settings) -> bool:
    """Whether containerd's configuration certainly lacks our handler: one that cannot be read may have been fine."""
    try:
        daemon = containerd.find(host, settings.containerd_unit)
        return HANDLER not in containerd.handlers(containerd.resolved_plugins(host, daemon))
    except (NodeError, OSError):
        return False
