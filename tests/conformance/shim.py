"""A shim under test: ours, or containerd's own runc shim, driven exactly as containerd drives it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from reaper_runtime.overlay import overlays
from reaper_runtime.wire import messages as m
from reaper_runtime.wire import starting
from tests.conformance.ttrpc import Client, EventCollector, RpcError
from tests.patience import patience

if TYPE_CHECKING:
    from pathlib import Path

    from reaper_runtime.wire.protobuf import Message

PROCESS = "types.containerd.io/opencontainers/runtime-spec/1/Process"
RESOURCES = "types.containerd.io/opencontainers/runtime-spec/1/LinuxResources"
NAMESPACE = f"conformance-{os.getpid()}-"  # containerd's; what begins so is of this run of the tests
SHELL_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Runtime(NamedTuple):
    """A shim binary, and the root file system that its containers use (a host process has none)."""

    name: str
    shim: Path
    rootfs: Path


class Output:
    """Reads a FIFO to its end in the background, as containerd does."""

    def __init__(self, path: Path) -> None:
        os.mkfifo(path, 0o600)
        self.path = path
        self.data = bytearray()
        self._grown = threading.Condition()
        # Read and write: opening does not wait for the shim. The spare write end is closed by end().
        self._spare = os.open(path, os.O_RDWR)
        self._fd = os.open(path, os.O_RDONLY)
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        while chunk := os.read(self._fd, 1 << 16):
            with self._grown:
                self.data += chunk
                self._grown.notify_all()
        os.close(self._fd)

    def first_line(self, seconds: float = 10) -> str:
        """The first line, as soon as it is there; raises TimeoutError."""
        self.wait_for(b"\n", seconds)
        return self.data.decode().splitlines()[0]

    def wait_for(self, text: bytes, seconds: float = 10) -> None:
        """Until this text has been read; raises TimeoutError with what there was."""
        with self._grown:
            if not self._grown.wait_for(lambda: text in self.data, patience(seconds)):
                raise TimeoutError(f"{self.path.name} has no {text!r} yet, but {self.data!r}")

    def text(self, seconds: float = 10) -> str:
        """Everything, once all writers are gone; raises TimeoutError while one is left."""
        if not self.close(seconds):
            raise TimeoutError(f"{self.path.name} is still open; so far: {self.data[-200:]!r}")
        return self.data.decode()

    def close(self, seconds: float = 10) -> bool:
        """Let go, and wait for the end; whether it has come: no writer is left."""
        if self._spare >= 0:
            os.close(self._spare)
            self._spare = -1
        self._thread.join(patience(seconds))
        return not self._thread.is_alive()


class Shim:
    """One pod's shim with its bundle folder, its event collector and a connection."""

    def __init__(self, runtime: Runtime, folder: Path, *, bootstrap: bool = True) -> None:
        self.runtime = runtime
        self.folder = folder
        # Of its own: a leftover of another test is not in its way.
        self.namespace = f"{NAMESPACE}{folder.name.encode().hex()}"
        self.bootstrap = bootstrap
        self.events = EventCollector(folder / "events.sock")
        self.containers: list[str] = []
        self.logs: dict[str, Output] = {}
        self._outputs: list[Output] = []
        self._clients: list[Client] = []
        self.address = ""
        self.client: Client

    def bundle(self, name: str, *args: str, annotations: dict[str, str] | None = None, **process: Any) -> Path:
        """Write a bundle whose process runs these arguments, with the log FIFO that containerd makes."""
        mounts = [{"destination": "/proc", "type": "proc", "source": "proc"}, *process.pop("mounts", [])]
        root = {"path": str(self.runtime.rootfs), "readonly": process.pop("readonly", False)}
        linux = process.pop("linux", {})
        path = self.folder / name
        path.mkdir()
        self.logs[name] = self.output(path / "log")  # a shim waits until somebody reads its log
        (path / "rootfs").symlink_to(self.runtime.rootfs)
        config = {
            "ociVersion": "1.2.0",
            "process": {"args": args, "cwd": "/", "env": [SHELL_PATH], "user": {"uid": 0, "gid": 0}, **process},
            "root": root,
            "annotations": annotations or {},
            "mounts": mounts,
            "linux": {"namespaces": [{"type": "mount"}, {"type": "pid"}], **linux},
        }
        (path / "config.json").write_text(json.dumps(config))
        return path

    def command(self, action: str, name: str, *more: str) -> subprocess.CompletedProcess[bytes]:
        """Run the shim's binary in the bundle's folder, with containerd's arguments and environment."""
        params = starting.BootstrapParams(
            instance_id=name, namespace=self.namespace, containerd_ttrpc_address=self.events.address
        )
        return subprocess.run(
            [
                self.runtime.shim, "-namespace", self.namespace, "-address", f"{self.folder}/containerd.sock",
                "-publish-binary", "/bin/true", "-id", name, *more, action,
            ],
            cwd=self.folder / name,
            env={**os.environ, "TTRPC_ADDRESS": self.events.address, "GOMAXPROCS": "2"},
            input=params.encode() if self.bootstrap and action == "start" else b"",
            capture_output=True,
            timeout=patience(20),
            check=False,
        )  # fmt: skip

    def launch(self, name: str) -> str:
        """`start`: the address that the shim gives. The first one is connected to."""
        done = self.command("start", name)
        assert done.returncode == 0, done.stderr.decode()
        answer = done.stdout
        self.address = starting.BootstrapResult.decode(answer).address if self.bootstrap else answer.decode()
        self.client = self.connect()
        return self.address

    def connect(self) -> Client:
        """One more connection to the shim."""
        version = 3 if self.bootstrap else 2
        client = Client(self.address.removeprefix("unix://"), f"containerd.task.v{version}.Task")
        self._clients.append(client)
        return client

    def create(self, name: str, *args: str, stdin: Path | None = None, **bundle: Any) -> Container:
        """Launch if this is the first, and create a container."""
        path = self.bundle(name, *args, **bundle)
        if not self.address:
            self.launch(name)
        return self.create_task(name, path, stdin)

    def create_task(self, name: str, path: Path, stdin: Path | None = None) -> Container:
        """Only the Create call, with fresh FIFOs for the output."""
        stdout, stderr = self.output(path / "stdout"), self.output(path / "stderr")
        terminal = bool(json.loads((path / "config.json").read_text())["process"].get("terminal"))
        request = m.CreateTaskRequest(
            id=name,
            bundle=str(path),
            terminal=terminal,
            stdin=str(stdin or ""),
            stdout=str(stdout.path),
            stderr="" if terminal else str(stderr.path),
        )
        created = self.client.call("Create", request, m.CreateTaskResponse)
        self.containers.append(name)
        return Container(self, name, created.pid, stdout, stderr)

    def end(self) -> None:
        """Kill what is left, and shut the shim down."""
        if self.address:
            for name in self.containers:
                self._discard(name)
            with suppress(OSError):  # it may be gone already: that was the test
                self.client.call("Shutdown", m.ShutdownRequest(id="x", now=True), m.Empty)
            self.address = ""

    def close(self) -> None:
        """End it, and remove its traces."""
        self.end()
        for client in self._clients:
            client.close()
        self.events.close()
        held = [output.path.name for output in self._outputs if not output.close()]
        for overlay in overlays():
            if overlay.name in (self.namespace, f"@containerd.{self.namespace}"):
                overlay.reset()
        shutil.rmtree(self.folder, ignore_errors=True)
        assert not held, f"somebody still writes to {held}"

    def output(self, path: Path) -> Output:
        """A FIFO that is read until the end of the test."""
        made = Output(path)
        self._outputs.append(made)
        return made

    def _discard(self, name: str) -> None:
        requests: list[tuple[str, Message]] = [
            ("Kill", m.KillRequest(id=name, signal=9)),
            ("Wait", m.WaitRequest(id=name)),
            ("Delete", m.DeleteRequest(id=name)),
        ]
        for method, request in requests:
            try:
                self.client.call(method, request, m.Empty)
            except (RpcError, ConnectionError, OSError):
                continue


class Container:
    """A created container and its calls."""

    def __init__(self, shim: Shim, name: str, pid: int, stdout: Output, stderr: Output) -> None:
        self.shim = shim
        self.name = name
        self.pid = pid
        self.stdout = stdout
        self.stderr = stderr
        self._client = shim.client

    def start(self, exec_id: str = "") -> int:
        """Start, and give the pid."""
        return self._client.call("Start", m.StartRequest(id=self.name, exec_id=exec_id), m.StartResponse).pid

    def wait(self, exec_id: str = "", seconds: float = 10) -> int:
        """The exit code."""
        request = m.WaitRequest(id=self.name, exec_id=exec_id)
        answer = self._client.call("Wait", request, m.WaitResponse, seconds)
        assert answer.exited_at is not None
        assert answer.exited_at.seconds > 0
        return answer.exit_status

    def kill(self, number: int, exec_id: str = "", *, everything: bool = False) -> None:
        """Send a signal."""
        request = m.KillRequest(id=self.name, exec_id=exec_id, signal=number, all=everything)
        self._client.call("Kill", request, m.Empty)

    def state(self, exec_id: str = "") -> m.StateResponse:
        """The state."""
        return self._client.call("State", m.StateRequest(id=self.name, exec_id=exec_id), m.StateResponse)

    def delete(self, exec_id: str = "") -> m.DeleteResponse:
        """Delete."""
        return self._client.call("Delete", m.DeleteRequest(id=self.name, exec_id=exec_id), m.DeleteResponse)

    def pids(self) -> list[int]:
        """All processes."""
        return [p.pid for p in self._client.call("Pids", m.PidsRequest(id=self.name), m.PidsResponse).processes]

    def stats(self) -> m.Any:
        """Stats."""
        answer = self._client.call("Stats", m.StatsRequest(id=self.name), m.StatsResponse)
        assert answer.stats is not None
        return answer.stats

    def update(self, resources: dict[str, Any]) -> None:
        """Update."""
        body = m.Any(type_url=RESOURCES, value=json.dumps(resources).encode())
        self._client.call("Update", m.UpdateTaskRequest(id=self.name, resources=body), m.Empty)

    def pause(self) -> None:
        """Pause."""
        self._client.call("Pause", m.PauseRequest(id=self.name), m.Empty)

    def resume(self) -> None:
        """Resume."""
        self._client.call("Resume", m.ResumeRequest(id=self.name), m.Empty)

    def exec(self, exec_id: str, *args: str, stdin: Path | None = None, **process: Any) -> Output:
        """Create an exec, and give its standard output."""
        spec = {"args": args, "cwd": "/", "env": [SHELL_PATH], "user": {"uid": 0, "gid": 0}, **process}
        output = self.shim.output(self.shim.folder / f"{exec_id}.stdout")
        errors = self.shim.output(self.shim.folder / f"{exec_id}.stderr")
        request = m.ExecProcessRequest(
            id=self.name,
            exec_id=exec_id,
            stdin=str(stdin or ""),
            stdout=str(output.path),
            stderr="" if process.get("terminal") else str(errors.path),
            terminal=bool(process.get("terminal")),
            spec=m.Any(type_url=PROCESS, value=json.dumps(spec).encode()),
        )
        self._client.call("Exec", request, m.Empty)
        return output

    def resize(self, width: int, height: int, exec_id: str = "") -> None:
        """ResizePty."""
        request = m.ResizePtyRequest(id=self.name, exec_id=exec_id, width=width, height=height)
        self._client.call("ResizePty", request, m.Empty)

    def close_stdin(self, exec_id: str = "") -> None:
        """CloseIO."""
        self._client.call("CloseIO", m.CloseIORequest(id=self.name, exec_id=exec_id, stdin=True), m.Empty)
