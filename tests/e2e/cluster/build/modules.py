"""Building programs from Go modules, by the go.mod and go.sum that lie in go/<name>."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from cluster.errors import ClusterError, CommandFailed
from cluster.host.cache import key

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cluster.host import Host

_FOLDERS = Path(__file__).with_name("go")
# Static, without the paths and the VCS state of the machine that built it; never by a go.work somewhere above.
_ENVIRONMENT = {"CGO_ENABLED": "0", "GOWORK": "off"}
_KEPT = "what was compiled is kept"
_FLAGS = ("-trimpath", "-buildvcs=false", "-mod=readonly")


@dataclass(frozen=True)
class GoModule:
    """What to build of a module: `packages` maps each program to its import path."""

    name: str
    title: str
    version: str
    packages: Mapping[str, str]
    stamps: Mapping[str, str] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    first_time: str = "a minute"

    @property
    def folder(self) -> Path:
        return _FOLDERS / self.name

    def flags(self) -> list[str]:
        stamps = [f"-X {name}={value}" for name, value in sorted(self.stamps.items())]
        return [*_FLAGS, f"-tags={','.join(self.tags)}", f"-ldflags={' '.join(['-s', '-w', *stamps])}"]

    def slot_name(self, architecture: str) -> str:
        inputs = key(self.folder, architecture, *self.flags(), *self.packages, *self.packages.values())
        return f"{self.name}-{self.version}-{inputs}"

    def source(self, host: Host, path: str) -> Path:
        """The folder of the module `path` in Go's module cache, downloaded if need be."""
        require_go(host)
        answer = host.runner.run(["go", "mod", "download", "-json", path], cwd=self.folder, env=_ENVIRONMENT)
        return Path(json.loads(answer.out)["Dir"])


def build_module(host: Host, module: GoModule) -> Path:
    """The cache folder with the module's programs."""
    slot = host.cache.slot(module.slot_name(host.machine.architecture))
    if slot.exists():
        return slot
    require_go(host)
    title = f"building {module.title} {module.version} from its Go module (first time: about {module.first_time})"
    with host.console.step(title) as step, host.cache.filling(slot) as scratch:
        compiled = 0

        def count(line: str) -> None:
            nonlocal compiled
            compiled += not line.startswith("go: downloading")
            step.note = f"{compiled} packages compiled" if compiled else line

        for program, package in module.packages.items():
            command = ["go", "build", "-v", *module.flags(), "-o", str(scratch / program), package]
            try:
                host.runner.run(command, cwd=module.folder, env=_ENVIRONMENT, on_line=count)
            except CommandFailed as error:
                sentence = f"{error}; if a download failed, check `go env GOPROXY`, and try again: {_KEPT}"
                raise ClusterError(sentence, error.detail) from error
    return slot


def require_go(host: Host) -> None:
    if shutil.which("go"):
        return
    raise ClusterError(
        "building from Go modules needs Go 1.21 or later (it fetches the version it needs by itself): "
        "install it and put `go` in your PATH"
    )
