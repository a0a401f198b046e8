"""Random kill -9 of workloads, shims, the fork server and containerd, and what was left behind: the figures.

    make chaos                                           200 kills, with a seed that is printed
    python -m tests.conformance.chaos --kills 50 --seed 7

Every third task has FIFOs for its streams, as a Pod's have, and writes to them; the others have /dev/null.

A task's exit code is wrong unless it is the program's own, or 137 or none where the workload or its shim was killed:
nobody can know the code then, and it must not look like a success.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import re
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tests.conformance.containerd import BUNDLE, Containerd, programs_of
from tests.conformance.processes import (
    SHARED,
    alive,
    descriptors,
    eventually,
    everything,
    find,
    parent,
    pause,
    with_environment,
)
from tests.patience import patience

if TYPE_CHECKING:
    from collections.abc import Sequence

VICTIMS = ("workload", "shim", "fork server", "containerd")
MOMENTS = ("while it starts", "while it runs", "while it ends")
KILLED, SECONDS = 128 + signal.SIGKILL, 20
WITH_FIFOS = 3  # every third round
LEFT_IDLE = 130.0  # seconds until a shim that never got its Create has noticed
LEFT_SWEEP = 10.0  # until the fork server has cleared up after a shim for which containerd asks no `delete`
LEFT_OPEN = 10.0  # until containerd has closed its connections to shims that have ended


class Round(NamedTuple):
    """One task, what is killed, and when."""

    number: int
    victim: str
    moment: str
    delay: float
    code: int

    @property
    def has_fifos(self) -> bool:
        """Whether its streams are FIFOs."""
        return self.number % WITH_FIFOS == 0


def plan(seed: int, kills: int) -> list[Round]:
    """The rounds of a seed: the same seed gives the same ones."""
    dice = random.Random(seed)  # noqa: S311  # to be repeated, not to be secret
    return [
        Round(number, dice.choice(VICTIMS), dice.choice(MOMENTS), dice.random() * 0.02, dice.randrange(1, 128))
        for number in range(kills)
    ]


class Chaos:
    """Rounds against one containerd, and their figures."""

    def __init__(self, containerd: Containerd, seed: int) -> None:
        self.containerd = containerd
        self.token = f"chaos-{seed}-{os.getpid()}"
        self.figures: Counter[str] = Counter()
        self.wrong: list[str] = []
        self._folder = Path(tempfile.mkdtemp(prefix="chaos-", dir=SHARED))
        self._fifos = self._folder / "fifos"
        self._fifos.mkdir()
        self._names: list[str] = []
        containerd.run(f"{self.token}-first", self._folder, ["/bin/true"], "--rm", "--null-io", check=True)
        self._usual = _at_rest(containerd.pid)  # of containerd, when it has run one task
        self._deleted: set[str] = set()  # tasks that containerd has been told to delete, and so their FIFOs
        self._servers: set[int] = set()

    def play(self, game: Round) -> None:
        """One round, from `ctr run` to a task that is forgotten."""
        name = f"{self.token}-{game.number}"
        self._names.append(name)
        gate = self._folder / name
        os.mkfifo(gate)
        script = f"echo begun; echo begun >&2; sleep 1000 & read line < {gate}; exit {game.code}"
        streams = ["--fifo-dir", str(self._fifos)] if game.has_fifos else ["--null-io"]
        self.figures["tasks with FIFOs"] += game.has_fifos
        arguments = ["run", "-d", *streams, "--rootfs", "--runtime", "io.containerd.reaper.v2"]
        arguments += ["--env", f"CHAOS={self.token}", str(self._folder), name, "/bin/sh", "-c", script]
        starting = self.containerd.spawn(*arguments)
        if game.moment == MOMENTS[0]:
            self._strike(game, name, gate)
        started = starting.wait(patience(SECONDS)) == 0
        self.containerd.ensure()
        if game.moment == MOMENTS[1]:
            self._strike(game, name, gate)
        self._open(gate)
        if game.moment == MOMENTS[2]:
            self._strike(game, name, gate)
        self.containerd.ensure()
        self._judge(game, name, gate, started=started)

    def _strike(self, game: Round, name: str, gate: Path) -> None:
        """Find the victim, which may only just be coming, and kill it after the round's delay."""
        deadline = time.monotonic() + patience(0.5)
        while not (pid := self._find(game.victim, name, gate)) and time.monotonic() < deadline:
            pause(0.001)
        pause(game.delay)
        if game.victim == "containerd":
            self.containerd.kill()
        elif pid:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                self.figures["too late"] += 1
        self.figures[f"{game.victim}, {game.moment}"] += 1

    def _find(self, victim: str, name: str, gate: Path) -> int:
        if victim == "containerd":
            return 1
        shims = find("containerd-shim-reaper-v2", f"-id {name} ")
        if victim == "workload":
            return next(iter(find("/bin/sh", str(gate))), 0)
        if not shims or victim == "shim":
            return next(iter(shims), 0)
        server = parent(shims[0])
        return server if find("reaper-zygote", "") and server in find("reaper-zygote") else 0

    def _open(self, gate: Path) -> None:
        """Let the program end, if one waits."""
        try:
            fd = os.open(gate, os.O_WRONLY | os.O_NONBLOCK)
        except OSError:
            return
        say_go(fd)

    def _judge(self, game: Round, name: str, gate: Path, *, started: bool) -> None:
        code = self._code(name, gate)
        allowed: set[int | None] = {game.code}
        if game.victim in ("workload", "shim"):
            allowed = {game.code, KILLED} if game.moment != MOMENTS[1] else {KILLED}
        if game.victim == "shim" or not started:
            allowed |= {None, KILLED, 255}  # gone, or containerd's word for unknown
        if code not in allowed:
            self.wrong.append(f"{game}: {code}, started={started}")
        self.figures["exact code" if code == game.code else "137" if code == KILLED else "no code"] += 1
        self.containerd.ctr("container", "rm", name, check=False)

    def _code(self, name: str, gate: Path) -> int | None:
        """The exit code that containerd tells; None when it knows of no such task."""
        deadline = time.monotonic() + patience(SECONDS)
        while True:
            status = re.findall(rf"^{name}\s+\d+\s+(\w+)", self.containerd.ctr("task", "ls").stdout, re.MULTILINE)
            if status != ["RUNNING"]:
                break
            self._open(gate)
            assert time.monotonic() < deadline, f"{name} is still running"
        if not status:
            return None
        done = self.containerd.ctr("task", "rm", "-f", name, check=False)
        self._deleted.add(name)
        found = re.findall(r"exit code (\d+)", done.stderr)
        return int(found[0]) if found else 0 if done.returncode == 0 else None

    def leftovers(self) -> dict[str, int]:
        """What is left of all rounds: every figure must be 0."""
        folder = str(self.containerd.folder)
        growth = self._growth()  # first: it has a fork server started if that was killed last, and who else would sweep
        with suppress(AssertionError):  # it is a figure
            eventually(lambda: not find("containerd-shim-reaper-v2", folder), LEFT_IDLE)
        sockets = [hashlib.sha256(f"{folder}/c.sock/default/{name}".encode()).hexdigest() for name in self._names]
        state = Path("/run/reaper/state/default")
        with suppress(AssertionError):
            eventually(lambda: not list(state.glob(f"{self.token}*")), LEFT_SWEEP)
        mounts = Path("/proc/self/mounts").read_text().splitlines()
        cgroups = [path for path, _, _ in os.walk("/sys/fs/cgroup") if self.token in path]
        left = {
            "orphans": len([pid for pid in with_environment(f"CHAOS={self.token}") if alive(pid)]),
            "shims": len(find("containerd-shim-reaper-v2", folder)),
            "wrong exit codes": len(self.wrong),
            "mounts": sum(self.token in line or folder in line for line in mounts),
            "cgroups": len(cgroups),
            "sockets": sum(Path(f"/run/containerd/s/{digest}").exists() for digest in sockets),
            "records of state": len(list(state.glob(f"{self.token}*"))) if state.exists() else 0,
            "FIFOs": len(list(self.containerd.folder.glob("state/*/*/log"))),
            "FIFOs of streams": len(self._streams_left()),
            "descriptors of FIFOs of streams": sum(descriptors(pid, str(self._fifos)) for pid in everything()),
            "descriptors of the fork server": growth,
            "descriptors of containerd": self._growth_of_containerd(),
        }
        shutil.rmtree(self._folder)
        return left

    def _streams_left(self) -> list[Path]:
        """FIFOs of tasks that were deleted. Those of a task whose shim was killed belong to nobody: ctr made them."""
        return [path for path in self._fifos.rglob("*-std*") if path.name.rpartition("-")[0] in self._deleted]

    def _growth_of_containerd(self) -> int:
        """How many more descriptors containerd has than at the beginning, once it has closed what it is done with."""
        with suppress(AssertionError):  # it is a figure
            eventually(lambda: descriptors(self.containerd.pid) <= self._usual, LEFT_OPEN)
        return max(0, descriptors(self.containerd.pid) - self._usual)

    def _growth(self) -> int:
        """How many more descriptors the fork server has after ten more tasks."""
        counts = []
        for number in range(11):
            name = f"{self.token}-fd{number}"
            self.containerd.run(name, self._folder, ["/bin/sleep", "60"], "-d", "--null-io", check=True)
            shim = parent(self.containerd.pid_of(name))
            server = parent(shim)
            self.containerd.ctr("task", "rm", "-f", name)
            self.containerd.ctr("container", "rm", name)
            eventually(partial(_is_gone, shim))
            counts.append(descriptors(server))
        return counts[-1] - counts[0]


def _at_rest(pid: int) -> int:
    """How many descriptors it has once it closes no more of them."""
    counts = [descriptors(pid)]

    def is_the_same() -> bool:
        pause(0.1)
        counts.append(descriptors(pid))
        return counts[-1] == counts[-2]

    eventually(is_the_same, LEFT_OPEN)
    return counts[-1]


def say_go(fd: int) -> None:
    """To who reads at the other end, if that was not killed meanwhile. Closes the descriptor."""
    with suppress(BrokenPipeError):
        os.write(fd, b"go\n")
    os.close(fd)


def _is_gone(pid: int) -> bool:
    return not alive(pid)


def run(version: str, kills: int, seed: int) -> Chaos:
    """All rounds under one version of containerd; the figures are in the result, and printed."""
    begun = time.monotonic()
    with Containerd(programs_of(version), BUNDLE) as containerd:
        chaos = Chaos(containerd, seed)
        for game in plan(seed, kills):
            chaos.play(game)
        left = chaos.leftovers()
    chaos.figures.update({f"left: {name}": count for name, count in left.items()})
    print(f"\nseed {seed}, containerd {version}: {kills} kills in {time.monotonic() - begun:.0f} s")
    for name in sorted(chaos.figures):
        print(f"  {name:44}{chaos.figures[name]:6}")
    for line in chaos.wrong:
        print(f"  wrong: {line}")
    return chaos


def main(arguments: Sequence[str]) -> int:
    """Print the table; 0 when nothing was left and every code was right."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200, help="(default: 200)")
    parser.add_argument("--seed", type=int, default=time.time_ns() % 1_000_000)
    parser.add_argument("--containerd", default="newest", help="newest, debian, trixie or sid (default: newest)")
    options = parser.parse_args(arguments)
    print(f"seed {options.seed}", flush=True)
    chaos = run(options.containerd, options.kills, options.seed)
    return int(any(count for name, count in chaos.figures.items() if name.startswith("left: ")))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
