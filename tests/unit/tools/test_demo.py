"""demo.py: what stands in the way of the demo. The demo itself needs a cluster."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from demo import MANIFESTS, in_the_way

Object = dict[str, Any]

WANTED = [yaml.safe_load(path.read_text()) for path in MANIFESTS]
TASK = next(each for each in WANTED if each["metadata"]["name"] == "hello")
POD = next(each for each in WANTED if each["kind"] == "Pod")


def applied(manifest: Object, **spec: Any) -> Object:
    """As the API server has it after `kubectl apply`: with what it adds to each spec."""
    sent = {**manifest, "spec": {**manifest["spec"], **spec}}
    note = {"kubectl.kubernetes.io/last-applied-configuration": json.dumps(sent)}
    metadata = {**manifest["metadata"], "annotations": note}
    return {**sent, "metadata": metadata, "spec": {**sent["spec"], "restartPolicy": "Never"}}


def pod_of(name: str, owner: str) -> Object:
    return {"kind": "Pod", "metadata": {"name": name, "ownerReferences": [{"kind": "ReaperTask", "name": owner}]}}


def test_an_empty_namespace_has_room() -> None:
    assert in_the_way([], WANTED) == []


def test_what_an_earlier_demo_has_left_is_its_own() -> None:
    left = [applied(each) for each in WANTED]
    assert in_the_way([*left, pod_of("hello", "hello"), pod_of("ticker", "ticker")], WANTED) == []


def test_others_may_have_any_other_name() -> None:
    assert in_the_way([applied({**TASK, "metadata": {"name": "mine"}}), pod_of("mine", "mine")], WANTED) == []


@pytest.mark.parametrize(
    ("there", "named"),
    [
        (applied(TASK, args=["something else"]), "reapertask/hello"),
        (applied(TASK, nodeName="n1"), "reapertask/hello"),
        ({**TASK, "metadata": {"name": "hello", "annotations": None}}, "reapertask/hello"),
        (applied(POD, hostNetwork=False), "pod/hello-pod"),
        ({"kind": "Pod", "metadata": {"name": "ticker"}}, "pod/ticker"),
        (pod_of("hello", "another"), "pod/hello"),
    ],
)
def test_what_is_somebody_elses_is_named(there: Object, named: str) -> None:
    assert in_the_way([there], WANTED) == [named]
