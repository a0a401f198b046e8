"""Our one file in containerd's configuration. Files of others are read, never written.

containerd 2.0 and later merges imported files key by key. Older ones let a plugin's table in an
imported file replace the whole table of that plugin (containerd issue 5837), so there the drop-in
repeats what the other files say about Kubernetes' runtimes and adds ours. Either way the result
is compared, as containerd itself resolves it, before anything is restarted: nothing but our
handler may differ.
"""

from __future__ import annotations

import copy
import os
import posixpath
import time
from typing import TYPE_CHECKING, Any

from reaper_node import containerd, toml
from reaper_node.errors import NodeError
from reaper_node.files import replace_file
from reaper_node.settings import DROP_IN, HANDLER, RUNTIME_TYPE, SHIM, STATE_DIRECTORY

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reaper_node.containerd import ConfigFile, Daemon
    from reaper_node.host import Host

HEADER = """\
# Written by Reaper's node installer, which rewrites it when it differs and removes it on uninstall.
"""
# Which annotations of a Pod reach the runtime: without this containerd passes none.
POD_ANNOTATIONS = ["reaper.runtime/*"]
REFUSED = f"{STATE_DIRECTORY}/refused.toml"


def ensure(host: Host, daemon: Daemon, directory: str) -> bool:
    """Write the drop-in if it differs; whether it did. If containerd would suffer, nothing changes."""
    path = posixpath.join(directory, DROP_IN)
    files = containerd.read(host, daemon.config)
    if not containerd.imports(files, path):
        raise _not_imported(files[0], directory)
    wanted = render(files, path, merges=daemon.merges)
    target = host.path(path)
    old = target.read_text() if target.exists() else None
    if old == wanted:
        return False
    _require_not_refused(host, daemon, path, wanted)
    target.parent.mkdir(parents=True, exist_ok=True)
    _swap(host, daemon, path, old, wanted)
    return True


def _swap(host: Host, daemon: Daemon, path: str, old: str | None, wanted: str) -> None:
    target = host.path(path)
    target.unlink(missing_ok=True)
    try:
        before = containerd.resolved_plugins(host, daemon)
        replace_file(target, wanted)
        after = containerd.resolved_plugins(host, daemon)
        _compare(before, after, daemon.config)
    except BaseException:
        if old is None:
            target.unlink(missing_ok=True)
        else:
            replace_file(target, old)
        raise


def remember_refused(host: Host, text: str) -> None:
    """Note a drop-in with which containerd did not come up, so that the next look does not restart it again for that.

    It is tried again when it has another text, and when somebody restarted containerd or the node meanwhile.
    """
    note = host.path(REFUSED)
    note.parent.mkdir(mode=0o711, exist_ok=True)  # the runtime's own mode
    replace_file(note, text)
    now = time.time()  # the kernel's own stamp may be some milliseconds before containerd's start
    os.utime(note, (now, now))


def _require_not_refused(host: Host, daemon: Daemon, path: str, text: str) -> None:
    note = host.path(REFUSED)
    if note.exists() and note.read_text() == text and daemon.started <= note.stat().st_mtime:
        raise NodeError(
            "DropInRefused",
            f"containerd did not come up with {path}, as its journal says, and was restarted without it; "
            f"the file is kept as {REFUSED} and tried again after containerd is restarted",
        )


def _compare(before: dict[str, Any], after: dict[str, Any], main: str) -> None:
    ours = containerd.handlers(after).get(HANDLER, {})
    if ours.get("runtime_path") != SHIM:
        raise NodeError(
            "DropInWithoutEffect",
            f"containerd reads {DROP_IN} but does not know {HANDLER} by it: another file that it reads later "
            "sets the runtimes of Kubernetes; the handler has to be added there",
        )
    if _others(before) != _others(after):
        raise NodeError(
            "DropInWouldChangeOthers",
            f"with {DROP_IN} containerd would change settings that are not Reaper's, so it was not kept; "
            f"containerd 1.x does so where {main} leaves runtimes to its defaults: write them there, "
            "as `containerd config default` shows them",
        )


def _others(plugins: dict[str, Any]) -> dict[str, Any]:
    rest = copy.deepcopy(plugins)
    for plugin in dict.fromkeys(containerd.CRI_PLUGIN.values()):
        table = rest.setdefault(plugin, {}).setdefault("containerd", {})
        table.setdefault("runtimes", {}).pop(HANDLER, None)
    return rest


def render(files: list[ConfigFile], path: str, *, merges: bool) -> str:
    """The drop-in's text, to suit the main file's version."""
    version = min(containerd.version(files), 3)  # version 4 has the same tables, and may import version 3
    plugin = containerd.CRI_PLUGIN[version]
    runtime = {"runtime_type": RUNTIME_TYPE, "runtime_path": SHIM, "pod_annotations": POD_ANNOTATIONS}
    inherited = {} if merges else copy.deepcopy(dict(_effective(files, path, plugin)))
    inherited.setdefault("containerd", {}).setdefault("runtimes", {})[HANDLER] = runtime
    return HEADER + toml.dumps({"version": version, "plugins": {plugin: inherited}})


def _effective(files: list[ConfigFile], path: str, plugin: str) -> Mapping[str, Any]:
    """The plugin's table as the files before ours leave it, where the last one that has it wins."""
    tables = [f.content["plugins"][plugin] for f in files if f.path != path and plugin in f.content.get("plugins", {})]
    return tables[-1] if tables else {}


def _not_imported(main: ConfigFile, directory: str) -> NodeError:
    """What to add to which file, as a sentence."""
    entry = f'"{directory}/*.toml"'
    if main.content.get("imports"):
        change = f"add {entry} to the list imports in {main.path}"
    else:
        change = f"add the line imports = [{entry}] at the top of {main.path}, before the first [table]"
    return NodeError(
        "DropInNotImported",
        f"containerd on this node does not read {directory}/: {change} and restart containerd; "
        "Reaper does not edit files that it does not own",
    )


def remove(host: Host, directory: str) -> bool:
    """Take the drop-in away; whether it was there."""
    target = host.path(posixpath.join(directory, DROP_IN))
    if not target.exists():
        return False
    target.unlink()
    return True
