"""cancel, suspend, resume, retry, wait."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

import pytest

from reaper_cli.errors import Forbidden
from tests.fakes.kubectl import FakeCluster

RUNNING: dict[str, Any] = {"phase": "Running", "podName": "hello", "podUID": "p"}
FAILED: dict[str, Any] = {**RUNNING, "phase": "Failed", "exitCode": 3, "reason": "Error"}


@pytest.fixture
def cluster() -> FakeCluster:
    return FakeCluster()


def spec_of(cluster: FakeCluster, name: str = "hello") -> dict[str, Any]:
    found: dict[str, Any] = cluster.objects["reapertasks", "default", name]["spec"]
    return found


def test_cancel_gives_the_task_a_deadline_that_has_passed_and_waits(cluster: FakeCluster) -> None:
    task = cluster.add_task(**RUNNING)
    cluster.script = [cluster.becomes(task, **{**FAILED, "reason": "DeadlineExceeded", "exitCode": 143})]
    result = cluster.run("cancel", "hello")
    assert (result.exit_code, result.stdout) == (0, "hello cancelled\n")
    assert result.stderr.splitlines()[-1] == "hello: Failed: DeadlineExceeded"
    assert cluster.patches == [
        (
            "hello",
            {
                "metadata": {"annotations": {"reaper.io/cancelled": "2026-11-25T12:00:00Z"}},
                "spec": {"activeDeadlineSeconds": 1},
            },
        )
    ]


def test_cancel_notes_the_old_deadline_and_retry_restores_it(cluster: FakeCluster) -> None:
    task = cluster.add_task(**RUNNING, spec={"activeDeadlineSeconds": 3600})
    cluster.run("cancel", "hello", "--no-wait")
    cluster.becomes(task, **FAILED)()
    cluster.run("retry", "hello")
    copy = cluster.objects["reapertasks", "default", "hello-r1"]
    assert copy["spec"]["activeDeadlineSeconds"] == 3600
    assert copy["metadata"]["annotations"] == {"reaper.io/retry-of": "hello"}


def test_a_retry_of_a_cancelled_task_without_a_deadline_has_none(cluster: FakeCluster) -> None:
    task = cluster.add_task(**RUNNING)
    cluster.run("cancel", "hello", "--no-wait")
    cluster.becomes(task, **FAILED)()
    cluster.run("retry", "hello")
    assert "activeDeadlineSeconds" not in spec_of(cluster, "hello-r1")


def test_cancel_of_what_is_over_or_suspended_is_said(cluster: FakeCluster) -> None:
    cluster.add_task("over", **FAILED)
    cluster.add_task("held", phase="Suspended", spec={"suspend": True})
    assert cluster.run("cancel", "over").stdout == "over is over already: Failed: Error\n"
    result = cluster.run("cancel", "held")
    assert (result.exit_code, result.stderr) == (
        1,
        "error: task held is suspended: nothing runs\ntry: kubectl delete reapertask held\n",
    )


@pytest.mark.parametrize("verb", ["cancel", "suspend", "resume", "wait"])
@pytest.mark.parametrize("words", [[], ["a", "-l", "x=y"]])
def test_names_or_labels_are_needed(cluster: FakeCluster, verb: str, words: list[str]) -> None:
    result = cluster.run(verb, *words)
    assert result.exit_code == 2
    assert "which tasks? Name them, or select them with -l" in result.stderr


@pytest.mark.parametrize(
    ("verb", "told"),
    [("cancel", "a cancelled\n"), ("suspend", "a suspended\n"), ("resume", "held resumed\n"), ("wait", "")],
)
def test_labels_select_what_a_verb_can_do_something_for(cluster: FakeCluster, verb: str, told: str) -> None:
    labels = {"labels": {"job": "x"}}
    task = cluster.add_task("a", metadata=labels, **RUNNING)
    cluster.add_task("over", metadata=labels, **{**FAILED, "exitCode": 0})
    if verb != "wait":
        cluster.add_task("held", metadata=labels, phase="Suspended", spec={"suspend": True})
    cluster.add_task("other", **RUNNING)
    cluster.script = [cluster.becomes(task, **FAILED)]
    result = cluster.run(verb, "-l", "job=x")
    assert (result.exit_code, result.stdout) == (3 if verb == "wait" else 0, told)


@pytest.mark.parametrize(("verb", "code"), [("cancel", 0), ("suspend", 0), ("resume", 0), ("wait", 1)])
def test_labels_that_select_nothing_are_said(cluster: FakeCluster, verb: str, code: int) -> None:
    cluster.add_task("other", **RUNNING)
    result = cluster.run(verb, "-l", "job=x")
    assert (result.exit_code, result.stdout) == (code, "")
    assert f"there is no task with job=x to {verb}" in result.stderr


def test_suspend_and_resume(cluster: FakeCluster) -> None:
    cluster.add_task(**RUNNING)
    assert cluster.run("suspend", "hello").stdout == "hello suspended\n"
    assert spec_of(cluster)["suspend"] is True
    assert cluster.run("suspend", "hello").stdout == "hello suspended already\n"
    assert cluster.run("resume", "hello").stdout == "hello resumed\n"
    assert spec_of(cluster)["suspend"] is False
    assert cluster.run("resume", "hello").stdout == "hello is not suspended: Running\n"


@pytest.mark.parametrize(("where", "remark"), [("client", "dry run"), ("server", "server dry run")])
@pytest.mark.parametrize(
    ("verb", "done", "held"),
    [("cancel", "cancelled", False), ("suspend", "suspended", False), ("resume", "resumed", True)],
)
def test_a_dry_run_says_what_would_be_done_and_changes_nothing(
    cluster: FakeCluster, verb: str, done: str, where: str, remark: str, *, held: bool
) -> None:
    cluster.add_task(phase="Suspended" if held else "Running", spec={"suspend": held})
    before = deepcopy(cluster.objects)
    result = cluster.run(verb, "hello", f"--dry-run={where}")
    assert (result.exit_code, result.stdout, result.stderr) == (0, f"hello {done} ({remark})\n", "")
    assert cluster.objects == before


def test_a_server_dry_run_tells_what_the_cluster_would_drop(cluster: FakeCluster) -> None:
    cluster.add_task(**RUNNING)
    cluster.pruned = {"suspend"}
    assert cluster.run("suspend", "hello", "--dry-run=client").exit_code == 0
    assert "the cluster did not take spec.suspend" in cluster.run("suspend", "hello", "--dry-run=server").stderr


@pytest.mark.parametrize("verb", ["suspend", "resume"])
def test_what_is_over_is_neither_suspended_nor_resumed(cluster: FakeCluster, verb: str) -> None:
    cluster.add_task(**FAILED)
    result = cluster.run(verb, "hello")
    assert result.exit_code == 1
    assert "try: kubectl reaper retry hello\n" in result.stderr


@pytest.mark.parametrize("verb", ["suspend", "cancel"])
def test_a_cluster_whose_crd_lacks_the_field_is_no_success(cluster: FakeCluster, verb: str) -> None:
    cluster.add_task(**RUNNING)
    cluster.pruned = {"suspend", "activeDeadlineSeconds"}
    result = cluster.run(verb, "hello")
    assert result.exit_code == 1
    assert "the cluster did not take" in result.stderr
    assert "try: kubectl reaper doctor\n" in result.stderr


def test_retry_makes_the_next_numbered_task(cluster: FakeCluster) -> None:
    old = {"labels": {"a": "b"}, "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}", "x": "y"}}
    cluster.add_task(metadata=old, **FAILED, spec={"nodeName": "n1"})
    assert cluster.run("retry", "hello", "--node", "n2").stdout == "hello-r1 created\n"
    new = cluster.objects["reapertasks", "default", "hello-r1"]
    assert new["spec"] == {"command": ["/bin/true"], "nodeName": "n2"}
    assert new["metadata"]["labels"] == {"a": "b"}
    assert new["metadata"]["annotations"] == {"x": "y", "reaper.io/retry-of": "hello"}
    assert "status" not in new
    assert cluster.run("retry", "hello").stdout == "hello-r2 created\n"


def test_a_retry_of_a_retry_counts_on(cluster: FakeCluster) -> None:
    cluster.add_task("hello-r4", **FAILED)
    assert cluster.run("retry", "hello-r4").stdout == "hello-r5 created\n"


def test_retry_in_place_waits_until_the_old_one_is_gone(cluster: FakeCluster) -> None:
    old = cluster.add_task(**FAILED)
    assert cluster.run("retry", "hello", "--replace").stdout == "hello created\n"
    assert cluster.objects["reapertasks", "default", "hello"]["metadata"]["uid"] != old["metadata"]["uid"]


def test_retry_can_wait(cluster: FakeCluster) -> None:
    cluster.add_task(**FAILED)
    new = {"metadata": {"name": "hello-r1", "namespace": "default"}}
    cluster.script = [
        cluster.becomes(new, **{**FAILED, "podName": "hello-r1", "exitCode": 9, "startTime": "2026-11-25T12:00:00Z"})
    ]
    result = cluster.run("retry", "hello", "--wait")
    assert result.exit_code == 9
    assert cluster.called[0][1] == "hello-r1"


@pytest.mark.parametrize(("where", "remark"), [("client", "dry run"), ("server", "server dry run")])
@pytest.mark.parametrize(("more", "name"), [([], "hello-r2"), (["--replace"], "hello")])
def test_a_dry_run_of_retry_shows_the_new_task_and_leaves_the_old(
    cluster: FakeCluster, where: str, remark: str, more: list[str], name: str
) -> None:
    old = cluster.add_task(**FAILED, spec={"nodeName": "n1"})
    cluster.add_task("hello-r1", **RUNNING)
    before = deepcopy(cluster.objects)
    words = ["retry", "hello", f"--dry-run={where}", "--node", "n2", *more]
    assert cluster.run(*words).stdout == f"{name} created ({remark})\n"
    new = json.loads(cluster.run(*words, "-o", "json").stdout)
    assert (new["metadata"]["name"], new["spec"]) == (name, {**old["spec"], "nodeName": "n2"})
    assert "status" not in new
    assert cluster.objects == before


def test_a_server_dry_run_of_retry_asks_whether_the_old_task_may_be_deleted(cluster: FakeCluster) -> None:
    cluster.add_task(**FAILED)
    cluster.faults["delete reapertasks"] = Forbidden("you may not delete")
    result = cluster.run("retry", "hello", "--replace", "--dry-run=server")
    assert (result.exit_code, result.stderr) == (1, "error: you may not delete\n")


def test_a_client_dry_run_of_retry_says_what_is_wrong_with_an_old_spec(cluster: FakeCluster) -> None:
    cluster.add_task(**FAILED, spec={"command": ["bin/tool"]})
    result = cluster.run("retry", "hello", "--dry-run=client")
    assert result.exit_code == 1
    assert "command" in result.stderr


def test_a_dry_run_of_retry_has_no_end_to_wait_for(cluster: FakeCluster) -> None:
    cluster.add_task(**FAILED)
    result = cluster.run("retry", "hello", "--wait", "--dry-run=client")
    assert result.exit_code == 2
    assert "there is nothing to wait for" in result.stderr


def test_a_retry_is_shown_as_data(cluster: FakeCluster) -> None:
    cluster.add_task(**FAILED)
    assert cluster.run("retry", "hello", "-o", "name").stdout == "reapertask.reaper.io/hello-r1\n"


def test_a_retry_whose_names_are_all_taken(cluster: FakeCluster) -> None:
    cluster.add_task("hello-r998", **FAILED)
    cluster.add_task("hello-r999", **FAILED)
    for more in ([], ["--dry-run=client"]):
        result = cluster.run("retry", "hello-r998", *more)
        assert result.stderr == (
            "error: there is no free name for hello-r998, up to -r999\ntry: kubectl reaper retry --replace hello-r998\n"
        )


def test_what_runs_is_not_retried(cluster: FakeCluster) -> None:
    cluster.add_task(**RUNNING)
    result = cluster.run("retry", "hello")
    assert (result.exit_code, result.stderr) == (
        1,
        "error: task hello is not over: Running\ntry: kubectl reaper cancel hello\n",
    )


def test_wait_passes_the_first_bad_exit_code_on(cluster: FakeCluster) -> None:
    cluster.add_task("a", **{**FAILED, "phase": "Succeeded", "exitCode": 0})
    task = cluster.add_task("b", **RUNNING)
    cluster.script = [cluster.becomes(task, **FAILED)]
    result = cluster.run("wait", "a", "b")
    assert result.exit_code == 3
    assert result.stderr.splitlines()[-2:] == ["a: Succeeded: Error", "b: Failed: Error"]


def test_wait_quietly_for_what_never_ends_is_124(cluster: FakeCluster) -> None:
    cluster.add_task(**RUNNING)
    result = cluster.run("wait", "hello", "-q", "--timeout", "5s")
    assert result.exit_code == 124
    assert result.stderr.startswith("error: task hello is not over after 5 s: Running. It goes on\n")


def test_a_right_that_is_missing_points_at_the_doctor(cluster: FakeCluster) -> None:
    cluster.faults["reapertasks"] = Forbidden("you may not", "kubectl reaper doctor")
    result = cluster.run("suspend", "hello")
    assert (result.exit_code, result.stderr) == (1, "error: you may not\ntry: kubectl reaper doctor\n")
