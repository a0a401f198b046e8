"""The runtime's files on the node: `/opt/reaper/<version>/`, with `current` pointing at one of them.

An upgrade adds a folder and moves the link. What is in a version's folder never changes: a damaged
one is renamed and another takes its name. Folders that nothing runs from any more are removed.
"""

from __future__ import annotations

import logging
import os
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING

from reaper_node.errors import CommandError, NodeError
from reaper_node.files import holds_tree, prepare_tree, replace_link, sync_directory
from reaper_node.settings import CURRENT, INSTALL_DIRECTORY

if TYPE_CHECKING:
    from reaper_node.host import Host

log = logging.getLogger(__name__)

_RETIRED = ".retired-"


def version(bundle: str) -> str:
    """The version string that the bundle carries: the name of its folder on the node."""
    try:
        text = Path(bundle, "VERSION").read_text().strip()
    except OSError as error:
        raise NodeError("BadBundle", f"the image's runtime in {bundle} has no VERSION file: build it again") from error
    if not text or "/" in text or text.startswith(".") or text == "current":
        raise NodeError("BadBundle", f"{bundle}/VERSION holds {text!r}, which cannot name a folder")
    return text


def ensure(host: Host, bundle: str, *, thorough: bool) -> bool:
    """Install the bundle's version and make it current; whether anything changed.

    `thorough` compares the content of every file of an installed version, not only its outline.
    """
    name = version(bundle)
    root = host.path(INSTALL_DIRECTORY)
    root.mkdir(parents=True, exist_ok=True)
    _require_exec(root)
    target = root / name
    whole = target.exists() and holds_tree(target, Path(bundle), content=thorough)
    if not whole:
        _place(Path(bundle), target)
        log.info("installed runtime %s in %s/%s", name, INSTALL_DIRECTORY, name)
    return _switch(host, root, name) or not whole


def _place(bundle: Path, target: Path) -> None:
    prepared = prepare_tree(bundle, target)
    if target.exists():
        log.warning("runtime %s on the node differs from the image's: replacing it", target.name)
        # Between the two renames there is no such version. What runs keeps what it has open.
        target.rename(target.with_name(f"{_RETIRED}{target.name}-{time.time_ns()}"))
    prepared.rename(target)
    sync_directory(target.parent)


def _switch(host: Host, root: Path, name: str) -> bool:
    link = root / "current"
    if link.is_symlink() and str(link.readlink()) == name:
        return False
    # A version that cannot start on this node must not become the current one.
    shim = f"{INSTALL_DIRECTORY}/{name}/bin/containerd-shim-reaper-v2"
    try:
        host.run(shim, "-v", timeout=30)
    except CommandError as error:
        raise NodeError("RuntimeDoesNotStart", f"runtime {name} does not start on this node: {error}") from error
    replace_link(link, name)
    log.info("%s points to %s", CURRENT, name)
    return True


def _require_exec(root: Path) -> None:
    if os.statvfs(root).f_flag & os.ST_NOEXEC:
        raise NodeError(
            "NoExec",
            f"the node's {INSTALL_DIRECTORY} is on a file system mounted noexec: remount it with exec, "
            "or mount a file system there that may execute",
        )


def prune(host: Host) -> None:
    """Remove versions that are neither current nor in use by a process."""
    root = host.path(INSTALL_DIRECTORY)
    current = str((root / "current").readlink())
    for folder in root.iterdir():
        if folder.is_symlink() or folder.name == current or not folder.is_dir():
            continue
        if _running_from(host, f"{INSTALL_DIRECTORY}/{folder.name}"):
            continue
        shutil.rmtree(folder)
        log.info("removed runtime %s: nothing runs from it", folder.name)


def users(host: Host) -> list[int]:
    """Processes of the node that run from any installed version."""
    return _running_from(host, INSTALL_DIRECTORY)


def _running_from(host: Host, folder: str) -> list[int]:
    prefix = f"{host.resolved(folder)}/"
    return [process.pid for process in host.processes() if process.executable.startswith(prefix)]


def remove(host: Host) -> None:
    """Take every version away."""
    root = host.path(INSTALL_DIRECTORY)
    if root.exists():
        shutil.rmtree(root)
        log.info("removed %s", INSTALL_DIRECTORY)
