"""doctor: what is installed, and what is wrong with it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from reaper_cli.cluster import (
    NAMESPACES,
)
from reaper_cli.errors import Forbidden, Unreachable
from tests.fakes.installation import READY, install
from tests.fakes.kubectl import FakeCluster


@pytest.fixture
def cluster() -> FakeCluster:
    return FakeCluster()


def test_the_doctor_finds_all_well(cluster: FakeCluster) -> None:
    install(cluster)
    result = cluster.run("doctor")
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines() == [
        "✓ API server      Kubernetes v1.36.3",
        "✓ CRD             reapertasks.reaper.io v1alpha1 is served",
        "✓ RuntimeClass    reaper-v2, on nodes with reaper.io/runtime=ready",
        "✓ operator        reaper-operator in reaper-system, version 1.2.3, 1 of 1 ready",
        "✓ leader          reaper-operator-1",
        "✓ installer       reaper-node in reaper-system, 2 of 2 nodes done",
        "✓ nodes           2 of 2 can run tasks",
        "✓ admission       2 policies are in force",
        "✓ access          you may run host processes in namespace default",
        "✓ rights          you may do all that the plugin does in namespace default",
        "",
        "All is well. A real process on each node: kubectl reaper doctor --run",
    ]


def test_the_doctor_finds_nothing_installed(cluster: FakeCluster) -> None:
    result = cluster.run("doctor")
    assert result.exit_code == 1
    for subject in ("CRD", "RuntimeClass", "operator", "installer", "nodes"):
        assert f"✗ {subject}" in result.stdout
    assert "→ helm upgrade --install reaper charts/reaper" in result.stdout
    assert result.stdout.endswith("5 broken, 2 to look at\n")


def test_the_doctor_without_an_api_server_asks_nothing_more(cluster: FakeCluster) -> None:
    class Away(FakeCluster):
        def ask(self, path: str) -> dict[str, Any]:
            raise Unreachable("connection refused")

    result = Away().run("doctor", "-o", "json")
    assert result.exit_code == 1
    assert json.loads(result.stdout) == [
        {
            "subject": "API server",
            "status": "failed",
            "message": "connection refused",
            "fix": "kubectl cluster-info; kubectl config get-contexts",
        }
    ]


def test_the_doctor_names_what_the_caller_may_not_read(cluster: FakeCluster) -> None:
    install(cluster)
    cluster.faults["deployments"] = Forbidden("you may not list deployments")
    result = cluster.run("doctor")
    assert result.exit_code == 0
    assert "? operator        you may not list deployments" in result.stdout
    assert result.stdout.endswith("2 not known\n")


def change(kind: str, name: str, **fields: Any) -> Any:
    def apply(cluster: FakeCluster) -> None:
        for (plural, _, found), body in cluster.objects.items():
            if (plural, found) == (kind, name):
                body.update(fields)

    return apply


@pytest.mark.parametrize(
    ("break_it", "sentence", "code"),
    [
        (change("runtimeclasses", "reaper-v2", handler="runc"), "✗ RuntimeClass    its handler is runc", 1),
        (change("runtimeclasses", "reaper-v2", scheduling={}), "! RuntimeClass    does not select nodes", 0),
        (change("deployments", "reaper-operator", status={}), "✗ operator        reaper-operator", 1),
        (
            change("daemonsets", "reaper-node", status={"desiredNumberScheduled": 0}),
            "✗ installer       reaper-node in reaper-system, 0 of 0 nodes done: it selects no node",
            1,
        ),
        (
            change("daemonsets", "reaper-node", status={"desiredNumberScheduled": 2, "numberReady": 1}),
            "! installer       reaper-node in reaper-system, 1 of 2 nodes done",
            0,
        ),
        (change("nodes", "n1", spec={"unschedulable": True}), "✓ nodes           1 of 2 can run tasks", 0),
        (
            change("nodes", "n1", metadata={"name": "n1", "annotations": {"reaper.io/runtime-error": "NoExec: no"}}),
            "! nodes           n1: NoExec: no",
            0,
        ),
        (
            change(
                "nodes", "n1",
                metadata={"name": "n1", "labels": READY, "annotations": {"reaper.io/runtime-version": "1.0"}},
            ),
            "! nodes           different versions of the runtime: 1.0, 1.2.3",
            0,
        ),
        (
            change("validatingadmissionpolicybindings", "reaper-node", spec={"policyName": "other"}),
            "! admission       policy reaper-node has no binding, and so no effect",
            0,
        ),
        (
            change(
                "validatingadmissionpolicies", "reaper-node",
                status={"typeChecking": {"expressionWarnings": [{"warning": "no such field"}]}},
            ),
            "! admission       policy reaper-node: no such field",
            0,
        ),
        (change("leases", "reaper-operator", spec={}), "! leader          no replica leads just now", 0),
        (
            change(
                "leases",
                "reaper-operator",
                spec={
                    "holderIdentity": "r-1",
                    "leaseDurationSeconds": 15,
                    "renewTime": "2026-11-25T11:50:00.000000Z",
                },
            ),
            "! leader          r-1 has not renewed its Lease for 10m, by this machine's clock",
            0,
        ),
        (
            change("customresourcedefinitions", "reapertasks.reaper.io", status={}),
            "✗ CRD             is not established",
            1,
        ),
    ],
)  # fmt: skip
def test_the_doctor_finds_what_is_broken(cluster: FakeCluster, break_it: Any, sentence: str, code: int) -> None:
    install(cluster)
    break_it(cluster)
    result = cluster.run("doctor")
    assert sentence in result.stdout
    assert result.exit_code == code


def test_the_doctor_finds_another_crd_and_an_old_kubernetes(cluster: FakeCluster) -> None:
    install(cluster)
    definition = cluster.objects["customresourcedefinitions", "", "reapertasks.reaper.io"]
    (version,) = definition["spec"]["versions"]
    del version["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["command"]
    cluster.answers["/version"] = {"gitVersion": "v1.29.2", "major": "1", "minor": "29+"}
    result = cluster.run("doctor")
    assert "! CRD             v1alpha1 is served, with other fields than this plugin knows" in result.stdout
    assert "✗ API server      Kubernetes v1.29.2\n" in result.stdout
    version["served"] = False
    assert "✗ CRD             v1alpha1 is not served" in cluster.run("doctor").stdout


def test_the_doctor_says_who_would_be_refused(cluster: FakeCluster) -> None:
    install(cluster)
    cluster.put(NAMESPACES, {"metadata": {"name": "ops", "labels": {"reaper.io/allow": "false"}}})
    cluster.denied = {("use", "hostprocesses")}
    lines = cluster.run("doctor", "-n", "ops").stdout.splitlines()
    found = lines.index("! access          namespace ops does not allow host processes")
    assert [line.strip() for line in lines[found + 1 : found + 4]] == [
        "→ kubectl label namespace ops reaper.io/allow=true --overwrite",
        "! access          you may not run host processes in namespace ops",
        "→ kubectl create rolebinding host-processes --clusterrole=reaper-host-processes --user=YOU -n ops",
    ]


def test_the_doctor_says_when_nobody_is_asked(cluster: FakeCluster) -> None:
    install(cluster)
    del cluster.objects["validatingadmissionpolicies", "", "reaper-access-tasks"]
    result = cluster.run("doctor")
    assert result.exit_code == 0
    assert "! access          nobody is asked who may run host processes: whoever may create Pods" in result.stdout


def test_the_doctor_names_each_missing_right_and_what_needs_it(cluster: FakeCluster) -> None:
    install(cluster)
    cluster.denied = {("create", "pods/exec"), ("patch", "reapertasks")}
    result = cluster.run("doctor", "-n", "ops")
    assert result.exit_code == 0
    assert (
        "you may not patch reapertasks.reaper.io in namespace ops: needed for cancel, suspend, resume" in result.stdout
    )
    assert "you may not create pods/exec in namespace ops: needed for exec, cp" in result.stdout


def trial_steps(cluster: FakeCluster, code: int = 7, **more: Any) -> None:
    """Each task that the doctor makes ends at the next tick."""

    def end() -> None:
        for (plural, _, name), body in cluster.objects.items():
            if plural == "reapertasks" and "status" not in body:
                cluster.becomes(body, phase="Failed", exitCode=code, podName=name, reason="Error", **more)()

    cluster.script = [end, end]


def test_the_doctor_runs_a_process_on_each_node_and_leaves_nothing(cluster: FakeCluster) -> None:
    install(cluster)
    trial_steps(cluster)
    cluster.output = {f"reaper-doctor-x{number}": ["reaper-doctor"] for number in range(100)}
    result = cluster.run("doctor", "--run")
    assert result.exit_code == 0, result.output
    assert result.stdout.count("ran, and its output and exit code came back, in 0.5 s") == 2
    assert not [key for key in cluster.objects if key[0] == "reapertasks"]


def test_the_doctor_says_why_a_process_did_not_run(cluster: FakeCluster) -> None:
    install(cluster)
    trial_steps(cluster, code=1, message="the process ended with exit code 1")
    result = cluster.run("doctor", "--run")
    assert result.exit_code == 1
    assert "✗ process on n1   Failed: Error: the process ended with exit code 1" in result.stdout


def test_the_doctor_sees_output_that_got_lost(cluster: FakeCluster) -> None:
    install(cluster)
    trial_steps(cluster)
    result = cluster.run("doctor", "--run")
    assert result.exit_code == 1
    assert "ran, and its output is []" in result.stdout


def test_the_doctor_runs_nothing_where_something_is_broken(cluster: FakeCluster) -> None:
    result = cluster.run("doctor", "--run")
    assert "? processes       none was started: first mend what is broken" in result.stdout


def test_a_process_that_never_ends_is_given_up(cluster: FakeCluster) -> None:
    install(cluster)
    result = cluster.run("doctor", "--run", "--timeout", "3s")
    assert result.exit_code == 1
    assert "is not over after 3 s" in result.stdout
    assert not [key for key in cluster.objects if key[0] == "reapertasks"]
