"""overlay list and overlay reset: the overlays of this node, and how to be rid of one that nobody uses."""

import json
import os
import time

from reaper_runtime.commands.show import columns
from reaper_runtime.errors import FailedPrecondition, InvalidArgument, NotFound
from reaper_runtime.host import libc, mounts, procfs
from reaper_runtime.overlay import Overlay, overlays, release_base

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Set

    from reaper_runtime.config import Config

    Fact = str | bool | int | None

COLUMNS = ("NAME", "MOUNTED", "IN USE", "MADE", "WRITTEN")
_TIME = "%Y-%m-%dT%H:%M:%SZ"  # RFC 3339
_INIT = "/proc/1/ns/mnt"
_BLOCK = 512  # bytes, of st_blocks (inode(7))


def overlay(options: "Namespace", config: "Config") -> str:
    """Do what the command line says; gives what there is to show."""
    if options.action == "reset" and options.everything == bool(options.names):
        raise InvalidArgument("name the overlays to reset, or say --all: see reaper-runtime overlay list")
    _enter_the_nodes_mounts()
    if options.action == "list":
        return listing(overlays(config.overlay_base), options.output, sizes=options.sizes)
    reset(config.overlay_base, options.names)
    return ""


def listing(found: list[Overlay], form: str, *, sizes: bool = True) -> str:
    """A table, or a JSON array with sizes in bytes. sizes: to add them up is to look at every file."""
    used = procfs.roots() if found else set()
    facts = [_facts(each, used, sizes=sizes) for each in found]
    if form == "json":
        return json.dumps(facts, indent=2) + "\n"
    return columns([COLUMNS if sizes else COLUMNS[:-1], *(tuple(map(_cell, each.values())) for each in facts)])


def _facts(overlay: Overlay, used: "Set[int]", *, sizes: bool) -> "dict[str, Fact]":
    made = overlay.made  # once: a reset may come in between
    facts: dict[str, Fact] = {  # in the order of COLUMNS
        "name": overlay.name,
        "mounted": overlay.mounted,
        "inUse": overlay.is_used(used),
        "made": None if made is None else time.strftime(_TIME, time.gmtime(made)),
    }
    return facts | {"writtenBytes": written(overlay)} if sizes else facts


def reset(base: str, names: list[str]) -> None:
    """Forget what was written in these overlays, or in all of them, and unmount them.

    Raises NotFound for one that is not there, FailedPrecondition for those that are in use; the others are reset.
    """
    known = {each.name: each for each in overlays(base)}
    for name in names:
        if name not in known:
            raise NotFound(f"there is no overlay {name} on node {os.uname().nodename}: see reaper-runtime overlay list")
    refusals = []
    for name in names or known:
        try:
            known[name].reset()
        except FailedPrecondition as error:
            refusals.append(str(error))
    if refusals:
        raise FailedPrecondition("; ".join(refusals))
    if not names:
        release_base(base)


def written(overlay: Overlay) -> int:
    """Bytes that its layers take on the node."""
    total = 0
    for place in overlay.kept:
        for folder, _, files in os.walk(place):
            for name in files:
                try:
                    total += os.lstat(os.path.join(folder, name)).st_blocks * _BLOCK
                except FileNotFoundError:
                    continue  # removed inside just now
    return total


def _enter_the_nodes_mounts() -> None:
    """Overlays are mounted there: who was started from a pod, as by the node agent, sees a copy of them only.

    Who may not enter was started from no such pod, and goes on where it is.
    """
    try:
        if os.stat(_INIT).st_ino == os.stat("/proc/self/ns/mnt").st_ino:
            return
        fd = os.open(_INIT, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return
    try:
        libc.enter_namespace(fd, mounts.CLONE_NEWNS)
    except PermissionError:
        return
    finally:
        os.close(fd)


def _cell(value: "Fact") -> str:
    if value is None:
        return "?"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return _size(value) if isinstance(value, int) else value


def _size(count: int) -> str:
    for unit in ("B", "KiB", "MiB"):
        if count < 1024:
            return f"{count} {unit}"
        count //= 1024
    return f"{count} GiB"
