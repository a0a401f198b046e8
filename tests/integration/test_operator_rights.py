"""The operator without one of the rights that the chart gives it: for each something fails, and the log says so.

What is asked for and granted is counted elsewhere (test_high_availability.py); this is what a right is good for.
"""

from __future__ import annotations

from copy import deepcopy
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from tests.integration import planes
from tests.integration.api import Api
from tests.integration.charts import render
from tests.integration.replica_stage import GROUP, LEASES, USERS, Stage, install
from tests.integration.replicas import eventually
from tests.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.integration.control_plane import ControlPlane

pytestmark = pytest.mark.timeout(180)

Body = dict[str, Any]
USER = USERS[0]
SHORT: Body = {"lease_seconds": 6, "lease_renew_seconds": 4, "lease_retry_seconds": 0.5, "resync_seconds": 2}


class Right(NamedTuple):
    """One verb on one resource."""

    group: str
    resource: str
    verb: str

    @property
    def complaint(self) -> str:
        """What the API server says to who does not have it."""
        if self.resource == "reapertasks/finalizers":  # it is asked for by the server itself, when a Pod is made
            return "cannot set blockOwnerDeletion if an ownerReference refers to a resource you can't set finalizers on"
        return f'cannot {self.verb} resource "{self.resource}"'


RIGHTS = [
    Right(group, resource, verb)
    for group, resource, verbs in (
        ("reaper.io", "reapertasks", "get list watch patch delete"),
        ("reaper.io", "reapertasks/status", "patch"),
        ("reaper.io", "reapertasks/finalizers", "update"),
        ("", "pods", "get list watch create patch delete"),
        ("", "events", "create get list patch"),
        ("coordination.k8s.io", "leases", "create get patch"),
    )
    for verb in verbs.split()
]


WEBHOOKS = "reaper-operator-webhooks"
CONFIGURATIONS = ("ValidatingWebhookConfiguration", "MutatingWebhookConfiguration")
OF_WEBHOOKS = [
    Right(group, resource, verb)
    for group, resource in (
        ("", "secrets"),
        *(("admissionregistration.k8s.io", f"{kind.lower()}s") for kind in CONFIGURATIONS),
    )
    for verb in ("get", "patch")
]


@cache
def _objects() -> dict[tuple[str, str], Body]:
    return render("admission.webhooks.enabled=true")


def _roles() -> list[Body]:
    return [item for item in planes.operators_rights(_objects()) if "rules" in item]


def _without(role: Body, right: Right) -> Body:
    """A role that does not give this right."""
    rules = [{**rule, "resources": [resource]} for rule in role["rules"] for resource in rule["resources"]]
    for rule in rules:
        if rule["apiGroups"] == [right.group] and rule["resources"] == [right.resource]:
            rule["verbs"] = [verb for verb in rule["verbs"] if verb != right.verb]
    return {**role, "rules": [rule for rule in rules if rule["verbs"]]}


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """With the plugin that asks for the right to finalizers."""
    folder, plugins = tmp_path_factory.mktemp("plane"), ["OwnerReferencesPermissionEnforcement"]
    with planes.running(folder, {USER: GROUP}, plugins=plugins) as plane:
        api = Api(str(plane.kubeconfig()))
        install(api)
        planes.install_operators_rights(api, deepcopy(_objects()), GROUP)
        yield plane


@pytest.fixture
def stage(plane: ControlPlane, tmp_path: Path) -> Iterator[Stage]:
    """All rights, and no Lease and no task of another test."""
    api = Api(str(plane.kubeconfig()))
    stage = Stage(plane, api, tmp_path)
    yield stage
    for replica in stage.replicas:
        replica.end()
    stage.forget()
    for role in _roles():
        planes.install(api, role)
    api.request("DELETE", f"{LEASES}/reaper-operator")


def _take_away(api: Api, right: Right) -> None:
    """Returns when it is in force."""
    for role in _roles():
        planes.install(api, _without(role, right))
    resource, _, subresource = right.resource.partition("/")
    attributes = {"group": right.group, "resource": resource, "subresource": subresource, "verb": right.verb}
    name = WEBHOOKS if right in OF_WEBHOOKS else "reaper-operator"
    attributes |= {"namespace": "reaper-system", "name": "" if right.verb == "create" else name}
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {"user": USER, "groups": [GROUP], "resourceAttributes": attributes},
    }

    def gone() -> bool:
        answer = api.request("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", review)
        return not answer.ok()["status"]["allowed"]

    eventually(f"{USER} has lost {right}", 10, gone)


def _story(stage: Stage) -> Iterator[None]:
    """All that takes a right. Where the operator cannot go on it stands still, and is to be asked again."""
    brief, paused, silent = stage.add_task(ttlSecondsAfterFinished=0), stage.add_task(), stage.add_task()
    while stage.let_go() < 3:
        yield
    stage.end(brief)
    stage.bind(silent)  # and its node says nothing: Events are read
    for suspend, phase in ((True, "Suspended"), (False, "Pending"), (True, "Suspended")):
        stage.suspend(paused, suspend=suspend)
        while stage.phase(paused) != phase:
            yield
    while stage.phase(brief) != "":
        yield


def test_with_all_rights_nothing_fails(stage: Stage) -> None:
    """The story is one that can be told."""
    story, replica = _story(stage), stage.add_replica(USER, **SHORT)
    eventually("the story is over", 40, lambda: next(story, "over") == "over")
    assert "cannot" not in replica.log


def test_these_are_all_rights_of_the_chart() -> None:
    rules = [rule for role in _roles() for rule in role["rules"]]
    given = {
        (rule["apiGroups"][0], name, verb) for rule in rules for name in rule["resources"] for verb in rule["verbs"]
    }
    assert given == {*RIGHTS, *OF_WEBHOOKS}


@pytest.mark.parametrize("right", RIGHTS, ids=lambda right: f"{right.verb}-{right.resource}")
def test_without_a_right_something_fails(stage: Stage, right: Right) -> None:
    _take_away(stage.api, right)
    story = _story(stage)
    replica = stage.add_replica(USER, **SHORT)

    def complains() -> bool:
        next(story, None)
        return right.complaint in replica.log

    eventually(f"the log has: {right.complaint}", 40, complains)


@pytest.fixture
def webhooks(stage: Stage) -> Iterator[Stage]:
    """What Helm makes for webhooks, as at first: without a certificate, and with nobody who answers."""
    names = [("Secret", WEBHOOKS), *((kind, WEBHOOKS) for kind in CONFIGURATIONS)]
    for name in names:
        planes.install(stage.api, deepcopy(_objects()[name]))
    yield stage
    for replica in stage.replicas:
        replica.end()
    stage.api.request("DELETE", f"/api/v1/namespaces/reaper-system/secrets/{WEBHOOKS}")
    for kind in CONFIGURATIONS:
        stage.api.request("DELETE", f"/apis/admissionregistration.k8s.io/v1/{kind.lower()}s/{WEBHOOKS}")


@pytest.mark.parametrize("right", OF_WEBHOOKS, ids=lambda right: f"{right.verb}-{right.resource}")
def test_without_a_right_of_the_webhooks_something_fails(webhooks: Stage, right: Right) -> None:
    _take_away(webhooks.api, right)
    address = f"127.0.0.1:{free_port()}"
    replica = webhooks.add_replica(USER, webhook_address=address, webhook_hosts="127.0.0.1", **SHORT)
    eventually(f"the log has: {right.complaint}", 40, lambda: right.complaint in replica.log)
