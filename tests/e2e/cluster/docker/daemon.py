"""A Docker daemon of our own, for a machine that has none: started by `up`, stopped by `down`, known by its record."""

from __future__ import annotations

import json
import os
import shlex
import signal
import socket
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cluster.docker import leftovers, lesscaps
from cluster.errors import ClusterError, tail
from cluster.host.packages import find_program
from cluster.host.polling import eventually

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cluster.docker.client import Docker, Info
    from cluster.host import Host

_SOCKET = Path("/var/run/docker.sock")
_ANSWERS_WITHIN = 30.0  # seconds
_STOPS_WITHIN = 60.0  # it stops its containers first
# iptables is only recommended by docker.io, yet no bridge comes up without it.
_PACKAGES = {"docker.io": "dockerd", "iptables": "iptables"}


@dataclass(frozen=True)
class Record:
    """Which process is ours. The start time tells it from a later process with the same number."""

    pid: int
    started: str


@dataclass(frozen=True)
class Daemon:
    host: Host
    docker: Docker

    @property
    def _home(self) -> Path:
        return self.host.cache.root / "docker"

    @property
    def _record(self) -> Path:
        return self._home / "daemon.json"

    def ensure(self) -> Info:
        """The daemon that answers, or else one of our own."""
        info = self.docker.info()
        if info:
            return info
        objection = objection_to_starting(linux=self.host.machine.linux, socket=_listening(_SOCKET), environ=os.environ)
        if objection:
            raise ClusterError(objection)
        self.host.packages.ensure("Docker", _PACKAGES)
        # Where Debian's packages find systemd, installing them has started a daemon, which then is not ours.
        return self.docker.info() or self._start()

    def ours(self) -> bool:
        """Whether a daemon of our own runs."""
        record = self._read_record()
        return record is not None and start_time(record.pid) == record.started

    def died(self) -> bool:
        """Whether ours ended without `stop`. What it ran may run on: containers survive their daemon."""
        return self._read_record() is not None and not self.ours()

    def stop(self) -> bool:
        """Stop our daemon and take away what it leaves on the machine; another's is left alone."""
        record = self._read_record()
        if record is None:
            return False
        with self.host.console.step("stopping our Docker daemon"):
            if start_time(record.pid) == record.started:
                self._end(record)
            leftovers.remove(self.host)
        self._record.unlink()
        return True

    def _end(self, record: Record) -> None:
        self.host.runner.run([*self.host.machine.as_root, "kill", f"-{signal.SIGTERM.value}", str(record.pid)])
        if not eventually(lambda: start_time(record.pid) != record.started, within=_STOPS_WITHIN):
            raise ClusterError(
                f"the Docker daemon (process {record.pid}) does not stop; see {self._home}/dockerd.log, "
                f"then end it with `kill -9 {record.pid}` and run `down` again"
            )

    def _read_record(self) -> Record | None:
        try:
            return Record(**json.loads(self._record.read_text()))
        except (FileNotFoundError, json.JSONDecodeError, TypeError):
            return None

    def _start(self) -> Info:
        self._home.mkdir(parents=True, exist_ok=True)
        log = self._home / "dockerd.log"
        with self.host.console.step("starting a Docker daemon of our own: none answers here"):
            leftovers.remember(self.host)
            child = self.host.runner.spawn(self._command(), log)
            # The record comes before the wait: Ctrl-C from here on leaves a daemon that `down` knows.
            self._record.write_text(json.dumps({"pid": child.pid, "started": start_time(child.pid)}))
            eventually(lambda: self.docker.info() is not None or child.poll() is not None, within=_ANSWERS_WITHIN)
        info = self.docker.info()
        if info is None:
            self.host.runner.stop(child)
            self._record.unlink()
            sentence = f"a Docker daemon does not start here; the lines above, the last of {log}, say why"
            raise ClusterError(sentence, tail(log.read_text(errors="replace")))
        return info

    def _command(self) -> list[str]:
        dockerd = find_program("dockerd") or "dockerd"
        command = [*self.host.machine.as_root, dockerd, "--data-root", str(self._home / "data")]
        command += ["--exec-root", leftovers.EXEC_ROOT, "--pidfile", leftovers.PID_FILE]
        if not self.host.machine.root:
            command += ["--group", str(os.getgid())]
        if self.host.machine.lacks_capabilities:
            command += ["--add-runtime", f"lesscaps={self._write_wrapper()}", "--default-runtime", "lesscaps"]
        return command

    def _write_wrapper(self) -> Path:
        """A copy in the cache, run by an interpreter outside any virtual environment: checkouts come and go."""
        program = self._home / "lesscaps.py"
        program.write_text(Path(lesscaps.__file__).read_text())
        interpreter = str(Path(sys.executable).resolve())
        wrapper = self._home / "runc-lesscaps"
        wrapper.write_text(f'#!/bin/sh\nexec {shlex.join([interpreter, "-I", str(program)])} "$@"\n')
        wrapper.chmod(0o755)
        return wrapper


def objection_to_starting(*, linux: bool, socket: str, environ: Mapping[str, str]) -> str | None:
    """Why a daemon of our own would be wrong here, with what to do instead."""
    if environ.get("DOCKER_HOST"):
        return "DOCKER_HOST is set and no daemon answers there; start it, or unset DOCKER_HOST, and try again"
    if not linux:
        return "no Docker daemon answers; start Docker and try again"
    if socket == "forbidden":
        return (
            "a Docker daemon runs here but you may not talk to it; add yourself to the group `docker`, "
            "log in again and try again"
        )
    if socket == "open":
        return "something listens on Docker's socket but `docker info` fails; see what it says, mend it and try again"
    return None


def _listening(path: Path) -> str:
    """What a connection to a socket meets: `open`, `forbidden` or `silent`."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except PermissionError:
            return "forbidden"
        except OSError:
            return "silent"
    return "open"


def start_time(pid: int) -> str | None:
    """When a process began, in clock ticks since boot; None when there is none, or only its remains."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    state, *fields = stat.rpartition(")")[2].split()
    return None if state == "Z" else fields[18]
