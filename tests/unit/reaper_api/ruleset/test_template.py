"""Pods and templates, read from whatever YAML can hold."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reaper_api.ruleset.template import WORKLOADS, Template, get, ignored, shown, template_of
from tests.fakes.judged import JUDGED


@pytest.mark.parametrize("kind", WORKLOADS)
def test_where_a_kind_has_its_template(kind: str) -> None:
    judged = next(judged for judged in JUDGED if judged.kind == kind)
    template = template_of(judged.body)
    assert template is not None
    assert template.spec["runtimeClassName"] == "reaper-v2"
    ((path, container),) = template.containers()
    assert get(judged.body, *path) == container


@pytest.mark.parametrize("kind", ["Service", "", None, 5, ["Pod"]])
def test_a_kind_without_one(kind: object) -> None:
    assert template_of({"kind": kind, "spec": {}}) is None


def test_an_annotation_is_read_as_the_runtime_reads_it() -> None:
    pod = Template({"metadata": {"annotations": {"reaper.runtime/network": " Pod\n", "a": 5, 6: "b"}}}, ())
    assert pod.asks("network") == "pod"
    assert pod.asks("cgroup") == ""
    assert pod.annotations == {"reaper.runtime/network": " Pod\n"}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("busybox", "busybox"),
        (True, "true"),
        (False, "false"),
        (None, "null"),
        (5, "5"),
        ({}, "{}"),
        ({"a": 1}, "{…}"),
        ([], "[]"),
        (["a"], "[…]"),
        ("two\nlines", "two lines"),
        ("a" * 121, "a" * 120 + "…"),
    ],
)
def test_a_value_on_one_line(value: object, text: str) -> None:
    assert shown(value) == text


def test_the_plans_words() -> None:
    assert ignored("image", "busybox") == "Field 'image: busybox' will be ignored"


WHATEVER = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["spec", "template", "containers", "metadata", "annotations"]), inner)
    ),
)


@given(WHATEVER, st.sampled_from(sorted(WORKLOADS)))
def test_a_wrong_shape_is_an_empty_one(value: Any, kind: str) -> None:
    template = Template({"kind": kind, "spec": value, "template": value, "metadata": value}, WORKLOADS[kind].template)
    assert all(isinstance(container, dict) for _, container in template.containers())
    assert isinstance(template.annotations, dict)
    assert template.has_network is False
