"""A containerd of its own for tests and benchmarks: private folders and socket, no CRI, our shim on its PATH."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from reaper_runtime.host import procfs
from reaper_runtime.overlay import overlays
from tests.patience import patience

if TYPE_CHECKING:
    from collections.abc import Sequence

CONFIG = """version = 2
root = "{folder}/root"
state = "{folder}/state"
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.cri.v1.images", "io.containerd.cri.v1.runtime"]
[grpc]
address = "{folder}/c.sock"
"""
REPOSITORY = Path(__file__).parents[2]
BUNDLE = REPOSITORY / "build" / "runtime"
START_SECONDS = 20.0
REAPER, RUNC = "io.containerd.reaper.v2", "io.containerd.runc.v2"


PROGRAMS = ("containerd", "containerd-shim-runc-v2", "ctr")
SUITES = ("trixie", "sid")  # of Debian, for the versions between its stable one and the newest: 1.7 and 2.1


def programs_of(version: str) -> Path:
    """The folder of a containerd's programs: "debian" (this machine's), "newest", or that of a Debian suite."""
    if version == "newest":
        return newest_programs()
    if version in SUITES:
        return debian_programs(version)
    found = shutil.which("containerd", path="/usr/bin")
    assert found is not None, "Debian's containerd is missing: apt-get install containerd"
    return Path(found).parent


def debian_programs(suite: str) -> Path:
    """Those of another Debian, unpacked into the cache once and installed nowhere. They run on our C library."""
    import debian  # from tools/: the benchmarks have no need of it

    folder = debian.cache_directory() / f"containerd-{suite}-{debian.architecture()}"
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix="partial-") as scratch:
            debian.extract(["containerd"], Path(scratch) / "tree", suite)
            (Path(scratch) / "programs").mkdir()
            for name in PROGRAMS:
                (Path(scratch) / "tree" / "usr" / "bin" / name).rename(Path(scratch) / "programs" / name)
            (Path(scratch) / "programs").rename(folder)
    return folder


def newest_programs() -> Path:
    """The folder of the newest containerd's programs, built once by the cluster's tooling."""
    command = [sys.executable, "-m", "cluster", "path", "containerd"]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY / "tests" / "e2e")}
    return Path(subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout.strip())


def busybox_rootfs(root: Path) -> Path:
    """Make `root` a root file system for containers of the reference: busybox and its names."""
    busybox = shutil.which("busybox")
    assert busybox is not None, "busybox is missing: apt-get install busybox-static"
    root.chmod(0o755)  # it becomes / of processes of other users too
    for folder in ("bin", "proc", "tmp", "etc"):
        (root / folder).mkdir()
    shutil.copy(busybox, root / "bin" / "busybox")
    for name in (
        "sh",
        "cat",
        "echo",
        "sleep",
        "true",
        "env",
        "head",
        "yes",
        "wc",
        "pwd",
        "setsid",
        "stty",
        "tty",
        "stat",
        "ls",
    ):
        (root / "bin" / name).symlink_to("busybox")
    return root


class Containerd:
    """A running daemon. Use it as a context."""

    def __init__(self, programs: Path, runtime_bundle: Path) -> None:
        """programs: the folder of containerd, ctr and the runc shim."""
        self.programs = programs
        self.folder = Path(tempfile.mkdtemp(prefix="ctd-", dir="/tmp"))
        self._path = f"{runtime_bundle / 'bin'}:{programs}:{os.environ['PATH']}"
        self._daemon: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Containerd:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        for overlay in overlays():
            if overlay.name == "@containerd.default" and not overlay.is_used(procfs.roots()):
                overlay.reset()
        subprocess.run(["rm", "-rf", self.folder], check=True)

    def start(self) -> None:
        """Start the daemon and wait until it answers; raises RuntimeError with its log if it does not."""
        (self.folder / "config.toml").write_text(CONFIG.format(folder=self.folder))
        with (self.folder / "log").open("ab") as log:
            self._daemon = subprocess.Popen(
                [self.programs / "containerd", "-c", self.folder / "config.toml"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={**os.environ, "PATH": self._path},
            )  # fmt: skip
        deadline = time.monotonic() + patience(START_SECONDS)
        while self.ctr("version", check=False).returncode != 0:
            if self._daemon.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError((self.folder / "log").read_text())

    def stop(self) -> None:
        """End the daemon. Shims and their processes are not its business, and stay."""
        if self._daemon is not None:
            self._daemon.terminate()
            self._daemon.wait(patience(10))
            self._daemon = None

    def kill(self) -> None:
        """kill -9: it has no time to tell anybody."""
        if self._daemon is not None:
            self._daemon.send_signal(signal.SIGKILL)
            self._daemon.wait(patience(10))
            self._daemon = None

    @property
    def pid(self) -> int:
        """Of the daemon, 0 while it is down."""
        return 0 if self._daemon is None else self._daemon.pid

    def ensure(self) -> None:
        """Start it again if it was killed."""
        if self._daemon is None:
            self.start()

    def spawn(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Begin to run ctr, and do not wait for it."""
        command: list[str | Path] = [self.programs / "ctr", "-a", self.folder / "c.sock", *arguments]
        null = subprocess.DEVNULL
        return subprocess.Popen(command, stdin=null, stdout=null, stderr=null)

    def pid_of(self, name: str) -> int:
        """The process of a running task."""
        return int(re.findall(rf"^{name}\s+(\d+)\s+RUNNING", self.ctr("task", "ls").stdout, re.MULTILINE)[0])

    def ctr(self, *arguments: str, check: bool = True, seconds: float = 30) -> subprocess.CompletedProcess[str]:
        """Run ctr against this daemon."""
        return subprocess.run(
            [self.programs / "ctr", "-a", self.folder / "c.sock", *arguments],
            capture_output=True, text=True, check=check, timeout=patience(seconds), stdin=subprocess.DEVNULL,
        )  # fmt: skip

    def run(
        self, name: str, rootfs: Path, command: Sequence[str], *flags: str, runtime: str = REAPER, check: bool = False
    ) -> subprocess.CompletedProcess[str]:
        """`ctr run`: a container from a folder, no image."""
        return self.ctr("run", *flags, "--rootfs", "--runtime", runtime, str(rootfs), name, *command, check=check)
