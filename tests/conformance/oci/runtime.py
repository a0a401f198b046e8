"""An OCI runtime under test, ours or runc, driven by its command line as any caller drives it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from tests.patience import patience

if TYPE_CHECKING:
    from pathlib import Path

SHELL_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
SECONDS = patience(20)


class Done(NamedTuple):
    """A command that has ended."""

    code: int
    out: str
    err: str


class OciRuntime:
    """A program, its state directory, and a folder for bundles and output."""

    def __init__(self, name: str, program: Path, rootfs: Path, folder: Path) -> None:
        self.name = name
        self.program = program
        self.rootfs = rootfs
        self.folder = folder
        self.root = folder / "root"
        self._commands = 0

    def bundle(self, *args: str, hooks: dict[str, Any] | None = None, name: str = "bundle", **process: Any) -> Path:
        """A bundle that runs these arguments."""
        path = self.folder / name
        path.mkdir(exist_ok=True)
        config = {
            "ociVersion": "1.0.2",
            "process": {"args": args, "cwd": "/", "env": [SHELL_PATH], "user": {"uid": 0, "gid": 0}, **process},
            "root": {"path": str(self.rootfs)},
            "annotations": {"org.example.key": "value"},
            "mounts": [
                {"destination": "/proc", "type": "proc", "source": "proc"},
                {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["mode=755"]},
                {"destination": "/dev/pts", "type": "devpts", "source": "devpts", "options": ["ptmxmode=0666"]},
            ],
            "linux": {"namespaces": [{"type": "mount"}, {"type": "pid"}]},
            "hooks": hooks or {},
        }
        (path / "config.json").write_text(json.dumps(config))
        return path

    def popen(self, *words: str, stdin: int | Any = subprocess.DEVNULL, **more: Any) -> subprocess.Popen[bytes]:
        """Begin a command. Its output goes to files: a pipe would be open for as long as the container lives."""
        self._commands += 1
        with (self.folder / f"out{self._commands}").open("wb") as out, self._err(self._commands).open("wb") as err:
            return subprocess.Popen(
                [self.program, "--root", self.root, *words], stdin=stdin, stdout=out, stderr=err, **more
            )

    def result(self, process: subprocess.Popen[bytes], number: int | None = None) -> Done:
        """Wait for the last command, or for one of this number."""
        code = process.wait(SECONDS)
        number = number or self._commands
        return Done(code, (self.folder / f"out{number}").read_text(), self._err(number).read_text())

    def command(self, *words: str, stdin: bytes | None = None, hold: bool = False, **more: Any) -> Done:
        """Run a command to its end. With hold, its standard input stays open after what is written."""
        if stdin is None:
            return self.result(self.popen(*words, **more))
        with self.popen(*words, stdin=subprocess.PIPE, **more) as process:
            assert process.stdin is not None
            process.stdin.write(stdin)
            process.stdin.flush()
            if not hold:
                process.stdin.close()
            return self.result(process)

    def ok(self, *words: str, **more: Any) -> str:
        """The output of a command that must succeed."""
        done = self.command(*words, **more)
        assert done.code == 0, done.err
        return done.out

    def refused(self, *words: str) -> str:
        """What a command says that must fail."""
        done = self.command(*words)
        assert done.code == 1, (done.code, done.out)
        assert done.err
        return done.err

    def create(self, *args: str, name: str = "c", **bundle: Any) -> None:
        """A created container."""
        self.ok("create", "--bundle", str(self.bundle(*args, **bundle)), name)

    def state(self, name: str = "c") -> dict[str, Any]:
        """The state document."""
        document: dict[str, Any] = json.loads(self.ok("state", name))
        return document

    def status(self, name: str = "c") -> str:
        """The status, "" when there is no such container."""
        done = self.command("state", name)
        return str(json.loads(done.out)["status"]) if done.code == 0 else ""

    def becomes(self, status: str, name: str = "c") -> None:
        """Ask until the container has this status."""
        deadline = time.monotonic() + SECONDS
        while (now := self.status(name)) != status:
            assert time.monotonic() < deadline, f"it is {now}, not {status}"

    def until_said(self, text: str, number: int | None = None) -> None:
        """Wait until the last command, or that of this number, has written this; or the process that it began."""
        self.until(self.folder / f"out{number or self._commands}", text)

    def until(self, path: Path, text: str) -> None:
        """Ask until a file holds this text."""
        deadline = time.monotonic() + SECONDS
        while not path.exists() or text not in path.read_text():
            assert time.monotonic() < deadline, f"{path} has no {text!r}"

    def close(self) -> None:
        """Delete every container."""
        if self.root.exists():
            for home in self.root.iterdir():
                self.command("delete", "--force", home.name)

    def _err(self, number: int) -> Path:
        return self.folder / f"err{number}"


class ConsoleSocket:
    """Takes the other side of a terminal, in runc's way (docs/terminals.md there)."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(path))
        self._listener.listen()
        self._listener.settimeout(SECONDS)

    def master(self) -> int:
        """The descriptor, once it has come."""
        conn, _ = self._listener.accept()
        with conn:
            name, descriptors, _, _ = socket.recv_fds(conn, 4096, 1)
        assert name.startswith(b"/dev/")
        return descriptors[0]

    def close(self) -> None:
        """Stop listening."""
        self._listener.close()


def read_terminal(master: int, text: bytes) -> bytes:
    """What comes from a terminal, until it holds this text or nobody has it open."""
    data = b""
    while text not in data:
        try:
            more = os.read(master, 4096)
        except OSError:
            break
        if not more:
            break
        data += more
    return data
