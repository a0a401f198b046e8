from __future__ import annotations

import gzip
import io
import tarfile
from typing import TYPE_CHECKING

from cluster.build.debian import BaseArchive
from cluster.build.images import Parts, node_images
from cluster.versions import read_versions

if TYPE_CHECKING:
    from pathlib import Path

    from cluster.build.layers import Layer

VERSIONS = read_versions()
BASE = {
    "./var/lib/dpkg/status": b"Package: iptables\nDepends: libx\n\nPackage: nftables\n\nPackage: libx\n",
    "./var/lib/dpkg/info/iptables.list": (
        b"/usr/sbin/xtables-nft-multi\n/usr/lib/x/xtables/libxt_statistic.so\n/etc/conf\n"
    ),
    "./var/lib/dpkg/info/nftables.list": b"/usr/sbin/nft\n",
    "./var/lib/dpkg/info/libx:amd64.list": b"/lib/x/libm.so.6\n/lib/x/gconv/big.so\n",
    "./usr/sbin/xtables-nft-multi": b"",
    "./usr/sbin/nft": b"",
    "./usr/lib/x/xtables/libxt_statistic.so": b"",
    "./usr/lib/x/libm.so.6": b"",
    "./usr/lib/x/gconv/big.so": b"",
    "./etc/conf": b"",
    "./lib": b"",
    "./etc/ssl/certs/ca-certificates.crt": b"certificates",
}


def names(layer: Layer) -> set[str]:
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(layer.content.read_bytes()))) as tar:
        return set(tar.getnames())


def test_the_images_are_those_that_kubeadm_and_kind_ask_for(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "base.tar", "w") as tar:
        for name, content in BASE.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    for program in ("hyperkube", "etcd", "coredns", "pause"):
        (tmp_path / program).write_text(program)
    (tmp_path / "scratch").mkdir()
    with BaseArchive(tmp_path / "base.tar") as base:
        made = node_images(Parts(tmp_path, tmp_path, tmp_path, tmp_path), base, VERSIONS, tmp_path / "scratch")
    images = {image.reference.removeprefix("registry.k8s.io/"): image for image in made}

    assert set(images) == {
        f"kube-apiserver:{VERSIONS.kubernetes}",
        f"kube-controller-manager:{VERSIONS.kubernetes}",
        f"kube-scheduler:{VERSIONS.kubernetes}",
        f"kube-proxy:{VERSIONS.kubernetes}",
        f"etcd:{VERSIONS.etcd_image}",
        f"coredns/coredns:{VERSIONS.coredns}",
        f"pause:{VERSIONS.pause}",
        f"pause:{VERSIONS.pause_of_containerd}",
    }
    proxy = images[f"kube-proxy:{VERSIONS.kubernetes}"]
    libraries, hyperkube = map(names, proxy.layers)
    assert {"usr/lib/x/libm.so.6", "usr/lib/x/xtables/libxt_statistic.so", "usr/sbin/iptables", "lib"} <= libraries
    assert not {"etc/conf", "usr/lib/x/gconv/big.so"} & libraries
    assert {"usr/local/bin/kube-proxy", "usr/local/bin/podnet", "usr/local/bin/hyperkube"} <= hyperkube
    assert images[f"kube-scheduler:{VERSIONS.kubernetes}"].layers == (proxy.layers[1],)
    assert names(images[f"pause:{VERSIONS.pause}"].layers[0]) == {"pause"}
