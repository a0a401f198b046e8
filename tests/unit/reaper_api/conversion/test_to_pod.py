"""A task as a plain Pod."""

from __future__ import annotations

from typing import Any

import pytest

from reaper_api.conversion import Verdict, to_pod
from reaper_api.conversion.report import text
from tests.fakes.pods import outcome


def task(spec: dict[str, Any], **metadata: Any) -> dict[str, Any]:
    return {"kind": "ReaperTask", "metadata": {"name": "t", **metadata}, "spec": spec}


def test_it_is_the_operators_pod_without_what_binds_it_to_a_task() -> None:
    labels = {"a": "b", "app.kubernetes.io/name": "mine"}
    pod = to_pod(task({"command": ["/x"], "stderr": False}, namespace="n", labels=labels)).result
    assert pod is not None
    assert pod["metadata"] == {
        "name": "t",
        "namespace": "n",
        "labels": labels,
        "annotations": {"reaper.runtime/stderr": "discard"},
    }
    assert pod["spec"]["runtimeClassName"] == "reaper-v2"
    assert "schedulingGates" not in pod["spec"]


def test_a_generated_name_stays_one() -> None:
    body = task({"command": ["/x"]}, generateName="t-")
    del body["metadata"]["name"]
    pod = to_pod(body).result
    assert pod is not None
    assert pod["metadata"] == {"generateName": "t-"}


@pytest.mark.parametrize(("field", "value"), [("backoffLimit", 2), ("ttlSecondsAfterFinished", 60), ("suspend", True)])
def test_what_only_a_task_can_is_lost(field: str, value: Any) -> None:
    verdict, note = outcome(to_pod(task({"command": ["/x"], field: value})), f"spec.{field}")
    assert verdict is Verdict.LOST
    assert "a Job" in note


def test_a_wrong_task_is_refused_with_the_models_words() -> None:
    found = to_pod(task({"command": ["bin/x"], "user": {"uid": 1}}))
    assert found.result is None
    assert any("spec.user.gid" in field.note for field in found.of(Verdict.REFUSED))


def test_another_kind_is_an_error() -> None:
    with pytest.raises(ValueError, match="a Pod is no ReaperTask"):
        to_pod({"kind": "Pod"})


def test_what_is_the_same_in_the_pod_is_carried_to_its_place() -> None:
    spec = {
        "command": ["/x"],
        "user": {"uid": 1, "gid": 2, "supplementalGroups": [3]},
        "terminal": True,
        "stdin": True,
        "nodeName": "n",
        "volumes": [{"name": "v", "mountPath": "/v", "emptyDir": {"medium": "Memory"}}],
    }
    fields = {text(field.source): text(field.target) for field in to_pod(task(spec)).of(Verdict.CARRIED)}
    container = "spec.containers[0]"
    assert fields == {
        "metadata.name": "metadata.name",
        "spec.command": f"{container}.command",
        "spec.user.uid": f"{container}.securityContext.runAsUser",
        "spec.user.gid": f"{container}.securityContext.runAsGroup",
        "spec.user.supplementalGroups": "spec.securityContext.supplementalGroups",
        "spec.terminal": f"{container}.tty",
        "spec.stdin": f"{container}.stdin",
        "spec.volumes[0].name": "spec.volumes[0].name",
        "spec.volumes[0].mountPath": f"{container}.volumeMounts[0].mountPath",
        "spec.volumes[0].emptyDir.medium": "spec.volumes[0].emptyDir.medium",
    }
