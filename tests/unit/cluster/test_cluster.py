"""What `up` and `down` decide, on a machine that is a script."""

from __future__ import annotations

import base64
import json
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cluster.build.programs import Programs
from cluster.cluster import Cluster, same_image, unfit
from cluster.docker.client import Docker
from cluster.docker.daemon import Daemon
from cluster.errors import ClusterError
from cluster.host.commands import Result
from cluster.kube import dns
from cluster.kube.kind import Kind, Node
from cluster.provider import Built, Stock
from cluster.tools import Tools
from cluster.versions import read_versions

if TYPE_CHECKING:
    import io

    from cluster.host import Host
    from tests.fakes.programs import FakePrograms

VERSIONS = read_versions()
API = "10.96.0.1"
OK = Result(0)
CONTROL, WORKER = "reaper-control-plane", "reaper-worker"


def test_nodes_that_speak_against_themselves() -> None:
    control = Node(CONTROL, "control-plane", running=True, image="image:1")
    worker = Node(WORKER, "worker", running=True, image="image:1")
    stopped = Node("reaper-worker2", "worker", running=False, image="image:1")
    assert unfit([control, worker], None, {"image:1"}) is None
    assert unfit([control, worker], 1, {"image:1"}) is None
    assert unfit([control, stopped], None, {"image:1"}) == "reaper-worker2 is not running"
    assert unfit([control, worker], 2, {"image:1"}) == "it has 1 workers and 2 are asked for"
    assert unfit([worker], None, {"image:1"}) == "it was never finished"
    assert unfit([control], None, {"image:2"}) == "its node image is another one, image:1"


def test_an_image_with_a_digest_is_known_by_it() -> None:
    assert same_image("kindest/node@sha256:1", {"kindest/node:v1@sha256:1", "ours:1"})
    assert not same_image("kindest/node@sha256:2", {"kindest/node:v1@sha256:1", "ours:1"})
    assert not same_image("other:1", {"ours:1"})


@dataclass
class FakeProvider:
    reference: str = "image:1"
    provided: int = 0

    def at_hand(self) -> bool:
        return True

    def provide(self) -> None:
        self.provided += 1


@dataclass
class Lab:
    """A cluster and the programs that it asks."""

    host: Host
    programs: FakePrograms
    provider: FakeProvider = field(default_factory=FakeProvider)

    def __post_init__(self) -> None:
        folder = self.host.cache.root.parent / ".tools"
        tools = Tools(self.host, VERSIONS, Programs(self.host, VERSIONS), folder, which=lambda name: f"/bin/{name}")
        docker = Docker(self.programs, which=lambda name: name)
        built = Built(self.host, docker, VERSIONS, Programs(self.host, VERSIONS))
        self.provider.reference = built.reference
        self.kubeconfig = folder / "kubeconfig"
        self.cluster = Cluster(
            self.host,
            docker,
            Daemon(self.host, docker),
            Kind(self.host, Path("kind"), "reaper"),
            tools,
            Stock(self.host, docker, VERSIONS),
            built,
            self.kubeconfig,
        )
        self.programs.answers |= {
            "/bin/kubectl version": Result(0, VERSIONS.kubernetes),
            "/bin/kind version": Result(0, VERSIONS.kind),
            "/bin/helm version": Result(0, VERSIONS.helm),
            "docker info": Result(0, json.dumps({"Driver": "overlay2", "CgroupVersion": "2"})),
            "docker ps": OK,
            "docker image ls": OK,
            "docker rm": OK,
            "docker network": OK,
        }

    def has_nodes(self, *names: str, running: bool = True) -> None:
        self.programs.answers |= {
            "docker ps": Result(0, "\n".join(names)),
            "docker inspect": Result(0, json.dumps([self.container(name, running) for name in names])),
        }

    def container(self, name: str, running: bool) -> dict[str, object]:  # noqa: FBT001
        role = "control-plane" if name == CONTROL else "worker"
        config = {"Labels": {"io.x-k8s.kind.role": role}, "Image": self.provider.reference}
        return {"Name": f"/{name}", "Config": config, "State": {"Running": running}}

    def works(self, *names: str) -> None:
        kubectl = f"{self.cluster.tools.path('kubectl')} --kubeconfig {self.kubeconfig} --request-timeout=8s get"
        ready = {"conditions": [{"type": "Ready", "status": "True"}]}
        services = {("default", "kubernetes"): API, ("kube-system", "kube-dns"): "10.96.0.10"}
        question = dns.query("x", 0x5EA9)
        record = b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 5, 4) + bytes(int(part) for part in API.split("."))
        reply = base64.b64encode(struct.pack(">6H", 0x5EA9, 0x8180, 1, 1, 0, 0) + question[12:] + record).decode()
        self.programs.answers |= {
            "kind get kubeconfig": Result(0, "kubeconfig\n"),
            f"{kubectl} nodes": items([{"metadata": {"name": name}, "status": ready} for name in names]),
            f"{kubectl} services": items(
                [
                    {"metadata": {"namespace": namespace, "name": name}, "spec": {"clusterIP": ip}}
                    for (namespace, name), ip in services.items()
                ]
            ),
            **{f"docker exec {name} bash": Result(0, "\n".join(["ok", *[reply] * 4])) for name in names},
            f"docker exec {CONTROL} test -e": OK,
            f"docker exec {CONTROL} touch": OK,
        }

    def up(self, workers: int | None = None) -> None:
        self.cluster.up(workers, lambda: self.provider)

    def becomes(self, *names: str) -> None:
        """`kind create` succeeds, and from then on these nodes are there and work."""
        self.programs.answers["docker ps"] = [OK, Result(0, "\n".join(names))]
        described = [self.container(name, running=True) for name in names]
        self.programs.answers |= {"docker inspect": Result(0, json.dumps(described)), "kind create": OK}
        self.works(*names)


def items(content: list[dict[str, object]]) -> Result:
    return Result(0, json.dumps({"items": content}))


@pytest.fixture
def lab(host: Host, programs: FakePrograms) -> Lab:
    return Lab(host, programs)


def test_a_cluster_that_works_is_left_alone(lab: Lab, programs: FakePrograms) -> None:
    lab.has_nodes(CONTROL, WORKER)
    lab.works(CONTROL, WORKER)
    lab.up()
    first = lab.kubeconfig.stat()
    lab.up(workers=1)
    assert lab.provider.provided == programs.ran("kind create") == programs.ran("docker rm") == 0
    now = lab.kubeconfig.stat()  # not its access time: it is read
    assert (now.st_ino, now.st_mtime_ns, now.st_ctime_ns) == (first.st_ino, first.st_mtime_ns, first.st_ctime_ns)
    assert first.st_mode & 0o777 == 0o600


def test_from_nothing(lab: Lab, programs: FakePrograms) -> None:
    lab.becomes(CONTROL, WORKER)
    lab.up()
    assert lab.provider.provided == 1
    assert f"--image {lab.provider.reference}" in next(line for line in programs.asked if "kind create" in line)
    assert programs.inputs[0].count("role: worker") == 1
    assert programs.asked[-1].startswith(f"docker exec {CONTROL} touch")


@pytest.mark.parametrize(("workers", "reason"), [(None, "it was never finished"), (2, "it has 1 workers and 2")])
def test_a_cluster_that_will_not_do_is_made_anew(
    lab: Lab, programs: FakePrograms, workers: int | None, reason: str, said: io.StringIO
) -> None:
    lab.becomes(CONTROL, WORKER)
    programs.answers["docker ps"] = Result(0, f"{CONTROL}\n{WORKER}")
    programs.answers[f"docker exec {CONTROL} test -e"] = Result(1)
    lab.up(workers)
    assert [programs.ran(line) for line in ("docker rm --force", "kind create")] == [1, 1]
    assert f"removing cluster `reaper`: {reason}" in said.getvalue()


def test_an_interrupt_removes_what_is_half_made(lab: Lab, programs: FakePrograms) -> None:
    programs.answers["docker ps"] = [OK, Result(0, "half")]
    programs.answers["kind create"] = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        lab.up()
    assert programs.asked[-1] == "docker rm --force --volumes half"


def test_a_failure_of_kind_says_how_to_go_on(lab: Lab, programs: FakePrograms) -> None:
    programs.answers["kind create"] = Result(1, err="ERROR: failed to join node")
    with pytest.raises(ClusterError, match="run `up` again to start anew") as caught:
        lab.up()
    assert "failed to join node" in caught.value.detail


def test_down_removes_the_cluster_and_leaves_anothers_daemon(lab: Lab, programs: FakePrograms) -> None:
    lab.has_nodes(CONTROL, WORKER)
    lab.works(CONTROL, WORKER)
    lab.up()
    lab.cluster.down()
    assert programs.ran(f"docker rm --force --volumes {CONTROL} {WORKER}") == 1
    assert programs.ran("kill") == 0
    assert not lab.kubeconfig.exists()
    assert not lab.cluster.tools.path("kind").is_symlink()


def test_down_is_content_with_nothing(lab: Lab, programs: FakePrograms) -> None:
    programs.answers["docker info"] = Result(1)
    lab.cluster.down()
    lab.cluster.down()
    assert programs.ran("docker rm") == 0


def test_status_tells_whether_it_works(lab: Lab) -> None:
    assert not lab.cluster.status()
    lab.has_nodes(CONTROL, WORKER)
    lab.works(CONTROL, WORKER)
    assert lab.cluster.status()
    lab.has_nodes(CONTROL, WORKER, running=False)
    assert not lab.cluster.status()
