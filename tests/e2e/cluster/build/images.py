"""The container images a node must hold before it starts, since nothing can be pulled: kubeadm's and kind's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cluster.build.archives import Image
from cluster.build.layers import Directory, File, Layer, Link, write_layer

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from cluster.build.debian import BaseArchive
    from cluster.build.layers import Entry, Tree
    from cluster.versions import Versions

REGISTRY = "registry.k8s.io"
_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_NOBODY = "65535:65535"
_CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
_CONTROL_PLANE = ("kube-apiserver", "kube-controller-manager", "kube-scheduler")
_IPTABLES = tuple(f"{family}{what}" for family in ("iptables", "ip6tables") for what in ("", "-save", "-restore"))


@dataclass(frozen=True)
class Parts:
    """Where the built programs lie: the folders that Programs gives."""

    kubernetes: Path
    etcd: Path
    coredns: Path
    pause: Path


def node_images(parts: Parts, base: BaseArchive, versions: Versions, scratch: Path) -> list[Image]:
    """The images, their layers written into `scratch`."""
    layers = {name: write_layer(tree, scratch / name) for name, tree in _trees(parts, base).items()}

    def image(name: str, tag: str, wanted: tuple[str, ...], config: Mapping[str, object]) -> Image:
        return Image(f"{REGISTRY}/{name}:{tag}", tuple(_pick(layers, wanted)), config)

    environment = {"Env": [_PATH]}
    images = [
        image(
            name,
            versions.kubernetes,
            ("hyperkube",),
            environment | {"Entrypoint": [f"/usr/local/bin/{name}"]},
        )
        for name in _CONTROL_PLANE
    ]
    images += [
        image("kube-proxy", versions.kubernetes, ("iptables", "hyperkube"), environment),
        image("etcd", versions.etcd_image, ("etcd",), environment),
        image("coredns/coredns", versions.coredns, ("coredns",), environment | {"Entrypoint": ["/coredns"]}),
    ]
    run_pause = {"Entrypoint": ["/pause"], "User": _NOBODY}
    for tag in sorted({versions.pause, versions.pause_of_containerd}):
        images.append(image("pause", tag, ("pause",), run_pause))
    return images


def _pick(layers: Mapping[str, Layer], names: tuple[str, ...]) -> list[Layer]:
    return [layers[name] for name in names]


def _trees(parts: Parts, base: BaseArchive) -> dict[str, Tree]:
    called = (*_CONTROL_PLANE, "kube-proxy", "podnet")
    return {
        "hyperkube": {
            "/etc/nsswitch.conf": File(b"hosts: files dns\n"),
            "/etc/passwd": File(b"root:x:0:0:root:/:/sbin/nologin\n"),
            "/tmp": Directory(0o1777),
            **_program(parts.kubernetes / "hyperkube", "/usr/local/bin/hyperkube"),
            **{f"/usr/local/bin/{name}": Link("hyperkube") for name in called},
        },
        "iptables": _iptables(base),
        "etcd": {"/tmp": Directory(0o1777), **_program(parts.etcd / "etcd", "/usr/local/bin/etcd")},
        "coredns": {
            "/tmp": Directory(0o1777),
            _CERTIFICATES: File(base.read(_CERTIFICATES)),
            **_program(parts.coredns / "coredns", "/coredns"),
        },
        "pause": _program(parts.pause / "pause", "/pause"),
    }


def _program(source: Path, at: str) -> dict[str, Entry]:
    return {at: File(source, 0o755)}


def _iptables(base: BaseArchive) -> Tree:
    """iptables and nft with every library and extension that their packages know of.

    All of them: with one extension's library missing, services of one endpoint work and those of two do not.
    """
    tree: Tree = {path: entry for path, entry in base.packaged("iptables", "nftables").items() if _runs(path)}
    tree |= {f"/{name}": Link(f"usr/{name}") for name in ("bin", "lib", "lib64", "sbin") if f"/{name}" in base.members}
    # Debian chooses between nft and legacy by a link that a maintainer script sets; kube-proxy gets nft.
    tree |= {f"/usr/sbin/{name}": Link("xtables-nft-multi") for name in _IPTABLES}
    tree |= {name: Directory() for name in ("/etc/cni/net.d", "/run", "/var/run")}
    return tree


def _runs(path: str) -> bool:
    if path in ("/etc/protocols", "/etc/services"):
        return True
    return path.startswith(("/usr/lib/", "/usr/lib64/", "/usr/sbin/")) and "/gconv" not in path
