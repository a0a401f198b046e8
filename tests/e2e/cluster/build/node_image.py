"""The node image: built once, kept as an archive that any Docker can load."""

from __future__ import annotations

import hashlib
import tarfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cluster.build.archives import image_config, write_docker_archive, write_oci_archive
from cluster.build.base import archive_slot, base_archive
from cluster.build.debian import BaseArchive
from cluster.build.images import Parts, node_images
from cluster.build.layers import add_tree
from cluster.build.rootfs import MANIFESTS, NodeParts, node_tree, unwanted
from cluster.build.store import image_store
from cluster.host.cache import key

if TYPE_CHECKING:
    from cluster.build.layers import Tree
    from cluster.build.programs import Programs
    from cluster.host import Host
    from cluster.versions import Versions

_SOURCES = Path(__file__).parent
# systemd must be told that it is in a container, and stops on this signal only.
_CONFIG = {
    "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "container=docker"],
    "Entrypoint": ["/usr/local/bin/entrypoint", "/sbin/init"],
    "StopSignal": "SIGRTMIN+3",
}
_KEPT = 2  # archives of half a gigabyte: this one and the one that another branch may need


@dataclass(frozen=True)
class NodeImage:
    """The archive, and what it holds."""

    archive: Path
    reference: str
    identity: str  # Docker's image id


def node_image(host: Host, programs: Programs, versions: Versions) -> NodeImage:
    """The image from the cache, or built from what is in the cache, or from nothing."""
    place = slot(host, programs, versions)
    if not place.exists():
        with ThreadPoolExecutor(max_workers=1) as aside:
            # Packages come over the network and through dpkg, mostly one core: beside the compiler that is free.
            base = aside.submit(base_archive, host, versions.debian)
            try:
                parts = _parts(programs)
            except BaseException:
                host.runner.stop_all()  # or the packages would be waited for before the failure is told
                raise
        with host.console.step("putting the node image together"), host.cache.filling(place) as scratch:
            _assemble(host, parts, base.result(), versions, reference(place, versions), scratch)
        host.cache.keep_newest("node-image-*", _KEPT)
    identity = (place / "id").read_text()
    return NodeImage(place / "image.tar", reference(place, versions), identity)


@dataclass(frozen=True)
class _Parts:
    node: NodeParts
    images: Parts


def _parts(programs: Programs) -> _Parts:
    kubernetes, containerd = programs.built("kubernetes"), programs.built("containerd")
    return _Parts(
        NodeParts(kubernetes, containerd, programs.built("cni"), programs.kind_files()),
        Parts(kubernetes, programs.built("etcd"), programs.built("coredns"), programs.pause()),
    )


def slot(host: Host, programs: Programs, versions: Versions) -> Path:
    """Where the image is, or will be: named after everything that goes into it."""
    made_of = [place.name for place in (*programs.node_slots(), archive_slot(host, versions.debian))]
    tags = (versions.etcd_image, versions.pause, versions.pause_of_containerd)
    recipe = sorted(_SOURCES.glob("*.py"))
    return host.cache.slot(f"node-image-{versions.kubernetes}-{key(*made_of, *tags, MANIFESTS, *recipe)}")


def reference(slot: Path, versions: Versions) -> str:
    return f"reaper/kind-node:{versions.kubernetes}-{slot.name.rpartition('-')[2]}"


def _assemble(host: Host, parts: _Parts, base_path: Path, versions: Versions, name: str, scratch: Path) -> None:
    layer = scratch / "layer.tar"
    architecture = host.machine.architecture
    with BaseArchive(base_path) as base:
        working = scratch / "work"
        working.mkdir()
        images = node_images(parts.images, base, versions, working)
        write_oci_archive(images, architecture, working / "images.tar")
        containerd = parts.node.containerd
        runtime_spec = host.runner.run([str(containerd / "ctr"), "oci", "spec"]).out
        tree = node_tree(parts.node, base, versions.kubernetes, runtime_spec)
        tree |= image_store(host, containerd, working / "images.tar", working)
        identity = _write_layer(base, tree, layer)
    config = image_config(_CONFIG, architecture, [identity])
    write_docker_archive(name, config, layer, scratch / "image.tar")
    (scratch / "id").write_text(f"sha256:{hashlib.sha256(config).hexdigest()}")
    layer.unlink()
    host.runner.run(["rm", "-rf", str(working)])


def _write_layer(base: BaseArchive, tree: Tree, path: Path) -> str:
    """The base without what the tree replaces, then the tree; the answer is the layer's digest."""
    kept = [name for name in base.members if name != "/" and name not in tree and not unwanted(name)]
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
        for name in kept:
            base.copy(name, tar)
        add_tree(tar, tree, frozenset(kept))
    with path.open("rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
