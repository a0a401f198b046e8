"""kind: the cluster's configuration, and making and removing it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cluster.docker.containers import remove

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from cluster.docker.client import Info
    from cluster.host import Host
    from cluster.host.machine import Machine

LABEL = "io.x-k8s.kind.cluster"
_ROLE = "io.x-k8s.kind.role"
# kind finds nodes by asking Docker, and would ask Podman first where both are installed.
_ENVIRONMENT = {"KIND_EXPERIMENTAL_PROVIDER": "docker"}
_MARK = "/kind/finished-by-reaper"
_CRI_PLUGIN = {2: "io.containerd.grpc.v1.cri", 3: "io.containerd.cri.v1.runtime"}


@dataclass(frozen=True)
class Node:
    """A node's container."""

    name: str
    role: str
    running: bool
    image: str


@dataclass(frozen=True)
class Kind:
    """The cluster of one name."""

    host: Host
    program: Path
    name: str

    def nodes(self) -> list[Node]:
        """What there is of the cluster, running or not."""
        containers = self._containers()
        if not containers:
            return []
        described = self.host.runner.run(["docker", "inspect", *containers]).out
        return sorted((_node(facts) for facts in json.loads(described)), key=lambda node: node.name)

    def create(self, image: str, config: str, driver: str, kubeconfig: Path, on_line: Callable[[str], None]) -> None:
        command = [str(self.program), "create", "cluster", "--name", self.name, "--image", image]
        # overlayfs cannot be stacked on what Docker uses vfs for.
        snapshotter = {"KIND_EXPERIMENTAL_CONTAINERD_SNAPSHOTTER": "native"} if driver == "vfs" else {}
        self.host.runner.run(
            [*command, "--config", "-", "--kubeconfig", str(kubeconfig)],
            stdin=config,
            env={**_ENVIRONMENT, **snapshotter},
            on_line=on_line,
        )

    def delete(self) -> None:
        """Without kind, which does the same and would have to be built first in a checkout that has no tools."""
        containers = self._containers()
        if containers:
            remove(self.host, containers)

    def finished(self, nodes: list[Node]) -> bool:
        """Whether the cluster was whole once. The mark lies in a node, so it dies with the cluster."""
        mark = ["docker", "exec", _control_plane(nodes), "test", "-e", _MARK]
        return self.host.runner.run(mark, check=False).ok

    def mark_finished(self, nodes: list[Node]) -> None:
        self.host.runner.run(["docker", "exec", _control_plane(nodes), "touch", _MARK])

    def kubeconfig(self) -> str:
        return self.host.runner.run([str(self.program), "get", "kubeconfig", "--name", self.name], env=_ENVIRONMENT).out

    def load_archive(self, archive: Path) -> None:
        self.host.runner.run(
            [str(self.program), "load", "image-archive", str(archive), "--name", self.name], env=_ENVIRONMENT
        )

    def _containers(self) -> list[str]:
        return self.host.runner.run(
            ["docker", "ps", "--all", "--quiet", "--no-trunc", "--filter", f"label={LABEL}={self.name}"]
        ).out.split()


def _control_plane(nodes: list[Node]) -> str:
    return next(node.name for node in nodes if node.role == "control-plane")


def _node(facts: dict[str, object]) -> Node:
    config, state = facts["Config"], facts["State"]
    assert isinstance(config, dict)
    assert isinstance(state, dict)
    return Node(
        name=str(facts["Name"]).lstrip("/"),
        role=str(config["Labels"].get(_ROLE, "")),
        running=bool(state["Running"]),
        image=str(config["Image"]),
    )


def render(workers: int, machine: Machine, info: Info) -> str:
    """kind's configuration for this machine.

    containerd reads drop-ins from the start, so that the node installer never edits its configuration. Two more
    settings only where the machine asks for them: without CAP_SYS_RESOURCE nothing may lower an oom_score_adj, and
    kubelet from 1.35 on leaves a host with cgroup v1 unless it is told to stay.
    """
    lines = ["kind: Cluster", "apiVersion: kind.x-k8s.io/v1alpha4", "nodes:", "- role: control-plane"]
    lines += ["- role: worker"] * workers
    lines += ["containerdConfigPatches:", "- |-", '  imports = ["/etc/containerd/conf.d/*.toml"]']
    if not machine.may_lower_oom_scores:
        # kind applies a patch that names a version only to a configuration of that version.
        for version, plugin in _CRI_PLUGIN.items():
            lines += [
                "- |-",
                f"  version = {version}",
                f'  [plugins."{plugin}"]',
                "    restrict_oom_score_adj = true",
            ]
    if info.cgroup == 1:
        lines += ["kubeadmConfigPatches:", "- |-", "  kind: KubeletConfiguration", "  failCgroupV1: false"]
    return "\n".join(lines) + "\n"
