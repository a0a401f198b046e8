"""Random bytes for the ttrpc server and the task service behind it: no crash, no hang, nothing that grows.

    make fuzz                                        a million inputs, with a seed that is printed
    python -m tests.fuzz.ttrpc_server --inputs 10000 --seed 7

A plain mutator of valid frames: the protocol is small, and a seed gives the same inputs again on any Python. What is
guided by coverage is in guided.py.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import signal
import socket
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from reaper_runtime.exits import Reaper
from reaper_runtime.loop import Loop
from reaper_runtime.pod import Pod
from reaper_runtime.shim.events import Publisher
from reaper_runtime.shim.service import TaskService
from reaper_runtime.state import PodState
from reaper_runtime.wire import messages as m
from reaper_runtime.wire.server import Server
from reaper_runtime.wire.ttrpc import REQUEST, RESPONSE, FrameReader, encode_frame

if TYPE_CHECKING:
    from collections.abc import Sequence

FLAGS = 9  # where the flags are in a frame (ttrpc, PROTOCOL.md)
SERVICE = "containerd.task.v3.Task"
HANG_SECONDS = 10
WARM = 0.1  # of all inputs: growth is measured from there on
LIMIT_KB = 8 << 10
REQUESTS = {
    "Create": m.CreateTaskRequest(id="c", bundle="/no/such/bundle", stdout="/no/fifo", rootfs=[m.Mount(type="x")]),
    "Start": m.StartRequest(id="c", exec_id="e"),
    "State": m.StateRequest(id="c"),
    "Wait": m.WaitRequest(id="c"),
    "Kill": m.KillRequest(id="c", signal=9, all=True),
    "Delete": m.DeleteRequest(id="c"),
    "Exec": m.ExecProcessRequest(id="c", exec_id="e", spec=m.Any(type_url="t", value=b'{"args": ["x"]}')),
    "Pids": m.PidsRequest(id="c"),
    "CloseIO": m.CloseIORequest(id="c", stdin=True),
    "ResizePty": m.ResizePtyRequest(id="c", width=80, height=24),
    "Stats": m.StatsRequest(id="c"),
    "Update": m.UpdateTaskRequest(id="c", resources=m.Any(type_url="t", value=b'{"pids": {"limit": 9}}')),
    "Pause": m.PauseRequest(id="c"),
    "Resume": m.ResumeRequest(id="c"),
    "Connect": m.ConnectRequest(id="c"),
    "Shutdown": m.ShutdownRequest(id="c", now=True),
}


def corpus() -> list[bytes]:
    """A valid request of each method, without its header."""
    return [_request(name) for name in REQUESTS]


def _request(name: str) -> bytes:
    return m.Request(service=SERVICE, method=name, payload=REQUESTS[name].encode(), timeout_nano=10**9).encode()


def mutate(dice: random.Random, seeds: list[bytes]) -> bytes:
    """One of the seeds, as it is or with some of its bytes changed, removed, repeated, or from another."""
    data = bytearray(dice.choice(seeds))
    for _ in range(dice.choice((0, 1, 1, 2, 4, 16))):
        at = dice.randrange(len(data) + 1)
        match dice.randrange(5):
            case 0 if at < len(data):
                data[at] = dice.randrange(256)
            case 1:
                del data[at : at + dice.randrange(8)]
            case 2:
                data[at:at] = dice.randbytes(dice.randrange(1, 8))
            case 3:
                data[at:at] = data[at : at + dice.randrange(64)]
            case 4:
                data[at:] = dice.choice(seeds)[at:]
    return bytes(data)


class Target:
    """A task service behind a server, driven by hand: one input, one turn of the loop."""

    def __init__(self, folder: Path) -> None:
        self.errors: list[str] = []
        self.answers = 0
        self.connections = 0
        self.loop = Loop(lambda error: self.errors.append(repr(error)))
        state = PodState("fuzz", "pod", str(folder / "state"))
        pod = Pod(self.loop, Reaper(self.loop), state, lambda *_: None)
        service = TaskService(pod, Publisher(self.loop, "", "fuzz", self._log), lambda: None)
        self._path = str(folder / "s")
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(self._path)
        listener.listen()
        self.server = Server(self.loop, listener, {SERVICE: service.methods()}, self._log)
        self._sock = self._connect()

    def send(self, data: bytes) -> None:
        """Send it, on a new connection if the server has closed the last; read what comes back."""
        try:
            self._sock.sendall(data)
            self._turn()
            self._receive()
        except OSError:
            self.reconnect()

    def reconnect(self) -> None:
        """Begin anew: a length that is a lie would swallow all that follows."""
        self._sock.close()
        self._sock = self._connect()

    def request(self, dice: random.Random, body: bytes) -> bytes:
        """A frame with this body; now and then its header is broken too."""
        self._stream += 2
        frame = bytearray(encode_frame(self._stream, REQUEST, body))
        frame[FLAGS] = dice.randrange(8)
        if dice.randrange(20) == 0:
            frame[dice.randrange(10)] = dice.randrange(256)
        return bytes(frame)

    def is_well(self) -> bool:
        """Whether a proper question on a new connection has its answer."""
        self.reconnect()
        before = self.answers
        self._sock.sendall(encode_frame(1, REQUEST, _request("Connect")))
        for _ in range(4):
            self._turn()
        self._receive()
        return self.answers == before + 1

    def _connect(self) -> socket.socket:
        self._stream = -1
        self.connections += 1
        self._frames = FrameReader()
        sock = socket.socket(socket.AF_UNIX)
        sock.connect(self._path)
        sock.setblocking(False)
        self._turn()
        self._turn()
        return sock

    def _turn(self) -> None:
        self.loop.call_later(0, self.loop.stop)
        self.loop.run()

    def _receive(self) -> None:
        try:
            data = self._sock.recv(1 << 16)
        except BlockingIOError:
            return
        if not data:
            raise ConnectionResetError
        self.answers += sum(frame.type == RESPONSE for frame in self._frames.feed(data))

    def _log(self, line: str) -> None:
        if line.startswith("defect"):
            self.errors.append(line)


def fuzz(inputs: int, seed: int) -> dict[str, int]:
    """Send so many inputs; the figures. Ends with SIGALRM's traceback on a hang."""
    dice, seeds = random.Random(seed), corpus()  # noqa: S311  # to be repeated, not to be secret
    with tempfile.TemporaryDirectory(prefix="z", dir="/tmp") as folder:
        target = Target(Path(folder))
        memory = descriptors = 0
        for number in range(inputs):
            if number % 1000 == 0:
                signal.alarm(HANG_SECONDS)
            if number == int(inputs * WARM):
                memory, descriptors = rss(), open_descriptors()
            if dice.randrange(10) == 0:
                target.reconnect()
            body = mutate(dice, seeds)
            target.send(target.request(dice, body) if dice.randrange(50) else dice.randbytes(dice.randrange(1, 64)))
        signal.alarm(0)
        figures = {
            "inputs": inputs,
            "answers": target.answers,
            "connections": target.connections,
            "defects": len(target.errors),
            "more memory, KB": max(0, rss() - memory),
            "more descriptors": open_descriptors() - descriptors,
            "well afterwards": int(target.is_well()),
        }
        for line in target.errors[:10]:
            print(line)
        return figures


def rss() -> int:
    """Resident memory in KB, as proc(5) has it."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() // 1024


def open_descriptors() -> int:
    """How many descriptors this process holds."""
    return len(list(Path("/proc/self/fd").iterdir()))


def parse(description: str | None, arguments: Sequence[str]) -> argparse.Namespace:
    """The command line of a fuzzer: inputs and seed, which is printed."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=1_000_000, help="(default: a million)")
    parser.add_argument("--seed", type=int, default=time.time_ns() % 1_000_000)
    options = parser.parse_args(arguments)
    print(f"seed {options.seed}", flush=True)
    return options


def main(arguments: Sequence[str]) -> int:
    """Print the figures; 0 when all is well."""
    options = parse(__doc__, arguments)
    begun = time.monotonic()
    figures = fuzz(options.inputs, options.seed)
    for name, value in figures.items():
        print(f"  {name:24}{value:10}")
    print(f"  {'seconds':24}{time.monotonic() - begun:10.0f}")
    bad = figures["defects"] or not figures["well afterwards"] or figures["more descriptors"] > 0
    return int(bool(bad or figures["more memory, KB"] > LIMIT_KB))


if __name__ == "__main__":
    os.umask(0o077)
    sys.exit(main(sys.argv[1:]))
