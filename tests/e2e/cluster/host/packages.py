"""Debian packages that a step needs, installed only where they are missing."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cluster.errors import ClusterError, CommandFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cluster.host.commands import Runner
    from cluster.host.console import Console

_LOCK_WAIT = "DPkg::Lock::Timeout=120"  # seconds; unattended upgrades hold it for a while after a machine boots
_QUIET = ("env", "DEBIAN_FRONTEND=noninteractive", "NEEDRESTART_SUSPEND=1")


def find_program(name: str) -> str | None:
    """A program in the PATH, or where only root's PATH goes."""
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")


@dataclass
class Packages:
    runner: Runner
    console: Console
    as_root: tuple[str, ...]
    find: Callable[[str], str | None] = find_program
    _lists_are_fresh: bool = field(default=False, init=False)

    def ensure(self, reason: str, packages: Mapping[str, str]) -> None:
        """Install what is missing of `packages`: each with a program that it brings, or "" where it brings none."""
        missing = [package for package, program in packages.items() if not self._there(package, program)]
        if not missing:
            return
        listed = " ".join(missing)
        if self.find("apt-get") is None:
            raise ClusterError(f"{reason} needs {listed}, and there is no apt-get here; install them and try again")
        with self.console.step(f"installing packages for {reason}: {listed}"):
            try:
                self._install(missing)
            except CommandFailed as error:
                raise ClusterError(f"{error}; install {listed} by hand and try again", error.detail) from error

    def _install(self, missing: list[str]) -> None:
        # An installation that was interrupted, ours or another's, would refuse this one.
        self.runner.run([*self.as_root, *_QUIET, "dpkg", "--configure", "-a"])
        if not self._lists_are_fresh:
            self.runner.run([*self.as_root, "apt-get", "-qq", "-o", _LOCK_WAIT, "update"])
            self._lists_are_fresh = True
        install = ("apt-get", "-qq", "-y", "-o", _LOCK_WAIT, "--no-install-recommends", "install")
        self.runner.run([*self.as_root, *_QUIET, *install, *missing])

    def _there(self, package: str, program: str) -> bool:
        if program:
            return self.find(program) is not None
        found = self.runner.run(["dpkg-query", "-W", "-f", "${db:Status-Abbrev}", package], check=False)
        return found.ok and found.out.startswith("ii")
