"""run: create, start, wait and delete in one."""

import os

from reaper_runtime.commands import lifecycle
from reaper_runtime.commands.client import Supervisor
from reaper_runtime.commands.foreground import Foreground, console_pair, receive_master
from reaper_runtime.errors import ReaperError
from reaper_runtime.oci import bundle as oci_bundle

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from reaper_runtime.commands.home import Home
    from reaper_runtime.commands.lifecycle import Creation


def run(home: "Home", wanted: "Creation", *, detach: bool, keep: bool) -> int:
    """The exit code of the process, or 0 with detach. What cannot be started is deleted again."""
    if detach:
        lifecycle.create(home, wanted)
        return _or_delete(home, lambda: _start(home))
    spec = oci_bundle.load(wanted.bundle).process
    ours, theirs, console = None, -1, -1
    if spec is not None and spec.terminal and not wanted.console_socket:
        ours, theirs = console_pair()
        console = theirs
    lifecycle.create(home, wanted, console)
    if theirs >= 0:
        os.close(theirs)
    master = -1 if ours is None else receive_master(ours)
    code = _or_delete(home, lambda: Foreground(Supervisor(home), home.name).wait(master=master))
    if not keep:
        lifecycle.delete(home, force=True)
    return code


def _start(home: "Home") -> int:
    lifecycle.start(home)
    return 0


def _or_delete(home: "Home", act: "Callable[[], int]") -> int:
    try:
        return act()
    except ReaperError:
        lifecycle.delete(home, force=True)
        raise
