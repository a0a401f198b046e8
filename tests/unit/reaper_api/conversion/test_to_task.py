"""Pods and what is around them: what becomes of their fields."""

from __future__ import annotations

from typing import Any

import pytest

from reaper_api.conversion import KINDS, Verdict, to_task
from tests.fakes.pods import around, outcome, pod, spec_of

CARRIED, CHANGED, ADDED, DROPPED, LOST, REFUSED = (
    Verdict.CARRIED,
    Verdict.CHANGED,
    Verdict.ADDED,
    Verdict.DROPPED,
    Verdict.LOST,
    Verdict.REFUSED,
)


def test_a_kind_without_processes_is_an_error() -> None:
    with pytest.raises(ValueError, match="a Service is no Pod, PodTemplate, Job"):
        to_task({"kind": "Service"})


def test_the_old_object_is_left_as_it_is() -> None:
    body = pod(tolerations=[{"operator": "Exists", "new": 1}])
    to_task(body)
    assert body == pod(tolerations=[{"operator": "Exists", "new": 1}])


@pytest.mark.parametrize(
    ("field", "value", "verdict"),
    [
        ("nodeName", "n1", CARRIED),
        ("priorityClassName", "high", CARRIED),
        ("activeDeadlineSeconds", 60, CARRIED),
        ("terminationGracePeriodSeconds", 30, DROPPED),
        ("terminationGracePeriodSeconds", 5, CARRIED),
        ("terminationGracePeriodSeconds", 0, CHANGED),
        ("runtimeClassName", "reaper-v2", DROPPED),
        ("runtimeClassName", "kata", CHANGED),
        ("hostNetwork", True, DROPPED),
        ("hostNetwork", False, CHANGED),
        ("hostPID", False, CHANGED),
        ("hostUsers", True, DROPPED),
        ("hostUsers", False, LOST),
        ("dnsPolicy", "Default", DROPPED),
        ("dnsPolicy", "ClusterFirst", CHANGED),
        ("dnsPolicy", "None", LOST),
        ("schedulerName", "default-scheduler", DROPPED),
        ("schedulerName", "volcano", LOST),
        ("hostname", "h", LOST),
        ("setHostnameAsFQDN", False, DROPPED),
        ("serviceAccountName", "robot", CARRIED),
        ("serviceAccount", "robot", CARRIED),
        ("automountServiceAccountToken", False, DROPPED),
        ("somethingNew", 1, LOST),
        ("initContainers", [], DROPPED),
    ],
)
def test_a_field_of_a_pod(field: str, value: Any, verdict: Verdict) -> None:
    assert outcome(to_task(pod(**{field: value})), f"spec.{field}")[0] is verdict


def test_an_account_without_its_token_says_nothing() -> None:
    found = to_task(pod(serviceAccountName="robot", automountServiceAccountToken=False))
    assert outcome(found, "spec.serviceAccountName")[0] is DROPPED
    assert found.result is not None
    assert "serviceAccountName" not in found.result["spec"]


@pytest.mark.parametrize(
    ("field", "value", "verdict"),
    [
        ("image", "placeholder", DROPPED),
        ("image", "busybox", CHANGED),
        ("tty", True, CARRIED),
        ("stdinOnce", True, DROPPED),
        ("ports", 80, CHANGED),
        ("livenessProbe", 1, LOST),
        ("lifecycle", 1, LOST),
        ("terminationMessagePath", "/dev/termination-log", DROPPED),
        ("terminationMessagePath", "/tmp/x", LOST),
        ("terminationMessagePolicy", "FallbackToLogsOnError", DROPPED),
        ("resources", {}, DROPPED),
        ("volumeDevices", 1, LOST),
    ],
)
def test_a_field_of_a_container(field: str, value: Any, verdict: Verdict) -> None:
    assert outcome(to_task(pod({field: value})), f"spec.containers[0].{field}")[0] is verdict


@pytest.mark.parametrize(
    ("resources", "words"),
    [
        ({"limits": {"memory": "1Gi"}}, "no limits are set for a ReaperTask"),
        ({"requests": {"cpu": 1}}, "nothing is reserved on the node"),
        ({"limits": {"nvidia.com/gpu": 1}}, "no device is allocated"),
        ({"claims": ["gpu"]}, "no limits are set"),
    ],
)
def test_resources_are_lost_each_with_its_reason(resources: dict[str, Any], words: str) -> None:
    (lost,) = to_task(pod({"resources": resources})).of(LOST)
    assert words in lost.note


@pytest.mark.parametrize(
    ("path", "more", "value"),
    [
        ("metadata.name", {}, "p"),
        ("spec.nodeName", {"nodeName": "n7"}, "n7"),
        ("spec.serviceAccountName", {"serviceAccountName": "robot"}, "robot"),
    ],
)
def test_a_reference_to_what_is_known_is_written_out(path: str, more: dict[str, Any], value: str) -> None:
    body = pod({"env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": path}}}]}, **more)
    assert spec_of(body)["env"] == [{"name": "A", "value": value}]


def test_a_reference_to_what_is_not_known_is_lost_and_the_others_stay() -> None:
    unknown = {"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}
    body = pod({"env": [unknown, {"name": "B", "value": "b"}]})
    assert spec_of(body)["env"] == [{"name": "B", "value": "b"}]


def test_the_node_that_is_asked_for_is_known_to_references() -> None:
    body = pod({"env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}]})
    assert spec_of(body, node="n9") == {
        "restartPolicy": "Never",
        "command": ["/x"],
        "env": [{"name": "A", "value": "n9"}],
        "nodeName": "n9",
    }


@pytest.mark.parametrize(
    ("outer", "inner", "user"),
    [
        ({}, {}, None),
        ({"runAsUser": 5}, {}, {"uid": 5, "gid": 0}),
        ({}, {"runAsGroup": 6}, {"uid": 0, "gid": 6}),
        ({"runAsUser": 5, "runAsGroup": 6}, {"runAsUser": 7}, {"uid": 7, "gid": 6}),
        (
            {"runAsUser": 5, "fsGroup": 8, "supplementalGroups": [9, 8]},
            {},
            {"uid": 5, "gid": 0, "supplementalGroups": [9, 8]},
        ),
        ({"fsGroup": 8}, {}, {"uid": 0, "gid": 0, "supplementalGroups": [8]}),
        ({"runAsUser": None}, {}, None),
    ],
)
def test_who_the_process_runs_as(outer: dict[str, Any], inner: dict[str, Any], user: dict[str, Any] | None) -> None:
    assert spec_of(pod({"securityContext": inner}, securityContext=outer)).get("user") == user


@pytest.mark.parametrize(
    ("context", "field", "verdict"),
    [
        ({"runAsNonRoot": True}, "runAsNonRoot", LOST),
        ({"runAsNonRoot": True, "runAsUser": 5}, "runAsNonRoot", DROPPED),
        ({"privileged": True}, "privileged", DROPPED),
        ({"privileged": False}, "privileged", DROPPED),
        ({"allowPrivilegeEscalation": True}, "allowPrivilegeEscalation", DROPPED),
        ({"allowPrivilegeEscalation": False}, "allowPrivilegeEscalation", LOST),
        ({"readOnlyRootFilesystem": True}, "readOnlyRootFilesystem", LOST),
        ({"readOnlyRootFilesystem": False}, "readOnlyRootFilesystem", DROPPED),
        ({"capabilities": {"add": ["X"]}}, "capabilities.add", DROPPED),
        ({"capabilities": {"add": ["X"]}, "runAsUser": 5}, "capabilities.add", LOST),
        ({"capabilities": {"drop": ["ALL"]}}, "capabilities.drop", LOST),
        ({"procMount": "Unmasked"}, "procMount", LOST),
    ],
)
def test_rights(context: dict[str, Any], field: str, verdict: Verdict) -> None:
    found = to_task(pod({"securityContext": context}))
    assert outcome(found, f"spec.containers[0].securityContext.{field}")[0] is verdict


def test_the_containers_own_context_wins() -> None:
    found = to_task(pod({"securityContext": {"runAsUser": 7}}, securityContext={"runAsUser": 5}))
    assert outcome(found, "spec.securityContext.runAsUser") == (DROPPED, "the container says otherwise")


@pytest.mark.parametrize(
    ("mount", "volume", "words"),
    [
        ({"mountPath": "/m"}, {"nfs": {"server": "s", "path": "/"}}, "a ReaperTask mounts hostPath, configMap"),
        ({"mountPath": "/m"}, {"projected": None}, "a ReaperTask projects secret"),
        ({"mountPath": "/m", "subPathExpr": "$(A)"}, {"hostPath": {"path": "/h"}}, "no subPathExpr"),
        ({"mountPath": "/m", "subPath": "a"}, {"configMap": {"name": "c"}}, "no subPath of a configMap"),
    ],
)
def test_a_mount_that_cannot_be_said_is_lost_with_its_volume(
    mount: dict[str, Any], volume: dict[str, Any], words: str
) -> None:
    found = to_task(pod({"volumeMounts": [{"name": "v", **mount}]}, volumes=[{"name": "v", **volume}]))
    assert {words in field.note for field in found.of(LOST)} == {True}
    assert found.result is not None
    assert "volumes" not in found.result["spec"]


def test_an_empty_directory_at_two_places_would_be_two() -> None:
    mounts = [{"name": "v", "mountPath": "/a"}, {"name": "v", "mountPath": "/b"}]
    found = to_task(pod({"volumeMounts": mounts}, volumes=[{"name": "v", "emptyDir": {}}]))
    assert outcome(found, "spec.containers[0].volumeMounts[1].mountPath")[0] is LOST
    assert found.result is not None
    assert found.result["spec"]["volumes"] == [{"name": "v", "mountPath": "/a", "emptyDir": {}}]


def test_a_volume_stays_where_only_one_of_its_mounts_cannot_be_said() -> None:
    mounts = [{"name": "v", "mountPath": "/a", "subPath": "x"}, {"name": "v", "mountPath": "/b"}]
    found = to_task(pod({"volumeMounts": mounts}, volumes=[{"name": "v", "configMap": {"name": "c"}}]))
    assert outcome(found, "spec.containers[0].volumeMounts[0].mountPath")[0] is LOST
    assert outcome(found, "spec.volumes[0].configMap.name")[0] is CARRIED
    assert found.result is not None
    assert found.result["spec"]["volumes"] == [{"name": "v", "mountPath": "/b", "configMap": {"name": "c"}}]


def test_of_a_projected_volume_the_sources_that_a_task_does_not_have_are_lost() -> None:
    downward = {"downwardAPI": {"items": [{"path": "l", "fieldRef": {"fieldPath": "metadata.labels"}}]}}
    sources = [downward, {"configMap": {"name": "c"}}, {"clusterTrustBundle": {"path": "x"}}, {"secret": {"name": "s"}}]
    mounts = [{"name": "v", "mountPath": "/a"}, {"name": "v", "mountPath": "/b"}]
    volumes = [{"name": "v", "projected": {"sources": sources, "defaultMode": 256}}]
    found = to_task(pod({"volumeMounts": mounts}, volumes=volumes))
    assert outcome(found, "spec.volumes[0].projected.sources[0].downwardAPI.items[0].path")[0] is LOST
    kept = {"sources": [{"configMap": {"name": "c"}}, {"secret": {"name": "s"}}], "defaultMode": 256}
    assert found.result is not None
    assert [volume["projected"] for volume in found.result["spec"]["volumes"]] == [kept, kept]


def test_a_projected_volume_of_nothing_that_a_task_has_is_lost() -> None:
    volumes = [{"name": "v", "projected": {"sources": [{"downwardAPI": {"items": [{"path": "l"}]}}]}}]
    found = to_task(pod({"volumeMounts": [{"name": "v", "mountPath": "/a"}]}, volumes=volumes))
    assert {field.note for field in found.of(LOST)} == {
        "a ReaperTask projects secret, configMap and serviceAccountToken only"
    }
    assert found.result is not None
    assert "volumes" not in found.result["spec"]


def test_a_kind_of_the_same_name_in_another_api_is_an_error() -> None:
    with pytest.raises(ValueError, match="a Job is no"):
        to_task(around("Job") | {"apiVersion": "batch.volcano.sh/v1alpha1"})


def test_a_volume_without_a_source_is_an_empty_directory() -> None:
    body = pod({"volumeMounts": [{"name": "v", "mountPath": "/a"}]}, volumes=[{"name": "v"}])
    assert spec_of(body)["volumes"] == [{"name": "v", "mountPath": "/a", "emptyDir": {}}]


def test_a_node_in_every_term_of_an_affinity_is_the_node_of_the_task() -> None:
    field = {"key": "metadata.name", "operator": "In", "values": ["n3"]}
    expression = {"key": "disk", "operator": "Exists"}
    required = "requiredDuringSchedulingIgnoredDuringExecution"
    terms = [{"matchFields": [field], "matchExpressions": [expression]}]
    spec = spec_of(pod(affinity={"nodeAffinity": {required: {"nodeSelectorTerms": terms}}}))
    assert spec["nodeName"] == "n3"
    assert spec["affinity"] == {"nodeAffinity": {required: {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}}}


@pytest.mark.parametrize(
    ("body", "place", "verdict"),
    [
        (around("Job", backoffLimit=3), "spec.backoffLimit", CARRIED),
        (around("Job"), "spec.backoffLimit", ADDED),
        (around("Job", completions=1), "spec.completions", DROPPED),
        (around("Job", parallelism=2), "spec.parallelism", REFUSED),
        (around("Job", podFailurePolicy=1), "spec.podFailurePolicy", LOST),
        (around("Job", template={"restartPolicy": "OnFailure"}), "spec.template.spec.restartPolicy", CHANGED),
        (around("Deployment", replicas=1), "spec.replicas", DROPPED),
        (around("Deployment", replicas=0), "spec.replicas", REFUSED),
        (around("Deployment", strategy=1), "spec.strategy", DROPPED),
        (around("StatefulSet", volumeClaimTemplates=1), "spec.volumeClaimTemplates", REFUSED),
        (around("DaemonSet"), "spec", REFUSED),
        (around("Deployment", template={"restartPolicy": "Always"}), "spec.template.spec.restartPolicy", CARRIED),
    ],
)
def test_a_field_around_the_pod(body: dict[str, Any], place: str, verdict: Verdict) -> None:
    assert outcome(to_task(body), place)[0] is verdict


def test_labels_of_the_template_and_of_its_object_are_one() -> None:
    body = around("Deployment")
    body["metadata"]["labels"] = {"a": "1", "b": "1"}
    body["spec"]["template"]["metadata"] = {"labels": {"a": "2", "c": "3", "pod-template-hash": "x"}, "name": "n"}
    found = to_task(body)
    assert found.result is not None
    assert found.result["metadata"] == {"name": "w", "labels": {"a": "1", "b": "1", "c": "3"}}
    assert outcome(found, "spec.template.metadata.labels.a") == (LOST, "the object around it says 1")


def test_what_the_runtime_is_told_by_annotation_has_fields() -> None:
    body = pod()
    body["metadata"]["annotations"] = {
        "reaper.runtime/overlay-name": "build",
        "reaper.runtime/dns-mode": "k8s",
        "reaper.runtime/stdout": "discard",
        "reaper.runtime/network": "pod",
        "note": "kept",
    }
    found = to_task(body)
    assert found.result is not None
    assert found.result["metadata"]["annotations"] == {"note": "kept"}
    assert (
        found.result["spec"] | {"overlay": {"name": "build"}, "dnsMode": "kubernetes", "stdout": False}
        == found.result["spec"]
    )
    assert outcome(found, "metadata.annotations.reaper.runtime/network")[0] is LOST


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (pod({"command": None}), "the program comes from the image"),
        (pod(containers=[]), "there is no container"),
        (pod(containers=[{"name": "a"}, {"name": "b"}]), "these are 2 containers"),
        (pod(initContainers=[{"name": "a"}]), "a ReaperTask is one process"),
        (pod({"command": ["bin/x"]}), "command[0] is an absolute path"),
    ],
)
def test_what_cannot_be_a_task_is_refused_with_the_reason(body: dict[str, Any], words: str) -> None:
    found = to_task(body)
    assert found.result is None
    assert not found.faithful
    assert any(words in field.note for field in found.of(REFUSED))


def test_every_kind_can_be_converted() -> None:
    assert set(KINDS) == {
        "Pod", "PodTemplate", "Job", "CronJob", "Deployment", "ReplicaSet", "ReplicationController", "StatefulSet",
        "DaemonSet",
    }  # fmt: skip
