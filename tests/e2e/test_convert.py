"""`kubectl reaper convert`: what comes out does the same as what went in."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from kubectl import ROOT

if TYPE_CHECKING:
    from kubectl import Kubectl
    from plugin import Reaper

SETTINGS = [
    {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"color": "blue"}},
    {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "secret"}, "stringData": {"key": "sesame"}},
]


def container(script: str, **more: Any) -> dict[str, Any]:
    image = {"image": "placeholder", "imagePullPolicy": "IfNotPresent"}
    return {"name": "main", **image, "command": ["/bin/sh", "-c", script], **more}


def pod_spec(script: str, **more: Any) -> dict[str, Any]:
    return {
        "runtimeClassName": "reaper-v2",
        "hostNetwork": True,
        "restartPolicy": "Never",
        "containers": [container(script, **more)],
    }


MOUNTS = {
    "volumeMounts": [
        {"name": "s", "mountPath": "/etc/e2e-settings", "readOnly": True},
        {"name": "k", "mountPath": "/etc/e2e-secret"},
        {"name": "e", "mountPath": "/e2e-scratch"},
    ]
}
VOLUMES = {
    "volumes": [
        {"name": "s", "configMap": {"name": "settings"}},
        {"name": "k", "secret": {"secretName": "secret"}},
        {"name": "e", "emptyDir": {}},
    ]
}
ENV = {
    "env": [
        {"name": "A", "value": "a"},
        {"name": "B", "value": "$(A)b"},
        {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "secret", "key": "key"}}},
        {"name": "SPACE", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}},
    ],
    "envFrom": [{"configMapRef": {"name": "settings"}, "prefix": "P_"}],
}
ALIKE: list[tuple[str, dict[str, Any], int]] = [
    ("plain", pod_spec("echo hello; exit 3"), 3),
    ("variables", pod_spec('echo "$A $B $KEY $P_color"', **ENV), 0),
    ("user", pod_spec("id -u; id -g; id -G", securityContext={"runAsUser": 1234, "runAsGroup": 5678}), 0),
    ("directory", pod_spec("pwd", workingDir="/var/tmp"), 0),
    ("arguments", pod_spec('echo "$0 $1"', args=["x", "y z"]), 0),
    (
        "volumes",
        {
            **pod_spec(
                "cat /etc/e2e-settings/color /etc/e2e-secret/key; touch /e2e-scratch/x && ls /e2e-scratch", **MOUNTS
            ),
            **VOLUMES,
        },
        0,
    ),
]


@pytest.mark.parametrize(("name", "spec", "code"), ALIKE, ids=[name for name, _, _ in ALIKE])
def test_a_converted_pod_does_the_same(
    reaper: Reaper, kubectl: Kubectl, name: str, spec: dict[str, Any], code: int
) -> None:
    kubectl.apply(*SETTINGS)
    metadata = {"name": name, "namespace": kubectl.namespace}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}
    kubectl.apply(pod)
    kubectl.run(
        "wait", f"pod/{name}", "--for=jsonpath={.status.containerStatuses[0].state.terminated}", "--timeout=60s"
    )
    output = kubectl.logs(name)
    assert output
    kubectl.run("delete", "pod", name)

    converted = reaper.types("convert", "-o", "json", stdin=json.dumps(pod)).out
    kubectl.run("apply", "-f", "-", stdin=converted)
    finished = kubectl.finished(name)

    assert finished["status"]["exitCode"] == code
    assert kubectl.logs(name) == output


def test_a_converted_job_is_tried_again_as_the_job_was(reaper: Reaper, kubectl: Kubectl) -> None:
    template = {"spec": {**pod_spec("echo try; exit 1"), "restartPolicy": "OnFailure"}}
    metadata = {"name": "job", "namespace": kubectl.namespace}
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": metadata,
        "spec": {"backoffLimit": 1, "template": template},
    }
    converted = reaper.types("convert", stdin=json.dumps(job)).out
    kubectl.run("apply", "-f", "-", stdin=converted)
    status = kubectl.finished("job", within=90)["status"]
    assert (status["phase"], status["attempts"]) == ("Failed", 2)


@pytest.mark.parametrize("example", ["hello", "env", "failing"])
def test_a_task_as_a_plain_pod_does_the_same(reaper: Reaper, kubectl: Kubectl, example: str) -> None:
    path = ROOT / "examples" / f"{example}.yaml"
    name = reaper.types("run", "-f", str(path), "--wait", code=42 if example == "failing" else 0).err.split(":")[0]
    task_output = kubectl.logs(name)
    kubectl.run("delete", "reapertask", name)
    kubectl.run("wait", "--for=delete", f"pod/{name}", "--timeout=60s")  # the garbage collector takes it a moment later
    kubectl.run("apply", "-f", "-", stdin=reaper.types("convert", str(path)).out)
    kubectl.run(
        "wait", f"pod/{name}", "--for=jsonpath={.status.containerStatuses[0].state.terminated}", "--timeout=60s"
    )
    pod_output = kubectl.logs(name)
    assert [line.split()[0] for line in pod_output.splitlines()] == [
        line.split()[0] for line in task_output.splitlines()
    ]
