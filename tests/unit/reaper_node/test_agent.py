"""The resident loop: when it looks again, and what the readiness probe sees."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from reaper_node import agent
from reaper_node.errors import NodeError
from reaper_node.settings import Settings

if TYPE_CHECKING:
    from tests.fakes.node import FakeCluster, FakeNode


class Turns:
    """In place of waiting: lets the loop turn some times, noting delays and whether the node was ready."""

    def __init__(self, count: int, ready_file: str) -> None:
        self.count = count
        self.ready_file = Path(ready_file)
        self.delays: list[float] = []
        self.ready: list[bool] = []

    def __call__(self, seconds: float) -> bool:
        self.delays.append(seconds)
        self.ready.append(self.ready_file.exists())
        return len(self.delays) > self.count


def test_looks_again_after_the_interval(node: FakeNode, cluster: FakeCluster, settings: Settings) -> None:
    turns = Turns(2, settings.ready_file)

    agent.Agent(node, cluster, settings, turns).keep_installed()

    assert turns.delays == [0, 60, 60]
    assert turns.ready == [False, True, True]
    assert sum(" run " in call for call in node.calls) == 1  # the test process, once


def test_overlays_are_collected_every_five_minutes(node: FakeNode, cluster: FakeCluster, settings: Settings) -> None:
    turns = Turns(11, settings.ready_file)

    agent.Agent(node, cluster, settings, turns, lambda: sum(turns.delays)).keep_installed()

    assert sum(turns.delays[:11]) == 600
    assert sum("overlay list" in call for call in node.calls) == 3


def test_failures_are_retried_with_growing_delays(node: FakeNode, cluster: FakeCluster, settings: Settings) -> None:
    node.broken = {"images import": "no space left"}
    turns = Turns(8, settings.ready_file)

    agent.Agent(node, cluster, settings, turns).keep_installed()

    assert turns.delays == [0, 2, 4, 8, 16, 32, 60, 60, 60]
    assert not any(turns.ready)
    assert len(cluster.events) == 1


def test_a_file_where_the_folder_should_be_is_told(node: FakeNode, cluster: FakeCluster, settings: Settings) -> None:
    node.write("/opt/reaper", "a file")
    turns = Turns(1, settings.ready_file)

    agent.Agent(node, cluster, settings, turns).keep_installed()

    assert turns.delays == [0, 2]
    message = "NodeFileError: cannot read or write /opt/reaper on the node: File exists"
    assert cluster.metadata["annotations"] == {"reaper.io/runtime-error": message}
    assert cluster.metadata["labels"] == {"reaper.io/runtime": "failed"}
    assert [event["reason"] for event in cluster.events] == ["NodeFileError"]


def test_a_copy_that_fails_is_told_with_its_first_file(
    node: FakeNode, cluster: FakeCluster, settings: Settings
) -> None:
    for name in ("a", "b"):
        os.mkfifo(Path(settings.bundle, name))  # what a copy refuses

    agent.Agent(node, cluster, settings, Turns(1, settings.ready_file)).keep_installed()

    told = cluster.metadata["annotations"]["reaper.io/runtime-error"]
    assert told.startswith("NodeFileError: ")
    assert told.count("is a named pipe") == 1


def test_removes_once_and_stays_ready(node: FakeNode, cluster: FakeCluster, settings: Settings) -> None:
    turns = Turns(1, settings.ready_file)

    agent.Agent(node, cluster, settings, turns).keep_removed()

    assert turns.delays == [0, float("inf")]
    assert turns.ready == [False, True]


def test_removing_waits_for_pods(node: FakeNode, cluster: FakeCluster, settings: Settings) -> None:
    node.containers, node.tasks = ["abc placeholder io.containerd.reaper.v2"], ["abc"]
    turns = Turns(2, settings.ready_file)

    agent.Agent(node, cluster, settings, turns).keep_removed()

    assert turns.delays == [0, 2, 2]
    assert [event["reason"] for event in cluster.events] == ["PodsStillRunning"]
    assert turns.ready == [False, False, False]


def test_removing_survives_a_file_that_cannot_be_removed(
    node: FakeNode, cluster: FakeCluster, settings: Settings
) -> None:
    node.write("/opt/reaper", "a file")
    turns = Turns(1, settings.ready_file)

    agent.Agent(node, cluster, settings, turns).keep_removed()

    assert turns.delays == [0, 2]
    assert cluster.metadata["annotations"]["reaper.io/runtime-error"].endswith(
        "/opt/reaper on the node: Not a directory"
    )


def test_a_signal_ends_the_wait() -> None:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    try:
        assert agent.wait_for_signal(0) is False
        os.kill(os.getpid(), signal.SIGTERM)
        assert agent.wait_for_signal(30) is True
        os.kill(os.getpid(), signal.SIGINT)
        assert agent.wait_for_signal(float("inf")) is True
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def test_settings_come_from_the_environment() -> None:
    settings = Settings.from_env({"NODE_NAME": "n", "REAPER_CHECK_INTERVAL": "5", "REAPER_CONTAINERD_UNIT": "k3s"})

    assert (settings.node_name, settings.check_interval, settings.containerd_unit) == ("n", 5.0, "k3s")


@pytest.mark.parametrize(
    ("env", "named"),
    [
        ({}, "NODE_NAME"),
        ({"NODE_NAME": "n", "REAPER_CHECK_INTERVAL": "soon"}, "REAPER_CHECK_INTERVAL.*'soon'"),
    ],
)
def test_a_wrong_variable_is_named(env: dict[str, str], named: str) -> None:
    with pytest.raises(NodeError, match=named):
        Settings.from_env(env)
