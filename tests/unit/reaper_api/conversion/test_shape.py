"""A Pod that holds something else than Pods do is refused with the place, and never a traceback."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reaper_api.conversion import to_task
from tests.fakes.pods import around, pod

if TYPE_CHECKING:
    from reaper_api.conversion.report import Path

WHOLE = pod(
    {
        "args": ["a"],
        "env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}, {"name": "B", "value": "b"}],
        "resources": {"limits": {"cpu": "1"}, "requests": {"memory": "1Gi"}},
        "securityContext": {"runAsUser": 1, "supplementalGroups": [2], "capabilities": {"add": ["X"]}},
        "volumeMounts": [{"name": "h", "mountPath": "/h", "subPath": "s"}, {"name": "p", "mountPath": "/p"}],
        "livenessProbe": {"exec": {"command": ["x"]}},
    },
    volumes=[
        {"name": "h", "hostPath": {"path": "/h"}},
        {"name": "p", "projected": {"sources": [{"secret": {"name": "s"}}]}},
    ],
    affinity={"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [{}]}}},
    tolerations=[{"operator": "Exists"}],
)
VALUES: list[Any] = [None, 5, True, "x", [], {}, [5], [None], ["x"], {"a": 1}, [{}], [{"name": 5}], {1: 2}, 1.5]


def places(value: Any, path: Path = ()) -> list[Path]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(found for key, each in inner for found in places(each, (*path, key)))]


def changed(body: Any, path: Path, new: Any) -> Any:
    found = node = deepcopy(body)
    for part in path[:-1]:
        node = node[part]
    node[path[-1]] = deepcopy(new)
    return found


@given(
    path=st.sampled_from([path for path in places(WHOLE) if path and path[0] != "kind"]), new=st.sampled_from(VALUES)
)
@settings(max_examples=600)
def test_anything_anywhere_gives_an_account(path: Path, new: Any) -> None:
    assert to_task(changed(WHOLE, path, new)).fields


@pytest.mark.parametrize(
    ("body", "refusal"),
    [
        (changed(WHOLE, ("spec",), 5), "spec: refused: must be a mapping"),
        (changed(WHOLE, ("metadata",), [1]), "metadata: refused: must be a mapping"),
        (changed(WHOLE, ("spec", "containers"), "x"), "spec.containers: refused: must be a list"),
        (changed(WHOLE, ("spec", "containers", 0), 5), "spec.containers[0]: refused: must be a mapping"),
        (changed(WHOLE, ("spec", "volumes", 1, "name"), {}), "spec.volumes[1].name: refused: must be text or a number"),
        (
            changed(around("Job"), ("spec", "template", "spec", "volumes"), 7),
            "spec.template.spec.volumes: refused: must be a list",
        ),
        (changed(around("Job"), ("spec",), 5), "spec: refused: must be a mapping"),
    ],
)
def test_the_place_is_said(body: Any, refusal: str) -> None:
    found = to_task(body)
    assert found.result is None
    assert refusal in map(str, found.fields)
