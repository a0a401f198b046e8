"""version: which is where."""

from __future__ import annotations

import json

import pytest

from reaper_cli.errors import Forbidden, NotFound
from tests.fakes.installation import install
from tests.fakes.kubectl import FakeCluster


@pytest.fixture
def cluster() -> FakeCluster:
    return FakeCluster()


def test_versions(cluster: FakeCluster) -> None:
    install(cluster)
    cluster.add_node("n3")
    lines = cluster.run("version").stdout.splitlines()
    assert lines[0].startswith("client:   ")
    assert lines[1:] == [
        "operator: 1.2.3 (reaper-operator:1.2.3, 1 of 1 ready)",
        "crd:      v1alpha1",
        "nodes:    1.2.3 (2), none (1)",
    ]


def test_versions_that_cannot_be_known(cluster: FakeCluster) -> None:
    cluster.faults = {"deployments": Forbidden("you may not"), "customresourcedefinitions": NotFound("x")}
    result = cluster.run("version", "-o", "json")
    found = json.loads(result.stdout)
    assert (found["operator"], found["crd"], found["nodes"]) == ("unknown", "not installed", {})
    assert result.stderr == "you may not\n"
    assert list(json.loads(cluster.run("version", "--client", "-o", "json").stdout)) == ["client"]
