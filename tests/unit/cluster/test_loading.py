from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cluster.docker.client import Docker
from cluster.errors import ClusterError
from cluster.host.commands import Result
from cluster.kube.kind import Kind
from cluster.kube.loading import Loader, full_name, same_image

if TYPE_CHECKING:
    from cluster.host import Host
    from tests.fakes.programs import FakePrograms

MANIFEST = json.dumps({"config": {"digest": "sha256:config"}})
WORKER = {
    "Name": "/reaper-worker",
    "Config": {"Labels": {"io.x-k8s.kind.role": "worker"}, "Image": "x"},
    "State": {"Running": True},
}


@pytest.mark.parametrize(
    ("reference", "name"),
    [
        ("busybox", "docker.io/library/busybox:latest"),
        ("reaper-operator:dev", "docker.io/library/reaper-operator:dev"),
        ("team/app", "docker.io/team/app:latest"),
        ("registry.k8s.io/pause:3.10", "registry.k8s.io/pause:3.10"),
        ("localhost/app", "localhost/app:latest"),
        ("host:5000/app", "host:5000/app:latest"),
        ("host:5000/app@sha256:0", "host:5000/app@sha256:0"),
    ],
)
def test_names_as_containerd_files_them(reference: str, name: str) -> None:
    assert full_name(reference) == name


def test_an_image_is_known_by_its_configuration_or_its_manifest() -> None:
    assert same_image("sha256:config", f"sha256:manifest\n{MANIFEST}")
    assert same_image("sha256:manifest", f"sha256:manifest\n{MANIFEST}")
    assert not same_image("sha256:other", f"sha256:manifest\n{MANIFEST}")
    assert not same_image("sha256:config", "sha256:manifest\nnot json")


@pytest.fixture
def loader(host: Host, programs: FakePrograms) -> Loader:
    programs.answers |= {
        "docker info": Result(0, "{}"),
        "docker ps": Result(0, "a\n"),
        "docker inspect": Result(0, json.dumps([WORKER])),
        "docker image inspect": Result(0, "sha256:config\n"),
        "docker save": Result(0),
        "kind load": Result(0),
    }
    return Loader(host, Docker(programs, which=lambda name: name), Kind(host, Path("kind"), "reaper"))


def test_images_that_are_there_are_not_loaded_again(loader: Loader, programs: FakePrograms) -> None:
    programs.answers["docker exec reaper-worker sh"] = Result(0, f"sha256:manifest\n{MANIFEST}")
    loader.load(["app:1"])
    assert programs.ran("docker save") == programs.ran("kind load") == 0


def test_what_is_missing_is_loaded_in_one_go(loader: Loader, host: Host, programs: FakePrograms) -> None:
    programs.answers["docker exec reaper-worker sh"] = Result(1)
    loader.load(["app:1", "app:2"])
    (saved,) = (line for line in programs.asked if line.startswith("docker save"))
    assert saved.endswith("app:1 app:2")
    assert programs.ran("kind load image-archive") == 1
    assert list(host.cache.root.iterdir()) == []


def test_errors_say_what_to_do(loader: Loader, programs: FakePrograms, tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match="there is no file"):
        loader.load_archive(tmp_path / "none.tar")
    programs.answers["docker image inspect"] = Result(1)
    with pytest.raises(ClusterError, match="Docker has no image app:1; build it first"):
        loader.load(["app:1"])
    programs.answers["docker ps"] = Result(0)
    with pytest.raises(ClusterError, match="no cluster `reaper` to load into; make one with `up`"):
        loader.load(["app:1"])
    programs.answers["docker info"] = Result(1)
    with pytest.raises(ClusterError, match="no Docker daemon answers"):
        loader.load(["app:1"])
