"""key.py: which task a Pod belongs to."""

from typing import Any

import pytest

from reaper_operator.key import Key, key_of_owner


def pod(**owner: Any) -> dict[str, Any]:
    reference = {"apiVersion": "reaper.io/v1alpha1", "kind": "ReaperTask", "name": "hello", "controller": True}
    return {"metadata": {"name": "p", "namespace": "default", "ownerReferences": [reference | owner]}}


def test_the_owner_is_named_by_the_reference_and_not_by_the_label() -> None:
    assert key_of_owner(pod(name="a" * 253)) == Key("default", "a" * 253)


@pytest.mark.parametrize(
    "owner",
    [{"kind": "Job"}, {"apiVersion": "batch/v1"}, {"apiVersion": "reaper.io.example/v1"}, {"controller": False}],
)
def test_a_stranger_s_pod(owner: dict[str, Any]) -> None:
    assert key_of_owner(pod(**owner)) is None


def test_a_pod_without_an_owner() -> None:
    assert key_of_owner({"metadata": {"name": "p", "namespace": "default"}}) is None
