"""describe: one screen, the cause first."""

from __future__ import annotations

from typing import Any

import pytest

from reaper_api.vocabulary import LAST_OUTPUT
from reaper_cli.cluster import DEPLOYMENTS, EVENTS
from reaper_cli.errors import Forbidden
from tests.fakes.kubectl import FakeCluster

READY = {"reaper.io/runtime": "ready"}


@pytest.fixture
def cluster() -> FakeCluster:
    return FakeCluster()


def add_event(cluster: FakeCluster, of: dict[str, Any], reason: str, message: str, **more: Any) -> None:
    metadata = of["metadata"]
    cluster.put(
        EVENTS,
        {
            "metadata": {"name": f"{metadata['name']}.{reason}", "namespace": "default"},
            "involvedObject": {"name": metadata["name"], "uid": metadata["uid"]},
            "reason": reason,
            "message": message,
            "lastTimestamp": "2026-11-25T12:00:00Z",
            **more,
        },
    )


def test_a_failed_task_on_one_screen(cluster: FakeCluster) -> None:
    task = cluster.add_task(
        metadata={"labels": {"job": "x"}},
        spec={
            "command": ["/bin/sh", "-c", "exit 3"],
            "user": {"uid": 1000, "gid": 100, "supplementalGroups": [5]},
            "env": [{"name": "A", "value": "b"}],
            "workingDir": "/tmp",
            "backoffLimit": 2,
            "volumes": [{"name": "v", "mountPath": "/etc/v", "readOnly": True, "secret": {"secretName": "s"}}],
        },
        phase="Failed", reason="Error", message=f"the process ended with exit code 3{LAST_OUTPUT}about to fail",
        exitCode=3, podName="hello-2",
        podUID="p", nodeName="n1", attempts=2, failures=2, startTime="2026-11-25T12:00:02Z",
        completionTime="2026-11-25T12:00:09Z", overlayNamespaceID="default",
        conditions=[
            {"type": "Finished", "status": "True", "reason": "Error", "lastTransitionTime": "2026-11-25T12:00:09Z"}
        ],
    )  # fmt: skip
    first = cluster.add_pod(task, phase="Failed")
    cluster.add_pod(
        task, 2, phase="Failed", containerStatuses=[{"state": {"terminated": {"exitCode": 3, "reason": "Error"}}}]
    )
    cluster.add_node("n1", labels=READY, annotations={"reaper.io/runtime-version": "1.2.3"})
    cluster.output = {"hello-2": ["about to fail"]}
    add_event(cluster, task, "Failed", "it failed\n twice", type="Warning", count=2)
    add_event(cluster, first, "Scheduled", "to n1")
    add_event(cluster, {"metadata": {"name": "hello", "uid": "somebody-else"}}, "Other", "not ours")
    cluster.time.seconds = 60

    result = cluster.run("describe", "hello")

    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "default/hello  Failed, exit code 3",
        "",
        "Cause        the process ended with exit code 3",
        "Try          kubectl reaper logs hello -n default",
        "",
        f"Task         created 60s ago, uid {task['metadata']['uid']}",
        "             attempt 2 of at most 3, 2 failed",
        "             labels job=x",
        "Command      /bin/sh -c 'exit 3'",
        "             in /tmp",
        "             as 1000:100, groups 5",
        "             with the variables A",
        "             /etc/v is secret v, read only",
        "Times        started 2026-11-25 12:00:02Z after 2s",
        "             ended 2026-11-25 12:00:09Z, ran 7s",
        "Conditions   Finished=True (Error) for 51s",
        "Pod          attempt 1: hello, Failed",
        "             attempt 2: hello-2, Failed, exit code 3 (Error)",
        "Node         n1, Ready, runtime ready 1.2.3",
        "Process      over, ended with exit code 3",
        "             sees overlay default",
        "",
        "Output       about to fail",
        "",
        "Events          60s (x2)  Failed: it failed twice",
        "                60s  Scheduled: to n1",
    ]
    assert cluster.called == [("logs", "hello-2", "--container=task", "--namespace=default", "--tail=5")]


def test_a_running_task_has_no_cause(cluster: FakeCluster) -> None:
    task = cluster.add_task(phase="Running", podName="hello", nodeName="n1", startTime="2026-11-25T12:00:00Z",
                            hostProcessPID=4711, spec={"activeDeadlineSeconds": 60})  # fmt: skip
    cluster.add_pod(task)
    result = cluster.run("describe", "hello", "--tail", "0", "--no-events")
    assert "Cause" not in result.stdout
    assert "Process      pid 4711 on the node\n" in result.stdout
    assert "to end within 60 s" in result.stdout
    assert cluster.called == []


def test_a_task_that_no_operator_has_seen(cluster: FakeCluster) -> None:
    cluster.add_task()
    cluster.put(
        DEPLOYMENTS,
        {
            "metadata": {
                "name": "reaper-operator",
                "namespace": "reaper-system",
                "labels": {"app.kubernetes.io/part-of": "reaper", "app.kubernetes.io/component": "operator"},
            },
            "spec": {"replicas": 1, "template": {"spec": {"containers": [{"image": "reaper-operator:1"}]}}},
            "status": {},
        },
    )
    result = cluster.run("describe", "hello")
    assert (
        "the operator is not at work: Deployment reaper-operator in reaper-system has 0 of 1 Pods ready"
        in result.stdout
    )
    assert "Pod          none yet\nNode         none yet\nProcess      none yet\n" in result.stdout


def test_a_task_for_a_node_without_the_runtime(cluster: FakeCluster) -> None:
    cluster.add_node("n1", annotations={"reaper.io/runtime-error": "NoExec: /opt may not execute"})
    cluster.add_task(
        phase="Pending", reason="Unschedulable", message="0/1 nodes are available", spec={"nodeName": "n1"}
    )
    result = cluster.run("describe", "hello")
    assert "Cause        node n1 does not have the runtime: NoExec: /opt may not execute\n" in result.stdout
    assert "Try          kubectl reaper nodes\n" in result.stdout


def test_what_the_caller_may_not_read_is_left_out(cluster: FakeCluster) -> None:
    cluster.add_task(phase="Running", podName="hello", nodeName="n1", startTime="2026-11-25T12:00:00Z")
    cluster.faults = {"pods": Forbidden("no"), "nodes": Forbidden("no"), "events": Forbidden("no")}
    result = cluster.run("describe", "hello")
    assert result.exit_code == 0
    assert "Node         n1\n" in result.stdout
    assert "Pod          hello: you may not list Pods\n" in result.stdout
    assert "Events" not in result.stdout


def test_notes_of_the_plugin_are_told(cluster: FakeCluster) -> None:
    notes = {"reaper.io/cancelled": "2026-11-25T12:00:00Z", "reaper.io/retry-of": "first"}
    cluster.add_task(metadata={"annotations": notes}, phase="Pending", reason="BackOff", message="wait",
                     nextAttemptTime="2026-11-25T12:00:20Z", restarts=3)  # fmt: skip
    lines = cluster.run("describe", "hello").stdout
    for text in ("cancelled at 2026-11-25T12:00:00Z", "repeats first", "next attempt in 20s", "restarted 3 times"):
        assert text in lines


def test_several_tasks_stand_below_each_other(cluster: FakeCluster) -> None:
    cluster.add_task("a")
    cluster.add_task("b")
    result = cluster.run("describe", "a", "b")
    assert "\n\ndefault/b  Pending\n" in result.stdout


def test_the_output_is_part_of_the_cause_where_the_pod_is_gone(cluster: FakeCluster) -> None:
    cluster.add_task(
        "hello", phase="Failed", reason="Error", message=f"the process ended with exit code 3{LAST_OUTPUT}no such\nhost"
    )

    lines = cluster.run("describe", "hello").stdout.splitlines()

    assert lines[2:5] == [
        "Cause        the process ended with exit code 3. The end of its output:",
        "             no such",
        "             host",
    ]


def test_long_lines_are_folded_on_a_terminal_and_whole_elsewhere(cluster: FakeCluster) -> None:
    sentence = "the process was ended because of a very long story " * 4
    cluster.add_task(phase="Failed", reason="Error", message=sentence.strip())
    folded = cluster.run("describe", "hello", live=True).stdout.splitlines()
    whole = cluster.run("describe", "hello").stdout.splitlines()
    assert sentence.strip() in whole[2]
    assert folded[2].startswith("Cause        the process was ended")
    assert folded[3].startswith("             ")
    assert max(map(len, folded)) <= 120
