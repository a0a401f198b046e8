"""What of a spec cannot be changed, field by field: no value becomes another, and no field comes or goes."""

from __future__ import annotations

from typing import Any

import pytest

from reaper_api.lifecycle import MUTABLE
from reaper_api.rules import always_there
from reaper_api.task import TaskSpec
from tests.fakes.refusals import task
from tests.integration.api import MERGE, Api

FIELDS = {field.alias or name: field for name, field in TaskSpec.model_fields.items()}
TERM = {"matchExpressions": [{"key": "a", "operator": "Exists"}]}
AFFINITY = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [TERM]}}}
SPREAD = {"topologyKey": "a", "labelSelector": {"matchLabels": {"a": "b"}}}
VALUES: dict[str, tuple[Any, Any]] = {
    "restartPolicy": ("OnFailure", "Never"),
    "backoffLimit": (1, 2),
    "command": (["/bin/true"], ["/bin/false"]),
    "args": (["a"], ["b"]),
    "env": ([{"name": "A", "value": "a"}], [{"name": "A", "value": "b"}]),
    "envFrom": ([{"secretRef": {"name": "a"}}], [{"secretRef": {"name": "b"}}]),
    "workingDir": ("/a", "/b"),
    "user": ({"uid": 1, "gid": 1}, {"uid": 1, "gid": 2}),
    "terminal": (False, True),
    "stdin": (True, False),
    "stdout": (True, False),
    "stderr": (True, False),
    "volumes": (
        [{"name": "v", "mountPath": "/a", "emptyDir": {}}],
        [{"name": "v", "mountPath": "/a", "emptyDir": {"medium": "Memory"}}],
    ),
    "overlay": ({"name": "a"}, {"name": "b"}),
    "dnsMode": ("host", "kubernetes"),
    "nodeName": ("a", "b"),
    "nodeSelector": ({"a": "a"}, {"a": "b"}),
    "tolerations": ([{"key": "a", "operator": "Exists"}], [{"key": "b", "operator": "Exists"}]),
    "affinity": (
        AFFINITY,
        {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [SPREAD]}},
    ),
    "priorityClassName": ("a", "b"),
    "serviceAccountName": ("a", "b"),
    "terminationGracePeriodSeconds": (10, 20),
}


@pytest.fixture(scope="module")
def whole(api: Api, tasks: str) -> str:
    """The path of a task with all fields. It never starts."""
    spec = {name: value for name, (value, _) in VALUES.items()} | {"suspend": True}
    api.request("POST", tasks, task(spec, "whole")).ok()
    return f"{tasks}/whole"


@pytest.fixture(scope="module")
def bare(api: Api, tasks: str) -> str:
    """The path of a task with hardly any."""
    api.request("POST", tasks, task({"command": ["/bin/true"], "suspend": True}, "bare")).ok()
    return f"{tasks}/bare"


def refused(api: Api, path: str, field: str, value: object) -> bool:
    """Whether a change is refused because the field cannot be changed."""
    answer = api.request("PATCH", path, {"spec": {field: value}}, content_type=MERGE, dryRun="All")
    return answer.status == 422 and f"{field} cannot be changed" in answer.message


def test_every_field_has_its_row() -> None:
    assert VALUES.keys() | set(MUTABLE) == FIELDS.keys()


@pytest.mark.parametrize("field", VALUES)
def test_a_value_does_not_become_another(api: Api, whole: str, field: str) -> None:
    assert refused(api, whole, field, VALUES[field][1])
    same = api.request("PATCH", whole, {"spec": {field: VALUES[field][0]}}, content_type=MERGE, dryRun="All")
    same.ok()


@pytest.mark.parametrize("field", [name for name in VALUES if not always_there(FIELDS[name])])
def test_a_field_neither_comes_nor_goes(api: Api, whole: str, bare: str, field: str) -> None:
    assert refused(api, whole, field, None)
    assert refused(api, bare, field, VALUES[field][0])


@pytest.mark.parametrize("field", ["args", "env", "envFrom", "volumes", "tolerations"])
def test_a_list_is_not_emptied(api: Api, whole: str, field: str) -> None:
    assert refused(api, whole, field, [])
