"""The same tests for `reaper-runtime` and for `runc`: a test that runc fails is a defect of the test."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.conformance.containerd import BUNDLE
from tests.conformance.oci.runtime import OciRuntime

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


REAPER = BUNDLE / "bin" / "reaper-runtime"


@pytest.fixture(scope="session", autouse=True)
def overlays_go_with_the_tests() -> Iterator[None]:
    """Those that were there before stay."""
    before = overlays()
    yield
    if made := sorted(overlays() - before):
        subprocess.run([REAPER, "overlay", "reset", *made], check=True)


def overlays() -> set[str]:
    """The names of all on this machine."""
    shown = subprocess.run([REAPER, "overlay", "list", "--no-sizes", "-o", "json"], check=True, capture_output=True)
    return {each["name"] for each in json.loads(shown.stdout)}


@pytest.fixture
def make_oci(rootfs: Path) -> Iterator[Callable[[str], OciRuntime]]:
    """A runtime by its name, with a state directory of its own; what is left in it is deleted at the end."""
    made: list[OciRuntime] = []
    rootfs.chmod(0o755)  # for users of runc's containers that are not root

    def make(name: str) -> OciRuntime:
        found = REAPER if name == "reaper" else Path(shutil.which("runc") or "/none")
        assert found.exists(), f"{name} is missing: make runtime, apt-get install runc"
        folder = Path(tempfile.mkdtemp(prefix="oci-", dir="/tmp"))
        made.append(OciRuntime(name, found, rootfs, folder))
        return made[-1]

    yield make
    for runtime in made:
        runtime.close()
        shutil.rmtree(runtime.folder)


@pytest.fixture(params=["reaper", "runc"])
def oci(request: pytest.FixtureRequest, make_oci: Callable[[str], OciRuntime]) -> OciRuntime:
    """Each of the two in turn."""
    return make_oci(request.param)


@pytest.fixture
def ours(make_oci: Callable[[str], OciRuntime]) -> OciRuntime:
    """Ours alone: for what a host process has and a container has not, or what runc does otherwise."""
    return make_oci("reaper")
