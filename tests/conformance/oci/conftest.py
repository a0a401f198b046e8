"""The same tests for `reaper-runtime` and for `runc`: a test that runc fails is a defect of the test."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.conformance.containerd import BUNDLE
from tests.conformance.oci.runtime import OciRuntime

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def make_oci(rootfs: Path) -> Iterator[Callable[[str], OciRuntime]]:
    """A runtime by its name, with a state directory of its own; what is left in it is deleted at the end."""
    made: list[OciRuntime] = []
    rootfs.chmod(0o755)  # for users of runc's containers that are not root

    def make(name: str) -> OciRuntime:
        found = BUNDLE / "bin" / "reaper-runtime" if name == "reaper" else Path(shutil.which("runc") or "/none")
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
