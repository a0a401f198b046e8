"""The conformance suite runs the same tests against our shim and against containerd's own runc shim.

A test that only the reference passes is a defect of ours; one that only we pass is a defect of the test, unless it is
about what a host process has and a container has not (then it asks for `reaper` alone).
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.conformance.cgroups import directories
from tests.conformance.containerd import BUNDLE, SUITES, Containerd, busybox_rootfs, programs_of
from tests.conformance.processes import eventually
from tests.conformance.shim import NAMESPACE, Runtime, Shim
from tests.patience import FACTOR, patience

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def pytest_addoption(parser: pytest.Parser) -> None:
    """The versions between oldest and newest take time that not every run has."""
    parser.addoption("--all-containerds", action="store_true", help="run under containerd 1.7 and 2.1 too")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Tests under a real containerd run once a version."""
    if "version" in metafunc.fixturenames:
        between = SUITES if metafunc.config.getoption("--all-containerds") else ()
        metafunc.parametrize("version", ["debian", *between, "newest"], scope="module")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """pytest-timeout is as patient as the tests are. Other folders' are among the items, and are left alone."""
    usual = float(config.getini("timeout"))
    here = Path(__file__).parent
    for item in items if FACTOR != 1 else ():
        if here not in item.path.parents:
            continue
        marker = item.get_closest_marker("timeout")
        seconds = marker.args[0] if marker is not None else usual
        item.add_marker(pytest.mark.timeout(patience(seconds)), append=False)


@pytest.fixture(scope="module")
def containerd(version: str) -> Iterator[Containerd]:
    """A daemon of each version, with nothing in it."""
    with Containerd(programs_of(version), BUNDLE) as daemon:
        yield daemon


@pytest.fixture(scope="session")
def rootfs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root file system for the containers of the reference: busybox and its names."""
    made = busybox_rootfs(tmp_path_factory.mktemp("rootfs"))
    made.chmod(0o755)  # containers of other users than root enter it too
    return made


@pytest.fixture(scope="session")
def reaper_runtime(rootfs: Path) -> Runtime:
    """Our shim, from the bundle in build/runtime."""
    shim = BUNDLE / "bin" / "containerd-shim-reaper-v2"
    assert shim.exists(), f"{shim} is missing: make runtime"
    return Runtime("reaper", shim, rootfs)


@pytest.fixture(scope="session")
def runc_runtime(rootfs: Path) -> Runtime:
    """containerd's own shim, which needs runc."""
    shim = shutil.which("containerd-shim-runc-v2")
    assert shim is not None, "containerd-shim-runc-v2 is missing: apt-get install containerd runc"
    return Runtime("runc", Path(shim), rootfs)


@pytest.fixture(params=["reaper", "runc"])
def runtime(request: pytest.FixtureRequest) -> Runtime:
    """Each of the two in turn."""
    found: Runtime = request.getfixturevalue(f"{request.param}_runtime")
    return found


@pytest.fixture
def make_shim() -> Iterator[Callable[[Runtime], Shim]]:
    """Makes shims and sees to their end. Socket paths are short: they have 106 bytes in all."""
    shims: list[Shim] = []

    def make(runtime: Runtime, *, bootstrap: bool = True) -> Shim:
        shims.append(Shim(runtime, Path(tempfile.mkdtemp(prefix="shim-", dir="/tmp")), bootstrap=bootstrap))
        return shims[-1]

    yield make
    for shim in shims:
        shim.close()


@pytest.fixture
def shim(runtime: Runtime, make_shim: Callable[..., Shim]) -> Shim:
    """A shim of each runtime. The reference is Debian's, which knows no BootstrapParams."""
    return make_shim(runtime, bootstrap=runtime.name == "reaper")


@pytest.fixture
def reaper(reaper_runtime: Runtime, make_shim: Callable[..., Shim]) -> Shim:
    """A shim of ours."""
    return make_shim(reaper_runtime)


@pytest.fixture(scope="session", autouse=True)
def _no_cgroup_is_left() -> Iterator[None]:
    """docs/runtime.md, "Cgroups": removed when the container ends. Of all shims here, those that were killed too."""
    yield
    eventually(lambda: not directories(f"reaper/{NAMESPACE}*"), what="the removal of all cgroups")


@pytest.fixture(autouse=True)
def _only_root() -> None:
    assert os.geteuid() == 0, "the conformance suite starts containers: run it as root"
