"""A real API server for the tests that need one. Without it they fail: a skipped proof is none."""

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.integration.api import Api

ROOT = Path(__file__).parents[2]
CRD = ROOT / "crds" / "reapertask.yaml"
PATIENCE = 20.0  # seconds until a CRD is served


@pytest.fixture(scope="session")
def api() -> Api:
    """The cluster of $KUBECONFIG, else the one that `make cluster` makes."""
    path = os.environ.get("KUBECONFIG") or str(ROOT / ".tools" / "kubeconfig")
    if not Path(path).is_file():
        pytest.fail(f"no cluster for integration tests: there is no {path}. Run `make cluster`, or set KUBECONFIG")
    return Api(path)


@pytest.fixture(scope="session")
def crd(api: Api) -> dict[str, Any]:
    """The generated CRD as the API server has it, established. Installed if it is not there; never changed if it is,
    because then it belongs to whoever installed it."""
    manifest = yaml.safe_load(CRD.read_text())
    path = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{manifest['metadata']['name']}"
    found = api.request("GET", path)
    if found.status == 404:
        api.apply(path, manifest)
    else:
        would_be = api.apply(path, manifest, dryRun="All")
        if would_be["spec"] != found.ok()["spec"]:
            pytest.fail("the cluster has another CRD than crds/reapertask.yaml: upgrade the chart, or apply that file")
    deadline = time.monotonic() + PATIENCE
    while not _is(established := api.request("GET", path).ok(), "Established"):
        assert time.monotonic() < deadline, established["status"]
    return established


@pytest.fixture(scope="session")
def tasks(api: Api, crd: dict[str, Any]) -> Iterator[str]:
    """The path of the ReaperTasks of a namespace that goes away afterwards."""
    manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"generateName": "reaper-integration-"}}
    name = api.request("POST", "/api/v1/namespaces", manifest).ok()["metadata"]["name"]
    yield f"/apis/reaper.io/v1alpha1/namespaces/{name}/reapertasks"
    api.request("DELETE", f"/api/v1/namespaces/{name}").ok()


def _is(crd: dict[str, Any], kind: str) -> bool:
    return any(c["type"] == kind and c["status"] == "True" for c in crd.get("status", {}).get("conditions", []))
