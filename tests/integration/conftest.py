"""Real API servers for the tests that need one. Without them they fail: a skipped proof is none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.integration import planes
from tests.integration.api import Api
from tests.integration.tenancy import PEOPLE, Tenancy

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def kubeconfig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """That of a control plane of the tests' own, in which nobody but they does anything."""
    with planes.running(tmp_path_factory.mktemp("plane"), {}) as plane:
        yield str(plane.kubeconfig())


@pytest.fixture(scope="session")
def api(kubeconfig: str) -> Api:
    """A bare client of it."""
    return Api(kubeconfig)


@pytest.fixture(scope="session")
def crd(api: Api) -> dict[str, Any]:
    """The generated CRD as the API server has it, established."""
    return planes.install_crd(api)


@pytest.fixture(scope="session")
def tasks(api: Api, crd: dict[str, Any]) -> str:
    """The path of the ReaperTasks of a namespace."""
    return f"/apis/reaper.io/v1alpha1/namespaces/{planes.make_namespace(api)}/reapertasks"


@pytest.fixture(scope="session")
def tenancy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tenancy]:
    """A control plane with the chart's policies in force and people who share it."""
    with planes.running(tmp_path_factory.mktemp("plane"), dict.fromkeys(PEOPLE, "people")) as plane:
        tenancy = Tenancy(plane)
        tenancy.install()
        yield tenancy
