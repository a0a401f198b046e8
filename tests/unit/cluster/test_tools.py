from __future__ import annotations

import hashlib
import io
import tarfile
from typing import TYPE_CHECKING

import pytest

from cluster.build.programs import Programs
from cluster.downloads import Download, downloads, program
from cluster.errors import ClusterError
from cluster.host.commands import Result
from cluster.tools import NAMES, Tools, fits
from cluster.versions import read_versions

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from cluster.host import Host
    from tests.fakes.programs import FakePrograms

VERSIONS = read_versions()


def unreachable(_address: str) -> None:
    return None


def tools(
    host: Host, fetch: Callable[[str], bytes | None] = unreachable, which: Callable[[str], str | None] = unreachable
) -> Tools:
    folder = host.cache.root.parent / "checkout" / ".tools"
    return Tools(host, VERSIONS, Programs(host, VERSIONS), folder, fetch, which)


def published(content: bytes) -> Callable[[str], bytes | None]:
    digest = hashlib.sha256(content).hexdigest()
    return lambda address: f"{digest}  name\n".encode() if "sha256" in address else content


@pytest.mark.parametrize(
    ("name", "found", "wanted", "good"),
    [
        ("kubectl", "v1.36.0", "v1.36.3", True),
        ("kubectl", "v1.37.1", "v1.36.3", True),
        ("kubectl", "v1.34.9", "v1.36.3", False),
        ("kubectl", "v2.36.0", "v1.36.3", False),
        ("kind", "v0.33.0", "v0.33.0", True),
        ("kind", "v0.32.0", "v0.33.0", False),
        ("helm", "v3.22.0", "v4.3.1", True),
        ("helm", "v4.0.0", "v4.3.1", True),
        ("helm", "v2.17.0", "v4.3.1", False),
    ],
)
def test_which_installed_programs_will_do(name: str, found: str, wanted: str, good: bool) -> None:  # noqa: FBT001
    assert fits(name, found, wanted) is good


def test_programs_in_the_path_are_linked(host: Host, programs: FakePrograms) -> None:
    programs.answers |= {
        "/usr/bin/kubectl version": Result(0, f"Client Version: {VERSIONS.kubernetes}\n"),
        "/usr/bin/kind version": Result(0, f"kind {VERSIONS.kind} go1.26 linux/amd64\n"),
        "/usr/bin/helm version": Result(0, f"{VERSIONS.helm}+g123\n"),
    }
    there = tools(host, which=lambda name: f"/usr/bin/{name}")
    there.ensure()
    assert [str(there.path(name).readlink()) for name in NAMES] == [f"/usr/bin/{name}" for name in NAMES]


def test_what_is_linked_already_costs_nothing(host: Host, programs: FakePrograms) -> None:
    programs.answers["go build"] = Result(0)
    there = tools(host)
    there.ensure()
    for name in NAMES:  # the fake build makes no files
        there.path(name).readlink().touch()
    programs.asked.clear()
    tools(host, which=lambda name: pytest.fail(f"asked for {name}")).ensure()
    assert programs.asked == []


def test_a_download_is_tried_once_when_nothing_can_be_reached(host: Host, programs: FakePrograms) -> None:
    programs.answers["go build"] = Result(0)
    asked: list[str] = []
    tools(host, fetch=asked.append).ensure()
    assert len(asked) == 1
    assert programs.ran("go build") == len(NAMES)


def test_a_download_is_kept_in_the_cache(host: Host, programs: FakePrograms) -> None:
    there = tools(host, fetch=lambda address: None if "helm" in address else published(b"program")(address))
    programs.answers["go build"] = Result(0)
    there.ensure()
    kind = there.path("kind").resolve()
    assert (kind.read_bytes(), kind.stat().st_mode & 0o777) == (b"program", 0o755)
    assert kind.is_relative_to(host.cache.root)
    assert programs.ran("go build") == 1  # Helm


def test_another_version_is_linked_anew(host: Host, programs: FakePrograms) -> None:
    there = tools(host, fetch=published(b"program"))
    there.path("kind").parent.mkdir(parents=True)
    there.path("kind").symlink_to("/bin/sh")
    (there.folder / "tools.json").write_text('{"kind": "v0.1.0"}')
    programs.answers["go build"] = Result(0)
    with pytest.raises(tarfile.ReadError):  # Helm's is no archive here; kubectl and kind were first
        there.ensure()
    assert there.path("kind").readlink().is_relative_to(host.cache.root)


def test_removing_takes_our_links_only(host: Host, programs: FakePrograms) -> None:
    programs.answers["go build"] = Result(0)
    there = tools(host)
    there.ensure()
    (there.folder / "bin" / "other").touch()
    there.remove()
    assert [path.name for path in (there.folder / "bin").iterdir()] == ["other"]


def test_official_addresses() -> None:
    found = downloads(VERSIONS, "linux-arm64")
    assert found["kubectl"].address == f"https://dl.k8s.io/release/{VERSIONS.kubernetes}/bin/linux/arm64/kubectl"
    assert found["kind"].address == f"https://kind.sigs.k8s.io/dl/{VERSIONS.kind}/kind-linux-arm64"
    assert found["helm"].address == f"https://get.helm.sh/helm-{VERSIONS.helm}-linux-arm64.tar.gz"
    assert found["helm"].member == "linux-arm64/helm"


def test_a_download_is_checked(tmp_path: Path) -> None:
    download = Download("https://example.org/kind", "https://example.org/kind.sha256sum")
    assert program(download, published(b"good")) == b"good"
    assert program(download, unreachable) is None
    with pytest.raises(ClusterError, match="is damaged: its checksum is not the one published"):
        program(download, lambda address: b"0000 kind" if "sha256" in address else b"bad")


def test_a_program_is_taken_out_of_its_archive() -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        member = tarfile.TarInfo("linux-amd64/helm")
        member.size = 4
        tar.addfile(member, io.BytesIO(b"helm"))
    download = Download("https://example.org/helm.tar.gz", "https://example.org/helm.sha256sum", "linux-amd64/helm")
    assert program(download, published(buffer.getvalue())) == b"helm"
