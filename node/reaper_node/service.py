"""Restarting containerd, only where the one that runs has not read what is there now.

A restart leaves running containers alone: their shims live on and containerd finds them again.
"""

from __future__ import annotations

import logging
import posixpath
import time
from typing import TYPE_CHECKING

from reaper_node import containerd, dropin
from reaper_node.errors import CommandError, NodeError
from reaper_node.settings import DROP_IN, HANDLER

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from reaper_node.containerd import Daemon
    from reaper_node.host import Host
    from reaper_node.settings import Settings

log = logging.getLogger(__name__)

_ANSWER_WITHIN = 60.0
_POLL = 0.25


def ensure_known(host: Host, settings: Settings, daemon: Daemon, sleep: Callable[[float], None] = time.sleep) -> bool:
    """Make sure that the running containerd has read our drop-in; whether that took a restart.

    Where containerd or its part for Kubernetes does not come up with the drop-in, the drop-in goes.
    """
    drop_in = host.path(posixpath.join(settings.drop_in_directory, DROP_IN))
    if daemon.started > drop_in.stat().st_ctime:
        _require_cri(host, settings)
        return False
    drop_in.touch()  # or a clock that was set back would have us restart it for ever
    try:
        restart(host, settings, sleep)
        _require_cri(host, settings)
    except NodeError as error:
        log.warning("removing %s, with which containerd did not come up: %s", DROP_IN, error)
        _restart_without(drop_in, host, settings, sleep)
        raise
    return True


def _restart_without(drop_in: Path, host: Host, settings: Settings, sleep: Callable[[float], None]) -> None:
    text = drop_in.read_text()
    drop_in.unlink()
    try:
        restart(host, settings, sleep)
    finally:
        dropin.remember_refused(host, text)


def restart(host: Host, settings: Settings, sleep: Callable[[float], None] = time.sleep) -> None:
    """Restart the unit and wait until containerd answers."""
    log.info("restarting %s so that it reads its configuration again", settings.containerd_unit)
    begin = time.monotonic()
    host.run("systemctl", "restart", settings.containerd_unit, timeout=120)
    while True:
        try:
            containerd.ctr(host, settings.containerd_socket, "version", timeout=10)
        except CommandError as error:
            if time.monotonic() - begin > _ANSWER_WITHIN:
                raise NodeError(
                    "ContainerdDoesNotAnswer",
                    f"{settings.containerd_unit} was restarted and does not answer on "
                    f"{settings.containerd_socket} after {_ANSWER_WITHIN:.0f} s: "
                    f"see `journalctl -u {settings.containerd_unit}` on the node; {error}",
                ) from error
            sleep(_POLL)
        else:
            log.info("containerd answers again after %.1f s", time.monotonic() - begin)
            return


def _require_cri(host: Host, settings: Settings) -> None:
    """The plugin that serves Kubernetes must have come up with the configuration that has our handler."""
    table = containerd.ctr(host, settings.containerd_socket, "plugins", "ls")
    states = {tuple(line.split()[:2]): line.split()[-1] for line in table.splitlines()[1:] if line.strip()}
    names = (("io.containerd.cri.v1", "runtime"), ("io.containerd.grpc.v1", "cri"))
    bad = [f"{kind}.{name} is {states[kind, name]}" for kind, name in names if states.get((kind, name), "ok") != "ok"]
    if bad or not any(name in states for name in names):
        raise NodeError(
            "CriNotRunning",
            f"containerd runs, but not its part for Kubernetes ({', '.join(bad) or 'it is not there'}), "
            f"so {HANDLER} cannot be used: see `journalctl -u {settings.containerd_unit}` on the node",
        )
