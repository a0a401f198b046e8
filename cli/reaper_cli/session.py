"""What a command stands in: the way to clusters, the time, the screen. Commands get it as click's `obj`."""

from __future__ import annotations

import os
import shutil
import sys
import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol, Self

import click

from reaper_cli.target import Target

if TYPE_CHECKING:
    from collections.abc import Callable

    from reaper_cli.cluster import Cluster


class Clock(Protocol):
    """The time."""

    def now(self) -> datetime:
        """Of day, in UTC: to compare with the API server's."""

    def monotonic(self) -> float:
        """Seconds: to measure how long something takes here."""


class SystemClock:
    """The machine's."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()


@dataclass(frozen=True)
class Screen:
    """Where standard output and input are."""

    live: bool
    """Standard output is a terminal that can redraw lines."""

    typing: bool
    """Standard input is a terminal."""

    columns: int = 80
    lines: int = 24

    @classmethod
    def here(cls) -> Self:
        """Of this process."""
        size = shutil.get_terminal_size((120, 40))
        live = sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
        return cls(live, sys.stdin is not None and sys.stdin.isatty(), size.columns, size.lines)


@dataclass(frozen=True)
class Session:
    """The surroundings of a command."""

    connect: Callable[[Target], Cluster]
    clock: Clock
    screen: Screen
    target: Target = field(default_factory=Target)

    @classmethod
    def here(cls) -> Self:
        """The real one."""
        return cls(_kubectl, SystemClock(), Screen.here())

    def aimed(self, target: Target) -> Self:
        """With the flags that stood before the verb."""
        return replace(self, target=target.over(self.target))

    def cluster(self, target: Target) -> Cluster:
        """The cluster of a command's flags, completed by those before the verb."""
        return self.connect(target.over(self.target))


def talk(text: str) -> None:
    """Say something to the person, beside the data: on standard error."""
    click.echo(text, err=True)


def _kubectl(target: Target) -> Cluster:
    from reaper_cli.kubectl import Kubectl

    return Kubectl(target, os.environ)
