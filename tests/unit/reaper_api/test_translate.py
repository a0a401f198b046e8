"""translate.py: every field of a task is in its Pod, and the same task always gives the same Pod."""

import json
import re
from copy import deepcopy
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from reaper_api.names import is_object_name
from reaper_api.task import ReaperTask
from reaper_api.translate import label_value, labels, pod_for, pod_name
from tests.fakes.cluster import task_body
from tests.fakes.specs import GOOD
from tests.fakes.strategies import REQUIRED, names, specs

LABEL = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")


def task(spec: dict[str, Any], name: str = "hello") -> ReaperTask:
    return ReaperTask.parse({**task_body(name), "spec": spec})


def test_the_whole_pod_of_a_small_task() -> None:
    assert pod_for(task(GOOD["least"])) == {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "hello",
            "namespace": "default",
            "labels": {
                "reaper.io/task": "hello",
                "reaper.io/task-uid": "task-1",
                "reaper.io/attempt": "1",
                "app.kubernetes.io/name": "reaper-task",
                "app.kubernetes.io/instance": "hello",
                "app.kubernetes.io/managed-by": "reaper-operator",
            },
            "annotations": {"reaper.runtime/task": "hello"},
            "ownerReferences": [
                {
                    "apiVersion": "reaper.io/v1alpha1",
                    "kind": "ReaperTask",
                    "name": "hello",
                    "uid": "task-1",
                    "controller": True,
                    "blockOwnerDeletion": True,
                }
            ],
        },
        "spec": {
            "runtimeClassName": "reaper-v2",
            "schedulingGates": [{"name": "reaper.io/recorded"}],
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 30,
            "hostNetwork": True,
            "hostPID": True,
            "dnsPolicy": "Default",
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "containers": [
                {
                    "name": "task",
                    "image": "placeholder",
                    "imagePullPolicy": "IfNotPresent",
                    "command": ["true"],
                    "terminationMessagePolicy": "FallbackToLogsOnError",
                }
            ],
        },
    }


# What a spec says that does not say it.
DEFAULTS = {
    "restartPolicy": "Never",
    "args": [],
    "env": [],
    "envFrom": [],
    "stdin": False,
    "stdout": True,
    "stderr": True,
    "volumes": [],
    "nodeSelector": {},
    "tolerations": [],
    "affinity": {},
    "terminationGracePeriodSeconds": 30,
}
# What the operator does itself, and the Pod does not say.
OF_THE_OPERATOR = {"activeDeadlineSeconds", "backoffLimit", "ttlSecondsAfterFinished", "suspend"}
MATCH_NODE = "matchFields"


def spec_of(pod: dict[str, Any]) -> dict[str, Any]:
    """The way back: what a task said, from the Pod alone."""
    spec, (container,), notes = pod["spec"], pod["spec"]["containers"], pod["metadata"]["annotations"]
    mounts = {mount["name"]: mount for mount in container.get("volumeMounts", [])}
    affinity, node = without_node(spec.get("affinity", {}))
    found = {
        "restartPolicy": spec["restartPolicy"],
        "command": container["command"],
        "args": container.get("args", []),
        "env": container.get("env", []),
        "envFrom": container.get("envFrom", []),
        "workingDir": container.get("workingDir"),
        "user": user_of(spec, container),
        "stdin": container.get("stdin", False),
        "stdout": notes.get("reaper.runtime/stdout") != "discard",
        "stderr": notes.get("reaper.runtime/stderr") != "discard",
        "volumes": [volume | mounts[volume["name"]] for volume in spec.get("volumes", [])],
        "overlay": {"name": notes["reaper.runtime/overlay-name"]} if "reaper.runtime/overlay-name" in notes else None,
        "dnsMode": notes.get("reaper.runtime/dns-mode"),
        "nodeName": node,
        "nodeSelector": spec.get("nodeSelector", {}),
        "tolerations": spec.get("tolerations", []),
        "affinity": affinity,
        "priorityClassName": spec.get("priorityClassName"),
        "serviceAccountName": spec.get("serviceAccountName"),
        "terminationGracePeriodSeconds": spec["terminationGracePeriodSeconds"],
    }
    return {name: value for name, value in found.items() if value is not None}


def user_of(spec: dict[str, Any], container: dict[str, Any]) -> dict[str, Any] | None:
    if "securityContext" not in container:
        return None
    context = container["securityContext"]
    return {"uid": context["runAsUser"], "gid": context["runAsGroup"], **spec.get("securityContext", {})}


def without_node(affinity: dict[str, Any]) -> tuple[dict[str, Any], str | None]:
    of_nodes = affinity.get("nodeAffinity", {})
    chosen = of_nodes.get(REQUIRED, {}).get("nodeSelectorTerms", [])
    fields = [term[MATCH_NODE] for term in chosen if MATCH_NODE in term]
    if not fields:
        return affinity, None
    assert len(fields) == len(chosen)
    kept = [{key: value for key, value in term.items() if key != MATCH_NODE} for term in chosen]
    rest = {key: value for key, value in of_nodes.items() if key != REQUIRED}
    if kept != [{}]:
        rest[REQUIRED] = {"nodeSelectorTerms": kept}
    whole = {key: value for key, value in affinity.items() if key != "nodeAffinity"}
    return {**whole, **({"nodeAffinity": rest} if rest else {})}, fields[0][0]["values"][0]


def as_said(spec: dict[str, Any]) -> dict[str, Any]:
    """A spec with its defaults, and without what means nothing."""
    said = {**DEFAULTS, **{name: deepcopy(value) for name, value in spec.items() if name not in OF_THE_OPERATOR}}
    said["env"] = [{"value": "", **e} if "valueFrom" not in e else e for e in said["env"]]
    said["volumes"] = [{k: v for k, v in volume.items() if (k, v) != ("readOnly", False)} for volume in said["volumes"]]
    said["terminationGracePeriodSeconds"] = max(1, said["terminationGracePeriodSeconds"])
    if not said.get("user", {}).get("supplementalGroups", True):
        del said["user"]["supplementalGroups"]
    if said["affinity"].get("nodeAffinity") == {} and "nodeName" in said:
        said["affinity"] = {k: v for k, v in said["affinity"].items() if k != "nodeAffinity"}
    return said


@given(specs, names)
def test_there_is_a_way_back_from_the_pod_to_the_spec(spec: dict[str, Any], name: str) -> None:
    pod = pod_for(task(deepcopy(spec), name))
    assert pod["metadata"]["name"] == name
    assert spec_of(pod) == as_said(spec)
    container = pod["spec"]["containers"][0]
    assert container.get("stdin", False) == container.get("stdinOnce", False)
    assert "activeDeadlineSeconds" not in pod["spec"]  # it could never be raised, and is over all attempts


@given(specs)
def test_the_same_task_gives_the_same_pod(spec: dict[str, Any]) -> None:
    first, second = (json.dumps(pod_for(task(spec))) for _ in range(2))
    assert first == second


@given(names, st.integers(1, 1100))
def test_names_and_labels_are_valid_whatever_the_name(name: str, attempt: int) -> None:
    for value in labels(task(GOOD["least"], name), attempt).values():
        assert LABEL.fullmatch(value)
    assert is_object_name(pod_name(name, attempt))


@given(st.sets(st.tuples(names, st.integers(2, 1100)), min_size=2, max_size=2))
def test_no_two_attempts_of_tasks_with_long_names_have_one_pod(pairs: set[tuple[str, int]]) -> None:
    """Short ones can: attempt 2 of `a` is `a-2`, as is attempt 1 of `a-2`. The operator says so then."""
    long = {(f"{name}.{'x' * 240}"[:253].rstrip(".-"), attempt) for name, attempt in pairs}
    assert len({pod_name(*pair) for pair in long}) == len(long)


def test_long_names_keep_apart() -> None:
    long = ["a" * 252 + last for last in "bc"] + ["a" * 62 + "." + "b" * 190]
    values = [label_value(name) for name in long]
    assert len(set(values)) == 3
    assert all(LABEL.fullmatch(value) for value in values)
    assert label_value("a" * 63) == "a" * 63
    assert [pod_name(name) for name in long] == long


def test_the_pod_of_everything() -> None:
    pod = pod_for(task(GOOD["everything"]))
    spec, container = pod["spec"], pod["spec"]["containers"][0]
    assert container["env"][3:] == GOOD["everything"]["env"][3:]
    assert container["envFrom"] == GOOD["everything"]["envFrom"]
    assert spec["securityContext"] == {"supplementalGroups": [0, 27]}
    assert (spec["priorityClassName"], spec["serviceAccountName"]) == ("system-node-critical", "builder")
    assert spec["automountServiceAccountToken"] is True
    assert spec["dnsPolicy"] == "ClusterFirstWithHostNet"
    assert pod["metadata"]["annotations"] == {
        "reaper.runtime/task": "hello",
        "reaper.runtime/stdout": "discard",
        "reaper.runtime/stderr": "discard",
        "reaper.runtime/overlay-name": "build-7",
        "reaper.runtime/dns-mode": "kubernetes",
    }


def test_a_pod_has_a_grace_period_whatever_its_task_says() -> None:
    """With 0 any DELETE would take it out of the API at once, and its process would run on."""
    periods = [GOOD["least"] | {"terminationGracePeriodSeconds": seconds} for seconds in (0, 1, 2)]
    assert [pod_for(task(spec))["spec"]["terminationGracePeriodSeconds"] for spec in periods] == [1, 1, 2]


def test_a_volume_is_a_volume_and_a_mount() -> None:
    want = GOOD["volumes"]["volumes"]
    spec = pod_for(task(GOOD["volumes"]))["spec"]
    places = ("mountPath", "readOnly")
    assert spec["volumes"] == [{k: v for k, v in volume.items() if k not in places} for volume in want]
    assert spec["containers"][0]["volumeMounts"] == [
        {k: v for k, v in volume.items() if k in ("name", *places)} for volume in want
    ]


def test_affinity_is_carried_over_and_each_term_is_on_the_node() -> None:
    want = GOOD["affinity"]["affinity"]
    got = pod_for(task(GOOD["affinity"]))["spec"]["affinity"]
    required = "requiredDuringSchedulingIgnoredDuringExecution"
    terms = got["nodeAffinity"].pop(required)["nodeSelectorTerms"]
    only = [{"key": "metadata.name", "operator": "In", "values": ["node-1"]}]
    assert [term.pop("matchFields") for term in terms] == [only, only]
    assert terms == want["nodeAffinity"][required]["nodeSelectorTerms"]
    assert got | {"nodeAffinity": {**got["nodeAffinity"], required: {"nodeSelectorTerms": terms}}} == want
    alone = pod_for(task({k: v for k, v in GOOD["affinity"].items() if k != "nodeName"}))
    assert alone["spec"]["affinity"] == want


def test_what_a_user_writes_on_a_task_follows_to_its_pod() -> None:
    body = task_body()
    body["metadata"] |= {
        "labels": {"team": "a", "example.com/cost": "b", "argocd.argoproj.io/instance": "c", "reaper.io/task": "d"},
        "annotations": {"note": "a", "prometheus.io/scrape": "true", "kubectl.kubernetes.io/last-applied": "{}"},
    }
    metadata = pod_for(ReaperTask.parse(body))["metadata"]
    assert metadata["labels"].items() >= {"team": "a", "example.com/cost": "b", "reaper.io/task": "hello"}.items()
    assert "argocd.argoproj.io/instance" not in metadata["labels"]
    assert metadata["annotations"] == {"note": "a", "prometheus.io/scrape": "true", "reaper.runtime/task": "hello"}


def test_later_attempts_have_their_number_in_their_name() -> None:
    assert [pod_name("hello", attempt) for attempt in (1, 2, 17)] == ["hello", "hello-2", "hello-17"]
    pod = pod_for(task(GOOD["least"]), 2)
    assert (pod["metadata"]["name"], pod["metadata"]["labels"]["reaper.io/attempt"]) == ("hello-2", "2")
    longest = [pod_name("a" * 252 + last, 12) for last in "bc"]
    assert [len(name) for name in longest] == [253, 253]
    assert longest[0] != longest[1]


def test_terminal() -> None:
    container = pod_for(task(GOOD["terminal"]))["spec"]["containers"][0]
    assert (container["tty"], container["stdin"], container["stdinOnce"]) == (True, True, True)


def test_tolerations_are_carried_over_as_they_are() -> None:
    assert pod_for(task(GOOD["everything"]))["spec"]["tolerations"] == GOOD["everything"]["tolerations"]
