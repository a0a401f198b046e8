"""The programs that are built here, each module's in a folder of the cache."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cluster.build.catalogue import NODE_MODULES, modules
from cluster.build.modules import build_module
from cluster.host.cache import key

if TYPE_CHECKING:
    from cluster.host import Host
    from cluster.versions import Versions

_PAUSE = Path(__file__).with_name("pause")


@dataclass(frozen=True)
class Programs:
    host: Host
    versions: Versions

    def slot(self, name: str) -> Path:
        """Where a module's programs are, or will be."""
        module = modules(self.versions)[name]
        return self.host.cache.slot(module.slot_name(self.host.machine.architecture))

    def node_slots(self) -> list[Path]:
        """All that a node image is made of, without building it."""
        return [*map(self.slot, NODE_MODULES), self._pause_slot, self._kind_files_slot]

    def built(self, name: str) -> Path:
        """The folder with the programs of a module of the catalogue."""
        return build_module(self.host, modules(self.versions)[name])

    def pause(self) -> Path:
        if not self._pause_slot.exists():
            self.host.packages.ensure("the pause program", {"gcc": "gcc", "libc6-dev": ""})
            with self.host.cache.filling(self._pause_slot) as scratch:
                source = str(_PAUSE / "pause.c")
                self.host.runner.run(["gcc", "-O2", "-static", "-s", "-o", str(scratch / "pause"), source])
        return self._pause_slot

    def kind_files(self) -> Path:
        """The static files of a node image, which kind's own module carries."""
        if not self._kind_files_slot.exists():
            module = modules(self.versions)["kind"]
            files = module.source(self.host, "sigs.k8s.io/kind") / "images/base/files"
            with self.host.cache.filling(self._kind_files_slot) as scratch:
                shutil.copytree(files, scratch / "files", copy_function=_writable)
        return self._kind_files_slot / "files"

    @property
    def _pause_slot(self) -> Path:
        return self.host.cache.slot(f"pause-{key(_PAUSE, self.host.machine.architecture)}")

    @property
    def _kind_files_slot(self) -> Path:
        return self.host.cache.slot(f"kind-files-{self.versions.kind}")


def _writable(source: str, target: str) -> str:
    """Copy without the read-only mode of Go's module cache."""
    shutil.copyfile(source, target)
    Path(target).chmod(0o644)
    return target
