"""What we ask of Docker, through its command line."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from cluster.host.commands import Runner

_ANSWER = 15.0  # seconds; a daemon that takes longer is not one to build a cluster on


@dataclass(frozen=True)
class Info:
    """What `docker info` tells that matters here."""

    driver: str
    cgroup: int


@dataclass(frozen=True)
class Docker:
    runner: Runner
    which: Callable[[str], str | None] = shutil.which

    def info(self) -> Info | None:
        """None where no daemon answers."""
        if self.which("docker") is None:
            return None
        answer = self.runner.run(["docker", "info", "--format", "{{json .}}"], check=False, timeout=_ANSWER)
        if not answer.ok:
            return None
        facts = json.loads(answer.out)
        if facts.get("ServerErrors"):
            return None
        return Info(driver=str(facts.get("Driver")), cgroup=int(facts.get("CgroupVersion") or 1))

    def image_id(self, reference: str) -> str | None:
        """None where the daemon has no such image."""
        answer = self.runner.run(["docker", "image", "inspect", "--format", "{{.Id}}", reference], check=False)
        return answer.out.strip() if answer.ok else None

    def load(self, archive: Path) -> None:
        self.runner.run(["docker", "load", "--quiet", "--input", str(archive)])

    def save(self, references: list[str], archive: Path) -> None:
        self.runner.run(["docker", "save", "--output", str(archive), *references])

    def pullable(self, reference: str) -> bool:
        """Whether a registry offers the image to us; asked before a long pull that might never begin."""
        asked = ["docker", "manifest", "inspect", reference]
        return self.runner.run(asked, check=False, timeout=_ANSWER).ok

    def pull(self, reference: str) -> None:
        self.runner.run(["docker", "pull", "--quiet", reference])

    def remove_others(self, repository: str, reference: str) -> None:
        """Drop older tags of a repository of ours. One that a container still uses stays, and that is right."""
        listed = self.runner.run(["docker", "image", "ls", "--format", "{{.Repository}}:{{.Tag}}", repository])
        for other in listed.out.split():
            if other != reference:
                self.runner.run(["docker", "image", "rm", other], check=False)
