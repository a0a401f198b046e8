"""One real process, end to end: containerd, our shim, a host process; its output and exit code come back."""

from __future__ import annotations

import contextlib
import logging
import time
from typing import TYPE_CHECKING

from reaper_node.containerd import ctr
from reaper_node.errors import CommandError, NodeError
from reaper_node.settings import INSTALL_DIRECTORY, SHIM

if TYPE_CHECKING:
    from reaper_node.host import Host

log = logging.getLogger(__name__)

_NAMESPACE = "reaper-check"  # of containerd: kubelet never sees what is in there
_NAME = "reaper-check"
_WORD = "a-host-process"
_CODE = 42


def run_process(host: Host, socket: str) -> None:
    """Raise unless a host process runs through containerd and our shim, with its output and exit code."""
    clear(host, socket)
    begin = time.monotonic()
    # The root is never entered; it only has to exist. The exit code is one that nothing makes by accident.
    command = ["run", "--rm", "--runtime", SHIM, "--rootfs", INSTALL_DIRECTORY, _NAME]
    script = f"echo {_WORD}; exit {_CODE}"
    try:
        output = ctr(host, socket, "--namespace", _NAMESPACE, *command, "/bin/sh", "-c", script, timeout=30)
        found = f"exit code 0 and {output!r}"
    except CommandError as error:
        if error.code == _CODE and error.stdout.strip() == _WORD:
            log.info("a process ran through containerd and %s in %.0f ms", SHIM, 1000 * (time.monotonic() - begin))
            return
        found = f"{error} (output {error.stdout!r})"
    finally:
        clear(host, socket)
    raise NodeError(
        "ProcessCheckFailed",
        f"a test process through containerd and {SHIM} should print {_WORD} and end with {_CODE}; instead: {found}",
    )


def clear(host: Host, socket: str) -> None:
    """Remove what a check left, also one that was interrupted. Where nothing is there, these fail."""
    for words in (
        ("tasks", "rm", "--force", _NAME),
        ("containers", "rm", _NAME),
        ("namespaces", "rm", _NAMESPACE),
    ):
        with contextlib.suppress(CommandError):
            ctr(host, socket, "--namespace", _NAMESPACE, *words)
    with contextlib.suppress(CommandError):
        host.run(f"{INSTALL_DIRECTORY}/current/bin/reaper-runtime", "overlay", "reset", f"@containerd.{_NAMESPACE}")
