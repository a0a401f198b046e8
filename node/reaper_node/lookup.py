"""A link by which containerd finds the shim by its name, beside the path in the drop-in.

containerd 2 asks one shim for all containers of a pod and notes the configured path only for the
first of them. After a restart it looks the others' shim up by name, in its PATH, and without this
link gives them up: exit code 255, while the process runs on. containerd puts the folder that its
plug-in `opt` manages into its own PATH, so that is where additions to it belong.
"""

from __future__ import annotations

import logging
import posixpath
from typing import TYPE_CHECKING

from reaper_node import containerd
from reaper_node.errors import NodeError
from reaper_node.files import replace_link
from reaper_node.settings import SHIM

if TYPE_CHECKING:
    from pathlib import Path

    from reaper_node.containerd import Daemon
    from reaper_node.host import Host

log = logging.getLogger(__name__)

_PLUGIN = "io.containerd.internal.v1.opt"
_DEFAULT = "/opt/containerd"


def ensure(host: Host, daemon: Daemon) -> bool:
    """Make the link if it is missing or points elsewhere; whether that was so."""
    link = _link(host, daemon)
    if _is_ours(link):
        return False
    if link.exists() and not link.is_symlink():
        raise NodeError(
            "LinkInTheWay",
            f"{_path(host, daemon)} on the node is not Reaper's link to its shim and would be run in its place: "
            "move it away",
        )
    link.parent.mkdir(parents=True, exist_ok=True)
    replace_link(link, SHIM)
    log.info("linked %s to %s", _path(host, daemon), SHIM)
    return True


def remove(host: Host, daemon: Daemon) -> None:
    """Take our link away; the folder is containerd's, and another link or file is somebody else's."""
    link = _link(host, daemon)
    if _is_ours(link):
        link.unlink()


def _is_ours(link: Path) -> bool:
    return link.is_symlink() and str(link.readlink()) == SHIM


def _link(host: Host, daemon: Daemon) -> Path:
    folder, name = posixpath.split(_path(host, daemon))
    return host.path(folder) / name  # the link itself, not what it points to


def _path(host: Host, daemon: Daemon) -> str:
    files = containerd.read(host, daemon.config)
    configured = [file.content.get("plugins", {}).get(_PLUGIN, {}).get("path") for file in files]
    folder = next((path for path in reversed(configured) if path), _DEFAULT)
    return posixpath.join(str(folder), "bin", posixpath.basename(SHIM))
