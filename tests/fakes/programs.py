"""A runner of programs without a machine: answers by a script and remembers what it was asked."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cluster.errors import CommandFailed
from cluster.host.commands import Result

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from cluster.host.commands import Child

NOTHING = Result(127, err="no such program here")


@dataclass(frozen=True)
class Spawned:
    pid: int = 4711

    def poll(self) -> int | None:
        return None


@dataclass
class FakePrograms:
    """`answers` maps the beginning of a command line to its result; the longest that fits wins.

    An exception as an answer is raised; a list is answered one by one, and its last for ever.
    """

    answers: dict[str, Result | BaseException | list[Result]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    inputs: list[str] = field(default_factory=list)
    environments: list[Mapping[str, str]] = field(default_factory=list)

    def run(
        self,
        command: Sequence[str],
        *,
        stdin: str | Path | None = None,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        timeout: float | None = None,
        check: bool = True,
        on_line: Callable[[str], None] | None = None,
    ) -> Result:
        line = shlex.join(command)
        self.asked.append(line)
        self.environments.append(env or {})
        if isinstance(stdin, str):
            self.inputs.append(stdin)
        result = self._answer(line)
        if check and not result.ok:
            raise CommandFailed(command, f"failed with exit code {result.code}", result.err)
        return result

    def spawn(self, command: Sequence[str], log: Path) -> Child:
        self.asked.append(shlex.join(command))
        return Spawned()

    def stop(self, child: Child) -> None:
        self.asked.append(f"stop {child.pid}")

    def stop_all(self) -> None:
        self.asked.append("stop all")

    def ran(self, beginning: str) -> int:
        """How many command lines began like this."""
        return sum(line.startswith(beginning) for line in self.asked)

    def _answer(self, line: str) -> Result:
        fitting = [known for known in self.answers if line.startswith(known)]
        answer = self.answers[max(fitting, key=len)] if fitting else NOTHING
        if isinstance(answer, BaseException):
            raise answer
        if isinstance(answer, list):
            return answer.pop(0) if len(answer) > 1 else answer[0]
        return answer
