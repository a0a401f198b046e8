"""The files of a node: a Debian base, kind's own files, our programs, and units as kind's Dockerfile leaves them."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cluster.build.layers import Directory, File, Link, tree_of

if TYPE_CHECKING:
    from cluster.build.debian import BaseArchive
    from cluster.build.layers import Tree

MANIFESTS = Path(__file__).with_name("manifests")
_UNITS = "/etc/systemd/system"
# A node runs containerd, kubelet and what systemd cannot do without. The rest of what Debian's packages enable
# would wait for devices, touch the host's kernel, or clean up behind kind's back.
_UNWANTED = (
    r"/etc/systemd/system/[^/]*\.wants/.+",
    r"/usr/lib/systemd/system/(multi-user|local-fs|basic)\.target\.wants/.+",
    r"/usr/lib/systemd/system/sockets\.target\.wants/.*(udev|initctl).*",
    r"/usr/lib/systemd/system/sysinit\.target\.wants/systemd-tmpfiles-setup\.service",
    r"/var/(lib/apt/lists|cache/apt|log)/.+",
    r"/dev/.+",
)
_UNWANTED_PATTERN = re.compile("|".join(f"(?:{pattern})" for pattern in _UNWANTED))
_ENABLED = ("kubelet.service", "containerd.service", "undo-mount-hacks.service")
_MASKED = ("systemd-binfmt.service",)  # would register in the host's kernel


@dataclass(frozen=True)
class NodeParts:
    """The cache folders that a node is put together from."""

    kubernetes: Path
    containerd: Path
    cni: Path
    kind_files: Path


def unwanted(path: str) -> bool:
    """Whether a member of the base archive stays out of the node."""
    return _UNWANTED_PATTERN.fullmatch(path) is not None


def node_tree(parts: NodeParts, base: BaseArchive, kubernetes: str, runtime_spec: str) -> Tree:
    """All that comes on top of the base, replacing what has the same path."""
    return {
        **_kind_files(parts.kind_files),
        **_programs(parts),
        **_units(parts.kind_files),
        **_manifests(kubernetes),
        "/kind/version": File(kubernetes.encode()),
        "/etc/containerd/cri-base.json": File(container_defaults(runtime_spec).encode()),
        "/etc/systemd/journald.conf": File(base.read("/etc/systemd/journald.conf") + b"ReadKMsg=no\n"),
        "/etc/machine-id": File(b""),
        "/etc/cni/net.d": Directory(),
        "/etc/kubernetes/manifests": Directory(),
        "/usr/sbin/init": Link("/usr/lib/systemd/systemd"),
    }


def container_defaults(runtime_spec: str) -> str:
    """containerd's default specification of a container, changed as kind's Dockerfile changes it."""
    spec = json.loads(runtime_spec)
    hooks = spec.setdefault("hooks", {}).setdefault("createContainer", [])
    hooks.append({"path": "/kind/bin/mount-product-files.sh"})
    spec["process"].pop("rlimits", None)
    return json.dumps(spec, indent=2)


def _kind_files(source: Path) -> Tree:
    tree: Tree = {}
    for top in ("etc", "kind"):
        tree |= tree_of(source / top, f"/{top}")
    tree["/usr/local/bin/entrypoint"] = File(source / "usr/local/bin/entrypoint", 0o755)
    scripts = [path for path in tree if path.startswith("/kind/bin/")]
    for path in scripts:
        tree[path] = File(source / path.lstrip("/"), 0o755)
    return tree


def _programs(parts: NodeParts) -> Tree:
    tree: Tree = {"/usr/bin/hyperkube": File(parts.kubernetes / "hyperkube", 0o755)}
    tree |= {f"/usr/bin/{name}": Link("hyperkube") for name in ("kubeadm", "kubectl", "kubelet")}
    for folder, at in ((parts.containerd, "/usr/local/bin"), (parts.cni, "/opt/cni/bin")):
        tree |= {f"{at}/{program.name}": File(program, 0o755) for program in folder.iterdir()}
    return tree


def _units(kind_files: Path) -> Tree:
    tree: Tree = {f"{_UNITS}/{name}": Link("/dev/null") for name in _MASKED}
    for name in _ENABLED:
        unit = (kind_files / f"etc/systemd/system/{name}").read_text()
        for target in wanted_by(unit):
            tree[f"{_UNITS}/{target}.wants/{name}"] = Link(f"{_UNITS}/{name}")
    return tree


def wanted_by(unit: str) -> list[str]:
    """The targets in a unit's [Install] section: what `systemctl enable` would link it into."""
    return [name for line in re.findall(r"^WantedBy=(.*)$", unit, re.MULTILINE) for name in line.split()]


def _manifests(kubernetes: str) -> Tree:
    return {
        f"/kind/manifests/{path.name}": File(path.read_text().replace("@KUBERNETES@", kubernetes).encode())
        for path in sorted(MANIFESTS.glob("*.yaml"))
    }
