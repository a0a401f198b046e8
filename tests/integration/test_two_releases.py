"""Two releases of the chart in one cluster: what each refuses, the other does not allow."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.integration.planes import until_pods_may_be_in
from tests.integration.sentences import ATTRIBUTES, wrong_id
from tests.integration.tenancy import Tenancy, chart, pod, until

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.timeout(180)

DRY = ("--dry-run=server",)
UID = "securityContext.runAsUser of the Pod or of every container"


@contextmanager
def second_release(tenancy: Tenancy, name: str, *settings: str) -> Iterator[None]:
    """One with policies of its own, whose administrator allows fewer users everywhere."""
    settings = ("admission.access.uids=0\\,1000-59999", "admission.access.gids=100-59999", *settings)
    objects = [item for item in chart(*settings, release=name) if "Validating" in item["kind"]]
    tenancy.apply(*objects)
    probe = pod("probe", securityContext={"runAsUser": 70000, "runAsGroup": 100})
    try:
        until("it is in force", lambda: name in tenancy.admin.create("open", probe, words=DRY).err)
        yield
    finally:
        for item in reversed(objects):
            tenancy.admin.kubectl("delete", item["kind"], item["metadata"]["name"]).ok()


def test_users_and_groups_of_the_whole_cluster(tenancy: Tenancy) -> None:
    metadata = {"name": "both", "labels": {"reaper.io/allow": "true"}, "annotations": {"reaper.io/uids": "0-2000"}}
    tenancy.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
    until_pods_may_be_in(tenancy.api, "both")

    def refusal(namespace: str, **security: int) -> tuple[str, str]:
        return tenancy.admin.create(namespace, pod("p", securityContext=security), words=DRY).refusal

    with second_release(tenancy, "strict"):
        everywhere = wrong_id("uid", 7, UID, "0,1000-59999", "open")
        of_both = wrong_id("uid", 7, UID, "0,1000-59999 that is also one of 0-2000", "both")
        group = wrong_id("gid", 0, ATTRIBUTES, "100-59999", "open")
        assert refusal("open", runAsUser=7, runAsGroup=100) == ("strict-access-pods", everywhere)
        assert refusal("open", runAsUser=1000) == ("strict-access-pods", group)
        assert refusal("both", runAsUser=7, runAsGroup=100) == ("strict-access-pods", of_both)
        tenancy.admin.create("open", pod("p", securityContext={"runAsGroup": 100}), words=DRY).ok()


def test_a_warning_lets_pass(tenancy: Tenancy) -> None:
    with second_release(tenancy, "soft", "admission.access.action=Warn"):
        body = pod("p", securityContext={"runAsUser": 7, "runAsGroup": 100})
        done = tenancy.admin.create("open", body, words=DRY)

    assert done.code == 0
    warning = "Validation failed for ValidatingAdmissionPolicy 'soft-access-pods' with binding 'soft-access-pods'"
    assert f"Warning: {warning}: {wrong_id('uid', 7, UID, '0,1000-59999', 'open')}" in done.err
