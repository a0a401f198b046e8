"""Which overlays go: those that nobody uses, of a namespace that is gone or was created after them."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from reaper_node import overlays

if TYPE_CHECKING:
    from tests.fakes.node import FakeCluster, FakeNode

NOON = 1_800_000_000.0


@pytest.fixture
def node(node: FakeNode) -> FakeNode:
    node.overlays = {"lab": NOON, "lab@tools": NOON, "@node": NOON, "@containerd.default": NOON}
    return node


def left(node: FakeNode, cluster: FakeCluster) -> list[str]:
    overlays.collect(node, cluster)
    return [name for name in node.overlays if not name.startswith("@")]


def test_those_of_a_namespace_that_is_there_stay(node: FakeNode, cluster: FakeCluster) -> None:
    cluster.namespace_list = {"lab": NOON - 60}
    assert left(node, cluster) == ["lab", "lab@tools"]


def test_those_of_a_namespace_that_is_gone_go(
    node: FakeNode, cluster: FakeCluster, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    assert left(node, cluster) == []
    assert set(node.overlays) == {"@node", "@containerd.default"}
    assert "reset overlay lab@tools: namespace lab is gone" in caplog.messages


def test_those_of_an_earlier_namespace_of_that_name_go(node: FakeNode, cluster: FakeCluster) -> None:
    cluster.namespace_list = {"lab": NOON + 60}
    assert left(node, cluster) == []


def test_times_that_can_be_the_same_are_no_reason(node: FakeNode, cluster: FakeCluster) -> None:
    cluster.namespace_list = {"lab": NOON + 1}
    assert left(node, cluster) == ["lab", "lab@tools"]


def test_one_whose_time_is_not_known_stays_with_its_namespace(node: FakeNode, cluster: FakeCluster) -> None:
    node.overlays = {"lab": None, "gone": None}
    cluster.namespace_list = {"lab": NOON + 60}
    assert left(node, cluster) == ["lab"]


def test_one_in_use_waits_for_its_processes(node: FakeNode, cluster: FakeCluster) -> None:
    node.overlays_in_use = {"lab"}
    assert left(node, cluster) == ["lab"]
    node.overlays_in_use = set()
    assert left(node, cluster) == []


def test_the_api_server_is_asked_only_if_there_is_one_to_decide_on(node: FakeNode, cluster: FakeCluster) -> None:
    node.overlays_in_use = {"lab", "lab@tools"}
    cluster.down = True
    overlays.collect(node, cluster)  # and nothing is said


def test_an_api_server_that_is_away_is_told_to_the_log_and_nothing_goes(
    node: FakeNode, cluster: FakeCluster, caplog: pytest.LogCaptureFixture
) -> None:
    cluster.down = True
    assert left(node, cluster) == ["lab", "lab@tools"]
    assert "overlays whose namespace is gone stay for now: the API server could not be reached" in caplog.text


@pytest.mark.parametrize("answer", ["", "[{}]", '[{"name": "lab", "inUse": false, "made": "noon"}]', "[1]"])
def test_an_answer_of_the_runtime_that_is_none_ends_nothing(
    node: FakeNode, cluster: FakeCluster, caplog: pytest.LogCaptureFixture, answer: str
) -> None:
    node.said_of_overlays = answer
    overlays.collect(node, cluster)
    assert "overlays whose namespace is gone stay for now: " in caplog.text


def test_one_that_cannot_be_reset_holds_up_no_other(
    node: FakeNode, cluster: FakeCluster, caplog: pytest.LogCaptureFixture
) -> None:
    node.broken = {"overlay reset lab@tools": "overlay lab@tools is in use on node worker"}
    assert left(node, cluster) == ["lab@tools"]
    assert "overlay lab@tools stays for now, although namespace lab is gone" in caplog.text
