from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from cluster.docker.client import Info
from cluster.host.commands import Result
from cluster.host.machine import CAP_SYS_RESOURCE
from cluster.kube.kind import Kind, Node, render

if TYPE_CHECKING:
    from cluster.host import Host
    from cluster.host.machine import Machine
    from tests.fakes.programs import FakePrograms

V2, V1 = Info("overlay2", 2), Info("overlay2", 1)


def test_drop_ins_are_read_on_every_machine(machine: Machine) -> None:
    config = yaml.safe_load(render(2, machine, V2))
    assert [node["role"] for node in config["nodes"]] == ["control-plane", "worker", "worker"]
    assert config["containerdConfigPatches"] == ['imports = ["/etc/containerd/conf.d/*.toml"]']
    assert "kubeadmConfigPatches" not in config


def test_kubelet_stays_on_a_host_with_cgroup_v1(machine: Machine) -> None:
    (patch,) = yaml.safe_load(render(1, machine, V1))["kubeadmConfigPatches"]
    assert yaml.safe_load(patch) == {"kind": "KubeletConfiguration", "failCgroupV1": False}


def test_oom_scores_are_not_lowered_where_that_is_forbidden(machine: Machine) -> None:
    poorer = dataclasses.replace(machine, capabilities=machine.capabilities - {CAP_SYS_RESOURCE})
    _, *patches = yaml.safe_load(render(0, poorer, V2))["containerdConfigPatches"]
    assert patches == [
        'version = 2\n[plugins."io.containerd.grpc.v1.cri"]\n  restrict_oom_score_adj = true',
        'version = 3\n[plugins."io.containerd.cri.v1.runtime"]\n  restrict_oom_score_adj = true',
    ]


def test_nodes_are_read_from_their_containers(host: Host, programs: FakePrograms) -> None:
    facts = [
        {
            "Name": f"/reaper-{role}",
            "Config": {"Labels": {"io.x-k8s.kind.role": role}, "Image": "image:1"},
            "State": {"Running": role == "worker"},
        }
        for role in ("worker", "control-plane")
    ]
    programs.answers |= {"docker ps": Result(0, "a\nb\n"), "docker inspect a b": Result(0, json.dumps(facts))}
    assert Kind(host, Path("kind"), "reaper").nodes() == [
        Node("reaper-control-plane", "control-plane", running=False, image="image:1"),
        Node("reaper-worker", "worker", running=True, image="image:1"),
    ]


def test_no_containers_no_cluster(host: Host, programs: FakePrograms) -> None:
    programs.answers["docker ps"] = Result(0)
    assert Kind(host, Path("kind"), "reaper").nodes() == []
    Kind(host, Path("kind"), "reaper").delete()
    assert programs.ran("docker rm") == 0


def test_vfs_gets_a_snapshotter_that_needs_no_overlay(host: Host, programs: FakePrograms) -> None:
    programs.answers["kind create"] = Result(0)
    for driver in ("overlay2", "vfs"):
        Kind(host, Path("kind"), "reaper").create("image", "config", driver, Path("kubeconfig"), print)
    snapshotters = [env.get("KIND_EXPERIMENTAL_CONTAINERD_SNAPSHOTTER") for env in programs.environments]
    assert snapshotters == [None, "native"]
    assert programs.inputs == ["config", "config"]
