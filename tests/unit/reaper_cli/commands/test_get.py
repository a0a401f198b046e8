"""get: kubectl's list, and a live table on a terminal."""

from __future__ import annotations

import click
import pytest

from tests.fakes.kubectl import FakeCluster


@pytest.fixture
def cluster() -> FakeCluster:
    return FakeCluster()


def test_a_list_is_kubectls(cluster: FakeCluster) -> None:
    cluster.run("get", "-l", "a=b", "-A", "--field-selector", "status.phase=Failed", "-o", "wide", "--show-labels")
    assert cluster.handed_over == [
        "get", "reapertasks.reaper.io", "--selector=a=b", "--field-selector=status.phase=Failed", "--output=wide",
        "--all-namespaces", "--show-labels",
    ]  # fmt: skip


def test_names_are_passed_on_without_their_kind(cluster: FakeCluster) -> None:
    cluster.run("get", "rt/a", "b", "-o", "jsonpath={.items}")
    assert cluster.handed_over == ["get", "reapertasks.reaper.io", "a", "b", "--output=jsonpath={.items}"]


def test_watching_without_a_terminal_is_kubectls_too(cluster: FakeCluster) -> None:
    cluster.run("get", "-w", "--timeout", "90s")
    assert cluster.handed_over == ["get", "reapertasks.reaper.io", "--watch", "--request-timeout=90s"]


@pytest.mark.parametrize("words", [["a", "-l", "x=y"], ["--timeout", "5s"], ["-o", "table"]])
def test_flags_that_make_no_sense_are_usage_errors(cluster: FakeCluster, words: list[str]) -> None:
    assert cluster.run("get", *words).exit_code == 2


def screens(text: str) -> list[list[str]]:
    """What was drawn, one screen after the other."""
    frames = click.unstyle(text.replace("\x1b[?25l", "").replace("\x1b[?25h", "")).split("\r")[1:]
    return [[line.rstrip() for line in frame.splitlines() if line.strip()] for frame in frames]


def test_a_live_table_moves_with_the_tasks_and_with_time(cluster: FakeCluster) -> None:
    task = cluster.add_task("a", phase="Pending", reason="Unschedulable", message="no node")
    cluster.add_task("b", phase="Succeeded", exitCode=0, nodeName="n1", startTime="2026-11-25T12:00:00Z",
                     completionTime="2026-11-25T12:00:05Z", attempts=2, reason="Completed")  # fmt: skip
    cluster.script = [
        cluster.becomes(task, phase="Running", nodeName="n2", startTime="2026-11-25T12:00:01Z"),
        lambda: None,
        cluster.objects.clear,
    ]
    result = cluster.run("get", "-w", "--timeout", "6s", live=True, colour=True)
    shown = screens(result.stdout)
    assert result.exit_code == 0
    assert shown[1][0] == "1 Pending, 1 Succeeded"
    assert shown[1][1].split() == ["NAME", "PHASE", "EXIT", "NODE", "TIME", "WHY"]
    assert shown[1][2].split() == ["a", "Pending", "0s", "Unschedulable:", "no", "node"]
    assert shown[1][3].split() == ["b", "#2", "Succeeded", "0", "n1", "5s"]
    running = next(screen for screen in shown if "1 Running" in screen[0])
    assert running[2].split()[2:] == ["Running", "n2", "0s"]
    assert shown[-1] == ["no tasks yet"]


def test_the_table_draws_over_what_it_drew(cluster: FakeCluster) -> None:
    cluster.add_task("a", phase="Pending")
    result = cluster.run("get", "-w", "--timeout", "3s", live=True, colour=True)
    assert "\x1b[3A\r\x1b[J" in result.stdout
    assert result.stdout.startswith("\x1b[?25l")
    assert result.stdout.endswith("\x1b[?25h")


def test_a_long_table_says_what_it_leaves_out(cluster: FakeCluster) -> None:
    for number in range(50):
        cluster.add_task(f"t{number:02}", phase="Running")
    result = cluster.run("get", "-w", "--timeout", "1s", live=True, colour=True)
    last = screens(result.stdout)[-1]
    assert len(last) == 28
    assert last[-1] == "… and 25 more: narrow them with -l or --field-selector"


def test_names_and_namespaces_in_the_table(cluster: FakeCluster) -> None:
    cluster.add_task("a", "ops", phase="Running")
    cluster.add_task("b", phase="Running")
    everywhere = cluster.run("get", "-w", "-A", "--timeout", "1s", live=True, colour=True)
    assert "ops/a" in everywhere.stdout
    named = cluster.run("get", "-w", "b", "--timeout", "1s", live=True, colour=True)
    assert screens(named.stdout)[-1][0] == "1 Running"
