"""What a Docker daemon leaves on a machine when it stops: its bridges, its packet filter rules, its mounts."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cluster.host import Host

# A name of our own, so that whatever is mounted below it is known to be ours.
EXEC_ROOT = "/run/reaper-docker"
PID_FILE = "/run/reaper-docker.pid"
_PLUGINS = "/run/docker"  # which dockerd makes whatever its exec-root
_KEY = Path("/etc/docker/key.json")  # which 20.10 writes and nothing needs
_CGROUPS = Path("/sys/fs/cgroup")
_TABLES = ("filter", "nat")
_DOCKERS = re.compile(r"\bDOCKER\b|\bDOCKER-|\bdocker0\b|\bbr-[0-9a-f]{12}\b")
_BRIDGE = re.compile(r"^\d+: (docker0|br-[0-9a-f]{12}):", re.MULTILINE)


@dataclass(frozen=True)
class Before:
    """How the machine was: the FORWARD chain's policy, which a daemon sets to DROP, and whether it had a key."""

    forward: str
    key: bool


def remember(host: Host) -> None:
    """Note what a daemon is about to change. Once: one that died has left its changes, which are not to be noted."""
    if not _note(host).exists():
        rules = _rules(host, "filter")
        policy = next((line.split()[2] for line in rules if line.startswith("-P FORWARD ")), "ACCEPT")
        _note(host).write_text(json.dumps(asdict(Before(policy, _KEY.exists()))))


def remove(host: Host) -> None:
    """Take it all away. Called only when a daemon of our own has ended, so nobody else's is there to suffer."""
    before = Before(**json.loads(_note(host).read_text()))
    run = partial(host.runner.run, check=False)  # each of these may be gone already
    root = host.machine.as_root
    for table in _TABLES:
        for command in removals(_rules(host, table)):
            run([*root, "iptables", "-w", "-t", table, *command])
    run([*root, "iptables", "-w", "-P", "FORWARD", before.forward])
    for name in bridges(run(["ip", "-oneline", "link"]).out):
        run([*root, "ip", "link", "delete", name])
    for point in mounts_below(run(["cat", "/proc/self/mounts"]).out, (f"{EXEC_ROOT}/", f"{host.cache.root}/docker/")):
        run([*root, "umount", point])
    run([*root, "rmdir", *map(str, [*_CGROUPS.glob("docker"), *_CGROUPS.glob("*/docker")])])
    run([*root, "rm", "-rf", EXEC_ROOT, PID_FILE, _PLUGINS, *([] if before.key else [str(_KEY)])])
    _note(host).unlink()


def removals(rules: list[str]) -> list[list[str]]:
    """The iptables arguments that undo Docker's part of a table listed by `iptables -S`.

    Rules first, then chains: a chain that something still jumps to cannot be deleted.
    """
    chains = [line.split()[1] for line in rules if line.startswith("-N DOCKER")]
    jumps = [line for line in rules if line.startswith("-A ") and _DOCKERS.search(line)]
    commands = [["-D", *shlex.split(line)[1:]] for line in jumps]
    return commands + [["-F", chain] for chain in chains] + [["-X", chain] for chain in chains]


def bridges(links: str) -> list[str]:
    """Docker's bridges in what `ip -oneline link` lists."""
    return _BRIDGE.findall(links)


def mounts_below(mounts: str, roots: tuple[str, ...]) -> list[str]:
    """Mount points below `roots` in /proc/self/mounts, the deepest first."""
    points = [line.split()[1] for line in mounts.splitlines()]
    return sorted((point for point in points if point.startswith(roots)), reverse=True)


def _rules(host: Host, table: str) -> list[str]:
    return host.runner.run([*host.machine.as_root, "iptables", "-w", "-t", table, "-S"], check=False).out.splitlines()


def _note(host: Host) -> Path:
    return host.cache.root / "docker" / "before.json"
