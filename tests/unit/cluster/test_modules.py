from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest

from cluster.build import modules as building
from cluster.build.catalogue import NODE_MODULES, modules
from cluster.build.modules import GoModule, build_module
from cluster.build.programs import Programs
from cluster.errors import ClusterError
from cluster.host.commands import Result
from cluster.versions import read_versions

if TYPE_CHECKING:
    import io

    from cluster.host import Host
    from tests.fakes.programs import FakePrograms

VERSIONS = read_versions()
ETCD = GoModule("etcd", "etcd", "v1", {"etcd": "."})


def test_every_module_of_the_catalogue_has_its_folder() -> None:
    catalogue = modules(VERSIONS)
    assert {path.name for path in building._FOLDERS.iterdir()} == set(catalogue)
    assert set(NODE_MODULES) <= set(catalogue)


def test_versions_are_stamped_where_programs_tell_them() -> None:
    flags = " ".join(modules(VERSIONS)["kubernetes"].flags())
    assert f"-X k8s.io/component-base/version.gitVersion={VERSIONS.kubernetes}" in flags
    assert "-X k8s.io/component-base/version.gitMajor=1" in flags
    assert f"internal/version.version={VERSIONS.helm}" in " ".join(modules(VERSIONS)["helm"].flags())


def test_a_slot_is_named_after_all_that_goes_in() -> None:
    others = (
        dataclasses.replace(ETCD, packages={"etcd": "./other"}),
        dataclasses.replace(ETCD, stamps={"a": "b"}),
        dataclasses.replace(ETCD, tags=("x",)),
        dataclasses.replace(ETCD, version="v2"),
    )
    names = {ETCD.slot_name("amd64"), ETCD.slot_name("arm64"), *(module.slot_name("amd64") for module in others)}
    assert len(names) == 6
    assert all(name.startswith("etcd-v") for name in names)


def test_what_is_cached_is_not_built(host: Host, programs: FakePrograms) -> None:
    programs.answers["go build"] = Result(0)
    slot = build_module(host, ETCD)
    assert slot.is_dir()
    assert build_module(host, ETCD) == slot
    assert programs.ran("go build") == 1


def test_the_build_is_static_and_ignores_workspaces(host: Host, programs: FakePrograms, said: io.StringIO) -> None:
    programs.answers["go build"] = Result(0)
    build_module(host, ETCD)
    assert programs.environments[-1] == {"CGO_ENABLED": "0", "GOWORK": "off"}
    assert "-mod=readonly" in programs.asked[-1]
    assert said.getvalue().startswith("==> building etcd v1 from its Go module (first time: about a minute)")


def test_a_failed_build_leaves_no_slot_and_says_what_to_do(host: Host, programs: FakePrograms) -> None:
    programs.answers["go build"] = Result(1, err="dial tcp: no route to host")
    with pytest.raises(ClusterError, match="check `go env GOPROXY`, and try again") as caught:
        build_module(host, ETCD)
    assert "no route" in caught.value.detail
    assert list(host.cache.root.iterdir()) == []


def test_the_names_of_a_nodes_parts_are_known_before_they_are_built(host: Host, programs: FakePrograms) -> None:
    slots = Programs(host, VERSIONS).node_slots()
    assert len({slot.name for slot in slots}) == len(NODE_MODULES) + 2
    assert programs.asked == []
