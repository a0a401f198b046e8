"""Which Go modules become which programs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cluster.build.modules import GoModule

if TYPE_CHECKING:
    from cluster.versions import Versions

_CONTAINERD = "github.com/containerd/containerd/v2"
_CNI = "github.com/containernetworking/plugins/plugins"
# Snapshotters that a node in a container cannot use; kind's own image leaves the same ones out.
_CONTAINERD_TAGS = ("no_btrfs", "no_devmapper", "no_zfs")

NODE_MODULES = ("kubernetes", "etcd", "coredns", "containerd", "cni")


def modules(versions: Versions) -> dict[str, GoModule]:
    """All of them by the name of their folder in go/."""
    listed = (
        _kubernetes(versions.kubernetes),
        GoModule("etcd", "etcd", versions.etcd, {"etcd": "."}),
        GoModule("coredns", "CoreDNS", versions.coredns, {"coredns": "."}),
        _containerd(versions.containerd),
        _cni(versions.cni_plugins),
        GoModule("kind", "kind", versions.kind, {"kind": "sigs.k8s.io/kind"}),
        _helm(versions.helm),
        _kwok(versions.kwok),
        GoModule("cert-manager", "cert-manager", versions.cert_manager, {"cert-manager": "."}, first_time="4 minutes"),
    )
    return {module.name: module for module in listed}


def _kubernetes(version: str) -> GoModule:
    """`hyperkube`: kubelet, kubeadm, kubectl, the control plane, kube-proxy and podnet in one file."""
    major, minor, _ = version.removeprefix("v").split(".")
    stamps = {
        "k8s.io/component-base/version.gitVersion": version,
        "k8s.io/component-base/version.gitMajor": major,
        "k8s.io/component-base/version.gitMinor": minor,
        "k8s.io/component-base/version.gitTreeState": "clean",
        "k8s.io/client-go/pkg/version.gitVersion": version,
    }
    return GoModule("kubernetes", "Kubernetes", version, {"hyperkube": "."}, stamps, first_time="6 minutes")


def _containerd(version: str) -> GoModule:
    names = ("containerd", "ctr", "containerd-shim-runc-v2")
    packages = {name: f"{_CONTAINERD}/cmd/{name}" for name in names}
    return GoModule(
        "containerd",
        "containerd",
        version,
        packages,
        {f"{_CONTAINERD}/version.Version": version},
        _CONTAINERD_TAGS,
    )


def _cni(version: str) -> GoModule:
    paths = ("main/ptp", "main/loopback", "ipam/host-local", "meta/portmap")
    packages = {path.split("/")[1]: f"{_CNI}/{path}" for path in paths}
    return GoModule("cni", "CNI plugins", version, packages)


def _helm(version: str) -> GoModule:
    package = f"helm.sh/helm/{version.split('.')[0]}"
    stamps = {f"{package}/internal/version.version": version}
    return GoModule("helm", "Helm", version, {"helm": f"{package}/cmd/helm"}, stamps, first_time="3 minutes")


def _kwok(version: str) -> GoModule:
    package = "sigs.k8s.io/kwok"
    stamps = {f"{package}/pkg/consts.Version": version}
    return GoModule("kwok", "kwok", version, {"kwok": f"{package}/cmd/kwok"}, stamps, first_time="3 minutes")
