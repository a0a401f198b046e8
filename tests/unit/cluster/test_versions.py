"""versions.toml is the one place; what must be repeated elsewhere is held to it here."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import cluster.build
from cluster.versions import minor, read_versions

GO = Path(cluster.build.__file__).parent / "go"
VERSIONS = read_versions()


@pytest.mark.parametrize(
    ("folder", "module", "version"),
    [
        ("kubernetes", "k8s.io/kubernetes", VERSIONS.kubernetes),
        ("etcd", "go.etcd.io/etcd/server/v3", VERSIONS.etcd),
        ("coredns", "github.com/coredns/coredns", VERSIONS.coredns),
        ("containerd", "github.com/containerd/containerd/v2", VERSIONS.containerd),
        ("cni", "github.com/containernetworking/plugins", VERSIONS.cni_plugins),
        ("kind", "sigs.k8s.io/kind", VERSIONS.kind),
        ("kwok", "sigs.k8s.io/kwok", VERSIONS.kwok),
        ("cert-manager", "github.com/cert-manager/cert-manager", VERSIONS.cert_manager),
        ("helm", f"helm.sh/helm/{VERSIONS.helm.split('.')[0]}", VERSIONS.helm),
    ],
)
def test_each_go_module_requires_the_version_named(folder: str, module: str, version: str) -> None:
    required = re.findall(
        rf"^(?:require)?\s*{re.escape(module)} (\S+)", (GO / folder / "go.mod").read_text(), re.MULTILINE
    )
    assert required == [version]


def test_every_module_folder_has_its_sums() -> None:
    folders = [path for path in GO.iterdir() if path.is_dir()]
    assert len(folders) == 9
    assert all((folder / "go.sum").stat().st_size for folder in folders)


def test_the_etcd_image_is_the_etcd_that_is_built() -> None:
    assert VERSIONS.etcd_image.startswith(VERSIONS.etcd.removeprefix("v"))


def test_the_stock_image_is_pinned_by_digest() -> None:
    assert re.fullmatch(r"kindest/node:v\d+\.\d+\.\d+@sha256:[0-9a-f]{64}", VERSIONS.stock_image)


def test_minor() -> None:
    assert minor("v1.36.3") == (1, 36)
    assert minor("v1.31+") == (1, 31)
    assert minor("3.22.0") == (3, 22)
