"""A real NFS mount of the node: as a volume, and as what an overlay meets whose server is dead."""

from __future__ import annotations

import signal
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.conformance.nfs import NfsServer, NfsUnavailable
from tests.conformance.processes import alive
from tests.conformance.test_mounts import bind, finished

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conformance.shim import Shim


@pytest.fixture
def nfs() -> Iterator[NfsServer]:
    """A server, and its mount in a directory of the root file system, as nodes have them."""
    with tempfile.TemporaryDirectory(prefix="reaper-nfs-", dir="/srv") as folder, ExitStack() as stack:
        try:
            server = stack.enter_context(NfsServer(Path(folder)))
        except NfsUnavailable as error:
            pytest.skip(f"{error} (make conformance-v2 has one)")
        yield server


@pytest.fixture
def dead(nfs: NfsServer) -> Iterator[NfsServer]:
    """Its server is gone, and the mount stays."""
    (nfs.exported / "file").write_text("of the server\n")
    nfs.stop()
    yield nfs
    nfs.start()


def test_a_volume_of_it_is_read_and_written(shim: Shim, nfs: NfsServer) -> None:
    """docs/runtime.md, "Volumes": what kubelet prepares is mounted; a PersistentVolume of NFS comes as such a bind."""
    (nfs.exported / "file").write_text("of the server\n")
    script = "cat /data/file; echo back > /data/answer"
    task = shim.create("c", "/bin/sh", "-c", script, mounts=[bind(nfs.mounted, "rw")])
    assert finished(task) == ("of the server\n", 0)
    assert (nfs.exported / "answer").read_text() == "back\n"


def test_a_read_only_volume_of_it_is_not_written(shim: Shim, nfs: NfsServer) -> None:
    """OCI runtime-spec, config.md, "Mounts": the option ro."""
    (nfs.exported / "file").write_text("of the server\n")
    script = "cat /data/file; echo > /data/answer"
    output, code = finished(shim.create("c", "/bin/sh", "-c", script, mounts=[bind(nfs.mounted, "ro")]))
    assert output == "of the server\n"
    assert code != 0
    assert not (nfs.exported / "answer").exists()


def test_in_the_overlay_it_is_read_only(reaper: Shim, nfs: NfsServer) -> None:
    """docs/runtime.md, "The overlay": network file systems are shown read-only, as they are."""
    (nfs.exported / "file").write_text("of the server\n")
    script = f"cat {nfs.mounted}/file; echo > {nfs.mounted}/answer"
    output, code = finished(reaper.create("c", "/bin/sh", "-c", script))
    assert output == "of the server\n"
    assert code != 0
    assert not (nfs.exported / "answer").exists()


def test_a_dead_server_holds_up_no_start(reaper: Shim, dead: NfsServer) -> None:
    """docs/runtime.md, "The overlay": asked for nothing. The namespace is new, so its overlay is made meanwhile."""
    task = reaper.create("c", "/bin/sh", "-c", "cat /proc/self/mounts; echo > /etc/conformance")
    output, code = finished(task)
    assert code == 0
    (shown,) = [line.split() for line in output.splitlines() if line.split()[1] == str(dead.mounted)]
    assert shown[2] == "nfs4"
    assert shown[3].split(",")[0] == "ro"


def test_who_waits_for_a_dead_server_holds_up_nobody_else(reaper: Shim, dead: NfsServer) -> None:
    """docs/runtime.md, "The overlay": a dead server holds up who looks into its directory. SIGKILL ends its wait."""
    waiting = reaper.create("waiting", "/bin/sh", "-c", f"echo asks; exec cat {dead.mounted}/file")
    waiting.start()
    waiting.stdout.wait_for(b"asks")
    other = reaper.create("other", "/bin/sh", "-c", "echo done")
    assert finished(other) == ("done\n", 0)
    waiting.kill(signal.SIGKILL)
    assert waiting.wait() == 137
    waiting.delete()
    assert not alive(waiting.pid)
