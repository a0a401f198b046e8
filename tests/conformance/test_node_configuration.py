"""The node installer's drop-in and image, judged by real containerds: one that replaces tables and one that merges."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from reaper_node import containerd, dropin, placeholder
from reaper_node.errors import CommandError, NodeError
from reaper_node.host import ChrootHost
from tests.conformance.containerd import BUNDLE, Containerd, newest_programs
from tests.patience import patience

if TYPE_CHECKING:
    from collections.abc import Callable

KUBERNETES = """\
version = 2
imports = ["{folder}/*.toml"]
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "registry.k8s.io/pause:3.10"
[plugins."io.containerd.grpc.v1.cri".containerd]
default_runtime_name = "runc"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
SystemdCgroup = true
"""
BARE = 'version = 2\nimports = ["{folder}/*.toml"]\n'


class ThisMachine(ChrootHost):
    """The machine that runs the tests: its own files and programs."""

    def __init__(self) -> None:
        super().__init__("/")

    def run(self, *command: str, stdin: bytes = b"", timeout: float = 60) -> str:
        done = subprocess.run(command, input=stdin, capture_output=True, check=False, timeout=patience(timeout))
        if done.returncode != 0:
            raise CommandError(" ".join(command), done.returncode, done.stdout.decode(), done.stderr.decode())
        return done.stdout.decode()


def config_default(binary: Path, folder: Path) -> str:
    """What an administrator gets from `containerd config default`, with our folder imported."""
    text = subprocess.run([binary, "config", "default"], check=True, capture_output=True, text=True).stdout
    lines = [line for line in text.splitlines() if not line.startswith("imports =")]
    return f'imports = ["{folder}/*.toml"]\n' + "\n".join(lines)


CONFIGURATIONS: dict[str, Callable[[Path, Path], str]] = {
    "kubernetes": lambda _binary, folder: KUBERNETES.format(folder=folder),
    "default": config_default,
}


@pytest.fixture(params=["debian", "newest"])
def programs(request: pytest.FixtureRequest) -> Path:
    """containerd 1.6, which replaces tables, and 2.x, which merges them."""
    return Path("/usr/bin") if request.param == "debian" else newest_programs()


def daemon(programs: Path, config: Path) -> containerd.Daemon:
    binary = str(programs / "containerd")
    merges = containerd.merges(ThisMachine().run(binary, "--version"))
    return containerd.Daemon(pid=1, binary=binary, config=str(config), started=0, merges=merges)


def resolved(found: containerd.Daemon) -> dict[str, Any]:
    return containerd.handlers(containerd.resolved_plugins(ThisMachine(), found))


@pytest.mark.parametrize("kind", CONFIGURATIONS)
def test_containerd_takes_the_drop_in_and_keeps_all_else(programs: Path, tmp_path: Path, kind: str) -> None:
    """docs/nodes.md, "What a node needs": `containerd config dump` differs in our handler alone."""
    main, folder = tmp_path / "config.toml", tmp_path / "conf.d"
    main.write_text(CONFIGURATIONS[kind](programs / "containerd", folder))
    found = daemon(programs, main)
    before = resolved(found)

    assert dropin.ensure(ThisMachine(), found, str(folder))
    assert not dropin.ensure(ThisMachine(), found, str(folder))

    after = resolved(found)
    assert after.pop("reaper-v2")["runtime_path"] == "/opt/reaper/current/bin/containerd-shim-reaper-v2"
    assert after == before
    assert dropin.remove(ThisMachine(), str(folder))
    assert resolved(found) == before


def test_a_main_file_that_leaves_runtimes_to_defaults(programs: Path, tmp_path: Path) -> None:
    """Fine where tables are merged. Where they are replaced it would take runc away, and is refused."""
    main, folder = tmp_path / "config.toml", tmp_path / "conf.d"
    main.write_text(BARE.format(folder=folder))
    found = daemon(programs, main)
    before = resolved(found)

    if found.merges:
        assert dropin.ensure(ThisMachine(), found, str(folder))
        assert set(resolved(found)) == {*before, "reaper-v2"}
    else:
        with pytest.raises(NodeError, match="containerd config default"):
            dropin.ensure(ThisMachine(), found, str(folder))
        assert resolved(found) == before


def test_the_placeholder_image_is_imported_unpacked_and_removed(programs: Path) -> None:
    """docs/nodes.md, "What is put on a node": the image placeholder, pinned."""
    with Containerd(programs, BUNDLE) as running:
        socket = str(running.folder / "c.sock")
        assert placeholder.ensure(ThisMachine(), socket)
        assert not placeholder.ensure(ThisMachine(), socket)
        listed = containerd.ctr(ThisMachine(), socket, "--namespace", "k8s.io", "images", "check")
        assert "complete (2/2)" in listed
        placeholder.remove(ThisMachine(), socket)
        names = containerd.ctr(ThisMachine(), socket, "--namespace", "k8s.io", "images", "ls", "--quiet")
        assert names.strip() == ""
