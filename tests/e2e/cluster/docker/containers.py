"""Removing containers for good."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cluster.errors import CommandFailed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cluster.host import Host

FREEZER = Path("/sys/fs/cgroup/freezer/docker")


def remove(host: Host, containers: list[str], freezer: Path = FREEZER) -> None:
    """Remove containers by their full ids, and their volumes.

    With cgroup v1 runc freezes a container for a moment while it sets it up. A node that is killed in this moment
    leaves a process that no signal reaches, and Docker then gives up on the node: it has to be thawed first.
    """
    run = host.runner.run
    command = ["docker", "rm", "--force", "--volumes"]
    try:
        run([*command, *containers])
    except CommandFailed:
        stuck = list(frozen(freezer, containers))
        if not stuck:
            raise
        for state in stuck:
            run([*host.machine.as_root, "tee", str(state)], stdin="THAWED")
        left = set(run(["docker", "ps", "--all", "--quiet", "--no-trunc"]).out.split())
        run([*command, *(container for container in containers if container in left)])


def frozen(freezer: Path, containers: list[str]) -> Iterator[Path]:
    """The state files of the frozen cgroups below these containers' own."""
    for container in containers:
        for state in (freezer / container).rglob("freezer.state"):
            if state.read_text().strip() != "THAWED":
                yield state
