"""containerd's image store, filled here and copied into the node image, so that nodes start with their images."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cluster.build.layers import tree_of
from cluster.errors import ClusterError, tail
from cluster.host.polling import eventually

if TYPE_CHECKING:
    from pathlib import Path

    from cluster.build.layers import Tree
    from cluster.host import Host

_STARTED_WITHIN = 30.0  # seconds
_PLUGINS = ("io.containerd.content.v1.content", "io.containerd.metadata.v1.bolt")
# Only what stores images: no CRI, no shims, nothing that needs a network or /opt.
_CONFIG = """\
version = 3
root = "{root}"
state = "{state}"
disabled_plugins = [
  "io.containerd.cri.v1.images",
  "io.containerd.cri.v1.runtime",
  "io.containerd.grpc.v1.cri",
  "io.containerd.internal.v1.opt",
  "io.containerd.nri.v1.nri",
]
imports = []

[grpc]
  address = "{socket}"
"""


def image_store(host: Host, containerd: Path, archive: Path, scratch: Path) -> Tree:
    """The tree of a store under /var/lib/containerd that holds the images of `archive`, safe from collection."""
    socket = scratch / "containerd.sock"
    config = scratch / "config.toml"
    root = scratch / "root"
    config.write_text(_CONFIG.format(root=root, state=scratch / "state", socket=socket))
    log = scratch / "containerd.log"
    daemon = host.runner.spawn([str(containerd / "containerd"), "--config", str(config)], log)
    ctr = [str(containerd / "ctr"), "--address", str(socket), "--namespace", "k8s.io"]

    def answers() -> bool:
        return daemon.poll() is not None or host.runner.run([*ctr, "version"], check=False).ok

    try:
        if not eventually(answers, within=_STARTED_WITHIN) or daemon.poll() is not None:
            sentence = "containerd does not start here to receive the node's images; the lines above say why"
            raise ClusterError(sentence, tail(log.read_text()))
        pinned = "--label=io.cri-containerd.pinned=pinned"
        host.runner.run([*ctr, "images", "import", "--local", pinned, "--digests", "--no-unpack", str(archive)])
    finally:
        host.runner.stop(daemon)
    tree: Tree = {}
    for plugin in _PLUGINS:
        tree |= tree_of(root / plugin, f"/var/lib/containerd/{plugin}")
    return {path: entry for path, entry in tree.items() if not path.endswith("/ingest")}
