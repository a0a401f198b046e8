"""logs: the right Pod, from before it is there, and many tasks at once."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fakes.kubectl import FakeCluster

STARTED = "2026-11-25T12:00:00Z"


def running(pod: str = "hello", **more: Any) -> dict[str, Any]:
    return {"phase": "Running", "podName": pod, "podUID": f"uid-of-{pod}", "startTime": STARTED, **more}


def over(pod: str = "hello", code: int = 0, **more: Any) -> dict[str, Any]:
    return running(pod, **{"phase": "Failed" if code else "Succeeded", "exitCode": code, **more})


@pytest.fixture
def cluster() -> FakeCluster:
    return FakeCluster()


def test_kubectl_prints_the_log_of_the_newest_attempt(cluster: FakeCluster) -> None:
    task = cluster.add_task(**over("hello-2"))
    cluster.add_pod(task)
    cluster.add_pod(task, 2)
    cluster.run("logs", "hello", "--tail", "5", "--since", "1m", "--timestamps")
    assert cluster.handed_over == [
        "logs", "hello-2", "--container=task", "--namespace=default", "--tail=5", "--since=1m", "--timestamps",
    ]  # fmt: skip


def test_an_attempt_can_be_named(cluster: FakeCluster) -> None:
    task = cluster.add_task(**over("hello-2"))
    cluster.add_pod(task)
    cluster.add_pod(task, 2)
    cluster.run("logs", "rt/hello", "--attempt", "1")
    assert cluster.handed_over is not None
    assert cluster.handed_over[1] == "hello"


def test_previous_is_the_attempt_before(cluster: FakeCluster) -> None:
    task = cluster.add_task(**over("hello-2"))
    cluster.add_pod(task)
    cluster.add_pod(task, 2)
    cluster.run("logs", "hello", "-p")
    assert cluster.handed_over == ["logs", "hello", "--container=task", "--namespace=default"]


def test_previous_is_the_run_before_in_the_same_pod_where_the_node_restarted_it(cluster: FakeCluster) -> None:
    task = cluster.add_task(**running(restarts=2))
    cluster.add_pod(task, containerStatuses=[{"name": "task", "restartCount": 2}])
    cluster.run("logs", "hello", "-p")
    assert cluster.handed_over is not None
    assert cluster.handed_over[-1] == "--previous"


@pytest.mark.parametrize(
    ("status", "words", "sentence"),
    [
        ({}, [], "task hello has no Pod yet: Pending: the operator has not seen it yet"),
        ({"phase": "Pending", "reason": "Unschedulable", "message": "no node"}, [], "Pending: Unschedulable: no node"),
        (over(), [], "the Pod of task hello is gone, and its output with it"),
    ],
)
def test_what_is_not_there_is_said(
    cluster: FakeCluster, status: dict[str, Any], words: list[str], sentence: str
) -> None:
    cluster.add_task(**status)
    result = cluster.run("logs", "hello", *words)
    assert result.exit_code == 1
    assert sentence in result.stderr
    assert cluster.handed_over is None


def test_a_pod_that_has_written_nothing_yet_is_said(cluster: FakeCluster) -> None:
    task = cluster.add_task(phase="Pending", reason="ContainerCreating", podName="hello")
    cluster.add_pod(task)
    result = cluster.run("logs", "hello")
    assert (
        "error: task hello has written nothing: Pending: ContainerCreating\ntry: kubectl reaper logs -f hello\n"
        in result.stderr
    )


def test_a_task_that_is_not_there_is_said_with_what_to_type(cluster: FakeCluster) -> None:
    result = cluster.run("logs", "nope", "-n", "ops")
    assert result.stderr == "error: there is no ReaperTask nope in namespace ops\ntry: kubectl reaper get -n ops\n"


def test_following_begins_before_the_start_and_goes_through_attempts(cluster: FakeCluster) -> None:
    task = cluster.add_task()
    steps = [{"phase": "Pending", "reason": "Unschedulable"}, running(), {"phase": "Pending", "reason": "BackOff"}]
    steps += [running("hello-2", attempts=2), over("hello-2", attempts=2)]
    cluster.script = [cluster.becomes(task, **status) for status in steps]
    result = cluster.run("logs", "-f", "hello", "--timestamps")
    assert result.exit_code == 0
    assert [words[1] for words in cluster.called] == ["hello", "hello-2"]
    assert all(words[-2:] == ("--follow", "--timestamps") for words in cluster.called)
    assert result.stderr.splitlines() == [
        "hello: Pending: Unschedulable",
        "hello: Running",
        "hello: Pending: BackOff",
        "hello: Running",
    ]


def test_following_a_restart_in_the_same_pod_shows_both_runs(cluster: FakeCluster) -> None:
    task = cluster.add_task(**running())
    cluster.script = [cluster.becomes(task, **running(restarts=1)), cluster.becomes(task, **over(restarts=1))]
    cluster.run("logs", "-f", "hello")
    assert len(cluster.called) == 2


def test_an_attempt_that_was_over_before_it_was_seen_to_run_is_shown_too(cluster: FakeCluster) -> None:
    def failure(pod: str) -> dict[str, Any]:
        return {"lastFailure": {"attempt": 1, "podName": pod, "exitCode": 1}}

    waits = {"phase": "Pending", "reason": "BackOff"}
    task = cluster.add_task(phase="Pending")
    cluster.script = [
        cluster.becomes(task, **waits, **failure("hello")),
        cluster.becomes(task, **running("hello-2"), **failure("hello")),
        cluster.becomes(task, **waits, **failure("hello-2")),
        cluster.becomes(task, **over("hello-3", 1), **failure("hello-3")),
    ]
    assert cluster.run("logs", "-f", "hello").exit_code == 0
    assert [words[1] for words in cluster.called] == ["hello", "hello-2", "hello-3"]


def test_what_had_failed_before_is_not_followed(cluster: FakeCluster) -> None:
    failed: dict[str, Any] = {"lastFailure": {"attempt": 1, "podName": "hello", "exitCode": 1}}
    task = cluster.add_task(phase="Pending", reason="BackOff", **failed)
    cluster.script = [cluster.becomes(task, **over("hello-2"), **failed)]
    cluster.run("logs", "-f", "hello")
    assert [words[1] for words in cluster.called] == ["hello-2"]


def test_following_what_never_starts_ends_with_the_cause(cluster: FakeCluster) -> None:
    task = cluster.add_task()
    cluster.script = [cluster.becomes(task, phase="Failed", reason="StartError", message="no program")]
    result = cluster.run("logs", "-f", "hello")
    assert result.exit_code == 125
    assert "task hello: Failed: StartError: no program" in result.stderr


def test_following_has_a_time_limit(cluster: FakeCluster) -> None:
    cluster.add_task()
    assert cluster.run("logs", "-f", "hello", "--timeout", "10s").exit_code == 124


def test_several_tasks_have_their_names_before_each_line(cluster: FakeCluster) -> None:
    for name in ("a", "b"):
        cluster.add_task(name, metadata={"labels": {"job": "x"}}, **over(name))
    cluster.add_task("other", **over("other"))
    cluster.add_task("later", metadata={"labels": {"job": "x"}}, phase="Pending", reason="Suspended")
    cluster.output = {"a": ["one", "two"], "b": ["three"], "other": ["four"]}
    result = cluster.run("logs", "-l", "job=x")
    assert result.stdout == "[a] one\n[a] two\n[b] three\n"
    assert result.stderr == "later: Pending: Suspended\n"


def test_names_across_namespaces_say_the_namespace_and_the_attempt(cluster: FakeCluster) -> None:
    cluster.add_task("a", "ops", **over("a-2", attempts=2))
    cluster.output = {"a-2": ["one"]}
    assert cluster.run("logs", "-A").stdout == "[ops/a #2] one\n"


def test_several_tasks_are_followed_until_all_are_over(cluster: FakeCluster) -> None:
    first, second = cluster.add_task("a"), cluster.add_task("b", **running("b"))
    cluster.output = {"a": ["one"], "b": ["two"]}
    cluster.script = [cluster.becomes(first, **running("a")), cluster.becomes(second, **over("b"))]
    cluster.script += [cluster.becomes(first, **over("a"))]
    result = cluster.run("logs", "-f", "a", "b")
    assert sorted(result.stdout.splitlines()) == ["[a] one", "[b] two"]
    assert result.exit_code == 0


def test_of_several_tasks_too_an_attempt_is_shown_that_was_over_before_it_was_seen_to_run(cluster: FakeCluster) -> None:
    failed: dict[str, Any] = {"lastFailure": {"attempt": 1, "podName": "a", "exitCode": 1}}
    task = cluster.add_task("a", phase="Pending", podName="a")
    cluster.add_task("b", **over("b"))
    cluster.output = {"a": ["one"], "a-2": ["two"], "b": ["three"]}
    cluster.script = [cluster.becomes(task, phase="Pending", reason="BackOff", attempts=1, **failed)]
    cluster.script += [cluster.becomes(task, **over("a-2", attempts=2), **failed)]
    result = cluster.run("logs", "-f", "a", "b")
    assert sorted(result.stdout.splitlines()) == ["[a #2] two", "[a] one", "[b] three"]


def test_one_task_can_have_its_name_before_each_line(cluster: FakeCluster) -> None:
    cluster.add_task(**over())
    cluster.output = {"hello": ["hi"]}
    assert cluster.run("logs", "hello", "--prefix").stdout == "[hello] hi\n"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([], "whose output? Name a task, or select some with -l or -A"),
        (["a", "-l", "x=y"], "name tasks, or select them with -l or -A; not both"),
        (["-l", "x=y", "-p"], "--previous and --attempt need one task by name"),
        (["pod/a"], "'pod/a' names a pod: write the name of a ReaperTask"),
    ],
)
def test_flags_that_make_no_sense_are_usage_errors(cluster: FakeCluster, words: list[str], sentence: str) -> None:
    result = cluster.run("logs", *words)
    assert result.exit_code == 2
    assert sentence in result.stderr


def test_a_selection_of_nothing_is_said(cluster: FakeCluster) -> None:
    result = cluster.run("logs", "-l", "job=x")
    assert (result.exit_code, result.stderr) == (
        1,
        "error: no task is selected\ntry: kubectl reaper get --show-labels\n",
    )
