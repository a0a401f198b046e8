"""Putting images into the nodes, and not doing it again when they are there."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cluster.errors import ClusterError

if TYPE_CHECKING:
    from pathlib import Path

    from cluster.docker.client import Docker
    from cluster.host import Host
    from cluster.kube.kind import Kind, Node

# The digest that a name stands for, then the manifest behind it.
_ASK = """\
digest=$(ctr --namespace k8s.io images list name=={name} | awk 'NR == 2 {{ print $3 }}')
[ -n "$digest" ] && echo "$digest" && ctr --namespace k8s.io content get "$digest"
"""


@dataclass(frozen=True)
class Loader:
    host: Host
    docker: Docker
    kind: Kind

    def load(self, references: list[str]) -> None:
        """Each image into every node that has not got this very image under this name."""
        nodes = self._nodes()
        wanted = [reference for reference in references if not self._everywhere(reference, nodes)]
        if not wanted:
            return
        step = self.host.console.step(f"loading {' and '.join(wanted)} into {len(nodes)} nodes")
        with step, self.host.cache.scratch() as scratch:
            archive = scratch / "images.tar"
            self.docker.save(wanted, archive)
            self.kind.load_archive(archive)

    def load_archive(self, archive: Path) -> None:
        """An archive of `docker save` or of an OCI layout into every node."""
        if not archive.is_file():
            raise ClusterError(f"there is no file {archive} to load")
        nodes = self._nodes()
        with self.host.console.step(f"loading {archive.name} into {len(nodes)} nodes"):
            self.kind.load_archive(archive)

    def _nodes(self) -> list[Node]:
        if self.docker.info() is None:
            raise ClusterError("no Docker daemon answers, so there is no cluster to load into; make one with `up`")
        nodes = [node for node in self.kind.nodes() if node.running]
        if not nodes:
            raise ClusterError(f"there is no cluster `{self.kind.name}` to load into; make one with `up`")
        return nodes

    def _everywhere(self, reference: str, nodes: list[Node]) -> bool:
        identity = self.docker.image_id(reference)
        if identity is None:
            raise ClusterError(f"Docker has no image {reference}; build it first (`docker images` lists what there is)")
        for node in nodes:
            script = _ASK.format(name=full_name(reference))
            answer = self.host.runner.run(["docker", "exec", node.name, "sh", "-c", script], check=False)
            if not (answer.ok and same_image(identity, answer.out)):
                return False
        self.host.console.say(f"==> {reference} is in all {len(nodes)} nodes already")
        return True


def full_name(reference: str) -> str:
    """The name under which containerd files an image: `busybox` is `docker.io/library/busybox:latest`."""
    first, _, rest = reference.partition("/")
    has_host = bool(rest) and ("." in first or ":" in first or first == "localhost")
    name = reference if has_host else f"docker.io/{reference}" if rest else f"docker.io/library/{reference}"
    return name if ":" in name.rpartition("/")[2] or "@" in name else f"{name}:latest"


def same_image(identity: str, answer: str) -> bool:
    """Whether a node's answer to _ASK describes the image that Docker knows by `identity`.

    Docker's id is the digest of the configuration, or of the manifest where it keeps images in containerd.
    """
    digest, _, content = answer.partition("\n")
    if digest == identity:
        return True
    try:
        manifest = json.loads(content)
    except json.JSONDecodeError:
        return False
    return bool(manifest.get("config", {}).get("digest") == identity)
