from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from cluster.build.programs import Programs
from cluster.docker.client import Docker
from cluster.errors import ClusterError
from cluster.host.commands import Result
from cluster.provider import Built, Stock, choose
from cluster.versions import read_versions

if TYPE_CHECKING:
    from cluster.host import Host
    from tests.fakes.programs import FakePrograms

VERSIONS = read_versions()


@dataclass
class Choice:
    """The two providers on a machine that the test describes."""

    host: Host
    programs: FakePrograms

    def __post_init__(self) -> None:
        docker = Docker(self.programs)
        self.stock = Stock(self.host, docker, VERSIONS)
        self.built = Built(self.host, docker, VERSIONS, Programs(self.host, VERSIONS))

    def make(self, **environ: str) -> str:
        return "stock" if choose(self.stock, self.built, environ) is self.stock else "built"

    def archive_in_the_cache(self) -> None:
        self.host.cache.slot(f"node-image-{self.built.reference.partition(':')[2]}").mkdir()


@pytest.fixture
def choice(host: Host, programs: FakePrograms) -> Choice:
    return Choice(host, programs)


def test_where_nothing_can_be_pulled_the_image_is_built(choice: Choice, programs: FakePrograms) -> None:
    assert choice.make() == "built"
    assert programs.ran("docker manifest inspect kindest/node") == 1


def test_where_the_stock_image_is_offered_it_is_pulled(choice: Choice, programs: FakePrograms) -> None:
    programs.answers |= {"docker manifest inspect kindest/node": Result(0), "docker pull": Result(0)}
    assert choice.make() == "stock"
    choice.stock.provide()
    assert programs.ran(f"docker pull --quiet {VERSIONS.stock_image}") == 1


def test_a_stock_image_that_is_there_wins_without_asking_the_network(choice: Choice, programs: FakePrograms) -> None:
    choice.archive_in_the_cache()
    programs.answers["docker image inspect"] = Result(0, "sha256:0\n")
    assert choice.make() == "stock"
    choice.stock.provide()
    assert programs.ran("docker manifest") == programs.ran("docker pull") == 0


def test_an_archive_of_ours_wins_over_a_pull(choice: Choice, programs: FakePrograms) -> None:
    programs.answers["docker manifest inspect kindest/node"] = Result(0)
    choice.archive_in_the_cache()
    assert choice.make() == "built"


def test_a_person_may_decide(choice: Choice) -> None:
    assert choice.make(REAPER_NODE_IMAGE="stock") == "stock"
    choice.archive_in_the_cache()
    assert choice.make(REAPER_NODE_IMAGE="built") == "built"
    with pytest.raises(ClusterError, match="REAPER_NODE_IMAGE=mine: it can be `stock` or `built`"):
        choice.make(REAPER_NODE_IMAGE="mine")


def test_our_archive_is_loaded_only_where_docker_has_not_this_very_image(
    choice: Choice, programs: FakePrograms
) -> None:
    choice.archive_in_the_cache()
    slot = next(choice.host.cache.root.glob("node-image-*"))
    (slot / "id").write_text("sha256:this")
    programs.answers |= {"docker image inspect": Result(0, "sha256:this\n"), "docker load": Result(0)}
    choice.built.provide()
    assert programs.ran("docker load") == 0
    programs.answers |= {"docker image inspect": Result(0, "sha256:that\n"), "docker image ls": Result(0)}
    choice.built.provide()
    assert programs.ran(f"docker load --quiet --input {slot}/image.tar") == 1
