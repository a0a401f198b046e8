"""What a Pod of the runtime means where it says nothing, where the cluster has MutatingAdmissionPolicy."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from reaper_api.vocabulary import PLACEHOLDER_IMAGE
from tests.integration.tenancy import container, ordinary, pod

if TYPE_CHECKING:
    from tests.integration.tenancy import Object, Tenancy

pytestmark = pytest.mark.timeout(180)


def made(tenancy: Tenancy, body: Object) -> Object:
    """The spec of a Pod as it would be kept."""
    spec = json.loads(tenancy.admin.create("open", body, words=("--dry-run=server", "-o", "json")).ok())["spec"]
    assert isinstance(spec, dict)
    return spec


@pytest.mark.parametrize(
    ("given", "image", "policy"),
    [
        ({}, PLACEHOLDER_IMAGE, "IfNotPresent"),
        ({"image": ""}, PLACEHOLDER_IMAGE, "IfNotPresent"),
        ({"image": "placeholder"}, "placeholder", "IfNotPresent"),
        ({"image": "placeholder", "imagePullPolicy": "Always"}, "placeholder", "IfNotPresent"),
        ({"image": "placeholder", "imagePullPolicy": "Never"}, "placeholder", "Never"),
        ({"image": "docker.io/library/placeholder:latest"}, "docker.io/library/placeholder:latest", "IfNotPresent"),
        ({"image": "busybox"}, "busybox", "Always"),
        ({"image": "busybox:1"}, "busybox:1", "IfNotPresent"),
    ],
)
def test_images(tenancy: Tenancy, given: Object, image: str, policy: str) -> None:
    """Another image is its author's: it has to be pulled, and what is said of that holds."""
    named = {name: value for name, value in container().items() if name != "image"} | given
    spec = made(tenancy, pod("p", containers=[named], initContainers=[named | {"name": "init"}]))
    for each in (*spec["containers"], *spec["initContainers"]):
        assert (each["image"], each["imagePullPolicy"]) == (image, policy)


def test_the_rest_of_a_container_stays(tenancy: Tenancy) -> None:
    more: Object = {
        "env": [{"name": "A", "value": "b"}], "args": ["c"], "workingDir": "/tmp",
        "resources": {"limits": {"cpu": "1"}}, "securityContext": {"runAsUser": 7},
    }  # fmt: skip
    (first, second) = made(tenancy, pod("p", containers=[container(**more), container() | {"name": "second"}]))[
        "containers"
    ]
    assert first["resources"].pop("requests") == {"cpu": "1"}  # by Kubernetes
    assert {name: first[name] for name in more} == more
    assert second["name"] == "second"


@pytest.mark.parametrize(
    ("value", "network"), [("host", True), ("Host", True), ("pod", None), ("", None), (None, None)]
)
def test_the_network_of_the_node_if_it_is_asked_for(tenancy: Tenancy, value: str | None, network: object) -> None:
    body = pod("p", containers=[container(ports=[{"containerPort": 80}])])
    if value is not None:
        body["metadata"]["annotations"] = {"reaper.runtime/network": value}
    spec = made(tenancy, body)
    assert spec.get("hostNetwork") is network
    assert spec["containers"][0]["ports"][0].get("hostPort") == (80 if network else None)


def test_other_pods_stay_as_they_are(tenancy: Tenancy) -> None:
    body = ordinary("p", containers=[{"name": "main", "image": "placeholder"}])
    body["metadata"]["annotations"] = {"reaper.runtime/network": "host"}
    spec = made(tenancy, body)
    assert spec["containers"][0]["imagePullPolicy"] == "Always"
    assert "hostNetwork" not in spec
    nameless: dict[str, Any] = ordinary("p", containers=[{"name": "main"}])
    assert "spec.containers[0].image: Required value" in tenancy.admin.create("open", nameless).err
