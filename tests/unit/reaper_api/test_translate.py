"""translate.py: every field of a task is in its Pod, and the same task always gives the same Pod."""

import json
import re
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from reaper_api.task import ReaperTask
from reaper_api.translate import label_value, labels, pod_for, pod_name
from tests.fakes.cluster import task_body
from tests.fakes.specs import GOOD

LABEL = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
names = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,60}[a-z0-9])?(\.[a-z0-9]([-a-z0-9]{0,60}[a-z0-9])?){0,4}", fullmatch=True)
texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8)
env_names = st.from_regex(r"[-._a-zA-Z][-._a-zA-Z0-9]{0,5}", fullmatch=True)
specs = st.fixed_dictionaries(
    {"command": st.lists(texts, max_size=2).map(lambda rest: ["/bin/true", *rest])},
    optional={
        "restartPolicy": st.sampled_from(["Never", "OnFailure", "Always"]),
        "args": st.lists(texts, max_size=3),
        "env": st.lists(
            st.fixed_dictionaries({"name": env_names}, optional={"value": texts}), unique_by=lambda e: e["name"]
        ),
        "workingDir": texts.map(lambda text: f"/{text}"),
        "user": st.fixed_dictionaries({"uid": st.integers(0, 2**31 - 1), "gid": st.integers(0, 2**31 - 1)}),
        "stdin": st.booleans(),
        "stdout": st.booleans(),
        "stderr": st.booleans(),
        "nodeName": names.filter(lambda name: len(name) <= 253),
        "nodeSelector": st.dictionaries(st.sampled_from(["disk", "example.com/zone"]), st.sampled_from(["", "a"])),
        "tolerations": st.lists(st.sampled_from([{"operator": "Exists"}, {"key": "a", "value": "b"}]), max_size=2),
        "terminationGracePeriodSeconds": st.integers(0, 600),
        "activeDeadlineSeconds": st.integers(1, 600),
    },
)


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
            "annotations": {},
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
                {"name": "task", "image": "placeholder", "imagePullPolicy": "IfNotPresent", "command": ["true"]}
            ],
        },
    }


@given(specs, names.filter(lambda name: len(name) <= 253))
def test_every_field_is_in_the_pod(spec: dict[str, Any], name: str) -> None:
    pod = pod_for(task(spec, name))
    container = pod["spec"]["containers"][0]
    defaults = {"stdin": False, "stdout": True, "stderr": True, "args": [], "env": [], "nodeSelector": {}}
    want = {**defaults, **spec}

    assert pod["metadata"]["name"] == name
    assert container["command"] == want["command"]
    assert container.get("args", []) == want["args"]
    assert container.get("env", []) == [{"name": e["name"], "value": e.get("value", "")} for e in want["env"]]
    assert container.get("workingDir") == want.get("workingDir")
    security = {"runAsUser": spec["user"]["uid"], "runAsGroup": spec["user"]["gid"]} if "user" in spec else None
    assert container.get("securityContext") == security
    assert container.get("stdin", False) == container.get("stdinOnce", False) == want["stdin"]
    for stream in ("stdout", "stderr"):
        assert (pod["metadata"]["annotations"].get(f"reaper.runtime/{stream}") == "discard") is not want[stream]
    assert pod["spec"]["restartPolicy"] == want.get("restartPolicy", "Never")
    assert pod["spec"]["terminationGracePeriodSeconds"] == want.get("terminationGracePeriodSeconds", 30)
    assert pod["spec"].get("activeDeadlineSeconds") == want.get("activeDeadlineSeconds")
    assert pod["spec"].get("nodeSelector", {}) == want["nodeSelector"]
    assert len(pod["spec"].get("tolerations", [])) == len(want.get("tolerations", []))
    assert (f'"{want.get("nodeName")}"' in json.dumps(pod["spec"].get("affinity"))) == ("nodeName" in want)


@given(specs)
def test_the_same_task_gives_the_same_pod(spec: dict[str, Any]) -> None:
    first, second = (json.dumps(pod_for(task(spec))) for _ in range(2))
    assert first == second


@given(names.filter(lambda name: len(name) <= 253))
def test_labels_are_valid_whatever_the_name(name: str) -> None:
    for value in labels(task(GOOD["least"], name)).values():
        assert LABEL.fullmatch(value)


def test_long_names_keep_apart() -> None:
    long = ["a" * 252 + last for last in "bc"] + ["a" * 62 + "." + "b" * 190]
    values = [label_value(name) for name in long]
    assert len(set(values)) == 3
    assert all(LABEL.fullmatch(value) for value in values)
    assert label_value("a" * 63) == "a" * 63
    assert [pod_name(name) for name in long] == long


def test_terminal() -> None:
    container = pod_for(task(GOOD["terminal"]))["spec"]["containers"][0]
    assert (container["tty"], container["stdin"], container["stdinOnce"]) == (True, True, True)


def test_tolerations_are_carried_over_as_they_are() -> None:
    assert pod_for(task(GOOD["everything"]))["spec"]["tolerations"] == GOOD["everything"]["tolerations"]
