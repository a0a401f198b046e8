"""An NFS server of this machine's kernel, on loopback only, whose threads can be taken away and given back."""

from __future__ import annotations

import shutil
import subprocess
from contextlib import ExitStack
from pathlib import Path

PROGRAMS = ("rpc.nfsd", "rpc.mountd", "exportfs", "mount.nfs4")
_NFSD = Path("/proc/fs/nfsd")
_HOST = "127.0.0.1"
# A "hard" mount, the default: who asks a dead server waits until it is back. Version 4 alone needs no portmapper.
_OPTIONS = f"vers=4.2,hard,timeo=50,proto=tcp,clientaddr={_HOST}"


class NfsUnavailable(Exception):
    """There can be no server here; the message says why."""


class NfsServer:
    """Exports one directory, and has it mounted. Use it as a context; entering raises NfsUnavailable."""

    def __init__(self, folder: Path) -> None:
        self.exported, self.mounted = folder / "exported", folder / "mounted"
        self._undo = ExitStack()

    def __enter__(self) -> NfsServer:
        _check()
        self.exported.mkdir()
        self.mounted.mkdir()
        with ExitStack() as undo:
            mountd = subprocess.Popen(["rpc.mountd", "--foreground", "--no-nfs-version", "3"])
            undo.callback(mountd.wait)
            undo.callback(mountd.terminate)
            # fsid: also where the directory's file system has no UUID, as a tmpfs.
            options = "rw,no_root_squash,insecure,no_subtree_check,fsid=0"
            _run("exportfs", "-i", "-o", options, f"{_HOST}:{self.exported}")
            undo.callback(_run, "exportfs", "-u", f"{_HOST}:{self.exported}")
            self.start()
            undo.callback(self.stop)
            _run("mount", "-t", "nfs4", "-o", _OPTIONS, f"{_HOST}:/", str(self.mounted))
            undo.callback(_run, "umount", str(self.mounted))
            self._undo = undo.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._undo.close()

    def start(self) -> None:
        """Have threads that serve. Nobody has state from before, so nobody is waited for (nfsd(7), v4_end_grace)."""
        _run("rpc.nfsd", "--host", _HOST, "--no-udp", "--no-nfs-version", "3", "2")
        (_NFSD / "v4_end_grace").write_text("Y\n")

    def stop(self) -> None:
        """Have none: the server is dead, and its clients wait."""
        _run("rpc.nfsd", "0")


def _check() -> None:
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing:
        raise NfsUnavailable(f"no NFS server: {', '.join(missing)} missing")
    threads = _NFSD / "threads"
    _try("modprobe", "nfsd")  # whose module may also mount the directory
    if not threads.exists():
        _try("mount", "-t", "nfsd", "nfsd", str(_NFSD))
    if not threads.exists():
        raise NfsUnavailable("no NFS server in this kernel")
    if int(threads.read_text()):
        raise NfsUnavailable("an NFS server that is not the tests' own")


def _run(*command: str) -> None:
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"


def _try(*command: str) -> None:
    subprocess.run(command, check=False, capture_output=True)
