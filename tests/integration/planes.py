"""A control plane for the tests of one module, with what they need of the chart."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from cluster.cli import Application
from cluster.host.commands import Processes
from cluster.host.console import Console
from reaper_api.vocabulary import ALLOWED, LABEL_ALLOW
from tests.integration.charts import ROOT
from tests.integration.control_plane import ControlPlane
from tests.integration.replicas import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from tests.integration.api import Api

CRD = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/reapertasks.reaper.io"
PATIENCE = 30.0  # seconds for a controller of Kubernetes, or for a policy to be in force

Body = dict[str, Any]
_COMPONENT = "app.kubernetes.io/component"
_PLURALS = {
    "MutatingAdmissionPolicy": "mutatingadmissionpolicies",
    "ValidatingAdmissionPolicy": "validatingadmissionpolicies",
    "RuntimeClass": "runtimeclasses",
}


@contextmanager
def running(
    folder: Path, users: Mapping[str, str], *, plugins: Sequence[str] = (), flags: Sequence[str] = ()
) -> Iterator[ControlPlane]:
    """One that has nothing but users and their groups. `plugins` of admission beyond the usual ones, and more `flags`
    of the API server."""
    programs = Application(Processes(), Console(sys.stderr)).programs
    kubernetes, etcd = programs.slot("kubernetes"), programs.slot("etcd")
    if not (kubernetes.exists() and etcd.exists()):
        pytest.fail("there are no programs for a control plane: run `make control-plane`")
    plane = ControlPlane(folder, kubernetes, etcd, users, plugins=plugins, flags=flags)
    try:
        plane.start()
        yield plane
    finally:
        plane.stop()


def install(api: Api, item: Body) -> None:
    """An object of the chart, where it belongs."""
    metadata, kind = item["metadata"], item["kind"]
    root = f"/apis/{item['apiVersion']}" if "/" in item["apiVersion"] else f"/api/{item['apiVersion']}"
    where = f"/namespaces/{metadata['namespace']}" if "namespace" in metadata else ""
    api.apply(f"{root}{where}/{_PLURALS.get(kind, f'{kind.lower()}s')}/{metadata['name']}", item)


def operators_rights(objects: Mapping[tuple[str, str], Body]) -> list[Body]:
    """Those of the chart's objects that give the operator its rights."""
    of_operator = [o for o in objects.values() if o["metadata"].get("labels", {}).get(_COMPONENT) == "operator"]
    return [item for item in of_operator if item["apiVersion"].startswith("rbac.")]


def install_operators_rights(api: Api, objects: Mapping[tuple[str, str], Body], group: str) -> None:
    """Give the operator's rights, and no others, to a group of users."""
    for item in operators_rights(objects):
        if item["kind"].endswith("Binding"):
            item["subjects"] = [{"kind": "Group", "apiGroup": "rbac.authorization.k8s.io", "name": group}]
        install(api, item)


def install_crd(api: Api, crd: Body | None = None) -> Body:
    """A CRD of ReaperTask, by default that of this checkout; it is served when this returns."""
    wanted = crd or yaml.safe_load((ROOT / "crds" / "reapertask.yaml").read_text())
    generation = api.apply(CRD, wanted)["metadata"]["generation"]
    found: Body = {}

    def served() -> bool:
        found.update(api.request("GET", CRD).ok())
        conditions = {c["type"]: c["status"] for c in found.get("status", {}).get("conditions") or ()}
        return found["metadata"]["generation"] == generation and conditions.get("Established") == "True"

    eventually("the CRD is established", PATIENCE, served)
    return found


def make_namespace(api: Api, name: str = "") -> str:
    """A namespace in which Pods can be made and host processes may run; its name. Without one, the API server makes one
    up."""
    metadata = {"name": name, "generateName": "reaper-integration-", "labels": {LABEL_ALLOW: ALLOWED}}
    name = api.request("POST", "/api/v1/namespaces", {"metadata": metadata}).ok()["metadata"]["name"]
    until_pods_may_be_in(api, name)
    return name


def until_pods_may_be_in(api: Api, namespace: str) -> None:
    """Wait for the service account that a controller makes."""
    account = f"/api/v1/namespaces/{namespace}/serviceaccounts/default"
    eventually(f"{namespace} has a service account", PATIENCE, lambda: api.request("GET", account).status == 200)
