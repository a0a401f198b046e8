"""kubectl, kind and helm in .tools/bin: from the cache, the PATH, their official downloads, or built here."""

from __future__ import annotations

import json
import platform
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cluster import downloads
from cluster.versions import minor

if TYPE_CHECKING:
    from collections.abc import Callable

    from cluster.build.programs import Programs
    from cluster.downloads import Fetch
    from cluster.host import Host
    from cluster.versions import Versions

NAMES = ("kubectl", "kind", "helm")
_ASK_VERSION = {
    "kubectl": ("version", "--client"),
    "kind": ("version",),
    "helm": ("version", "--short"),
}
# Module and program. hyperkube answers to the name it is called by.
_BUILT = {"kubectl": ("kubernetes", "hyperkube"), "kind": ("kind", "kind"), "helm": ("helm", "helm")}
_VERSION = re.compile(r"v\d+\.\d+\.\d+")


@dataclass(frozen=True)
class Tools:
    host: Host
    versions: Versions
    programs: Programs
    folder: Path  # .tools of the checkout
    fetch: Fetch = downloads.fetch
    which: Callable[[str], str | None] = shutil.which

    def path(self, name: str) -> Path:
        return self.folder / "bin" / name

    def ensure(self) -> None:
        """Link what is not linked yet. The record says which version a link was made for."""
        recorded = self._recorded()
        missing = [name for name in NAMES if recorded.get(name) != self._wanted(name) or not self.path(name).exists()]
        reachable = True
        for name in missing:
            target = self._cached(name) or self._installed(name)
            if target is None and reachable:
                target = self._downloaded(name)
                reachable = target is not None
            self._link(name, target or self._built(name))

    def remove(self) -> None:
        """Take the links away, and nothing else that may be in the folder."""
        for name in NAMES:
            self.path(name).unlink(missing_ok=True)
        self._record_file.unlink(missing_ok=True)

    @property
    def _record_file(self) -> Path:
        return self.folder / "tools.json"

    def _recorded(self) -> dict[str, str]:
        try:
            recorded: dict[str, str] = json.loads(self._record_file.read_text())
        except (FileNotFoundError, json.JSONDecodeError):
            return {}
        return recorded

    def _wanted(self, name: str) -> str:
        return {"kubectl": self.versions.kubernetes, "kind": self.versions.kind, "helm": self.versions.helm}[name]

    def _slot(self, name: str) -> Path:
        return self.host.cache.slot(f"{name}-download-{self._wanted(name)}-{self.host.machine.architecture}")

    def _cached(self, name: str) -> Path | None:
        module, program = _BUILT[name]
        built = self.programs.slot(module) / program
        return next((path for path in (self._slot(name) / name, built) if path.exists()), None)

    def _installed(self, name: str) -> Path | None:
        found = self.which(name)
        if found is None or found == str(self.path(name)):
            return None
        answer = self.host.runner.run([found, *_ASK_VERSION[name]], check=False, timeout=10)
        version = _VERSION.search(answer.out)
        if not answer.ok or version is None or not fits(name, version[0], self._wanted(name)):
            return None
        self.host.console.say(f"==> {name} {version[0]}: using {found}")
        return Path(found)

    def _downloaded(self, name: str) -> Path | None:
        system = f"{platform.system().lower()}-{self.host.machine.architecture}"
        program = downloads.program(downloads.downloads(self.versions, system)[name], self.fetch)
        if program is None:
            return None
        slot = self._slot(name)
        with (
            self.host.console.step(f"{name} {self._wanted(name)}: downloaded"),
            self.host.cache.filling(slot) as scratch,
        ):
            (scratch / name).write_bytes(program)
            (scratch / name).chmod(0o755)
        return slot / name

    def _built(self, name: str) -> Path:
        module, program = _BUILT[name]
        return self.programs.built(module) / program

    def _link(self, name: str, target: Path) -> None:
        link = self.path(name)
        link.parent.mkdir(parents=True, exist_ok=True)
        partial = link.with_name(f".{name}.partial")
        partial.unlink(missing_ok=True)
        partial.symlink_to(target)
        partial.replace(link)
        self._record_file.write_text(json.dumps({**self._recorded(), name: self._wanted(name)}, indent=2))


def fits(name: str, found: str, wanted: str) -> bool:
    """Whether an installed program can take the place of the version we would get.

    kubectl is supported one minor version off its server; kind's node images go with its exact version; the chart
    works with Helm 3 and 4.
    """
    if name == "kubectl":
        return minor(found)[0] == minor(wanted)[0] and abs(minor(found)[1] - minor(wanted)[1]) <= 1
    return found == wanted if name == "kind" else minor(found)[0] in (3, 4)
