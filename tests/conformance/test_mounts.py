"""The `mounts` and `root.readonly` of config.json (OCI runtime-spec config.md, "Mounts", "Root"), for both shims."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.conformance.shim import Container, Shim


def bind(source: Path, *options: str) -> dict[str, Any]:
    return {"destination": "/data", "type": "bind", "source": str(source), "options": ["rbind", "rprivate", *options]}


def finished(task: Container) -> tuple[str, int]:
    """Output and exit code."""
    task.start()
    code = task.wait()
    task.delete()
    return task.stdout.text(), code


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source"
    path.mkdir()
    (path / "file").write_text("of the volume\n")
    return path


def test_a_bind_is_seen_and_written(shim: Shim, source: Path) -> None:
    """OCI runtime-spec, config.md, "Mounts": a bind of a directory."""
    script = "cat /data/file; echo back > /data/answer"
    task = shim.create("c", "/bin/sh", "-c", script, mounts=[bind(source, "rw")])
    assert finished(task) == ("of the volume\n", 0)
    assert (source / "answer").read_text() == "back\n"


def test_a_file_can_be_bound(shim: Shim, source: Path) -> None:
    """OCI runtime-spec, config.md, "Mounts": source may be a file."""
    mount = {**bind(source / "file"), "destination": "/etc/some/new/file"}
    assert finished(shim.create("c", "/bin/cat", "/etc/some/new/file", mounts=[mount])) == ("of the volume\n", 0)


def test_a_read_only_bind_is_not_written(shim: Shim, source: Path) -> None:
    """OCI runtime-spec, config.md, "Mounts": the option ro."""
    script = "cat /data/file; echo > /data/answer"
    _, code = finished(shim.create("c", "/bin/sh", "-c", script, mounts=[bind(source, "ro")]))
    assert code != 0
    assert not (source / "answer").exists()


def test_noexec_holds(shim: Shim, source: Path) -> None:
    """OCI runtime-spec, config.md, "Mounts": the option noexec."""
    (source / "run").write_text("#!/bin/sh\n")
    (source / "run").chmod(0o755)
    task = shim.create("c", "/bin/sh", "-c", "/data/run", mounts=[bind(source, "noexec")])
    assert finished(task)[1] == 126


def test_a_tmpfs_has_its_size(shim: Shim) -> None:
    """OCI runtime-spec, config.md, "Mounts": type tmpfs, with options of its own (tmpfs(5))."""
    mount = {"destination": "/cache", "type": "tmpfs", "source": "tmpfs", "options": ["size=64k", "mode=0700"]}
    task = shim.create("c", "/bin/sh", "-c", "stat -f -c %b /cache; stat -c %a /cache", mounts=[mount])
    assert finished(task) == ("16\n700\n", 0)


def test_later_mounts_go_over_earlier_ones(shim: Shim, source: Path, tmp_path: Path) -> None:
    """OCI runtime-spec, config.md, "Mounts": in the listed order."""
    (tmp_path / "over").mkdir()
    mounts = [bind(source), bind(tmp_path / "over")]
    assert finished(shim.create("c", "/bin/ls", "/data", mounts=mounts)) == ("", 0)


def test_two_containers_do_not_see_each_others(shim: Shim, source: Path) -> None:
    """docs/runtime.md, "Volumes": mounted for this container alone."""
    first = shim.create("one", "/bin/cat", "/data/file", mounts=[bind(source)])
    assert finished(first)[1] == 0
    second = shim.create("two", "/bin/cat", "/data/file")
    assert finished(second)[1] != 0


def test_an_exec_sees_them(shim: Shim, source: Path) -> None:
    """containerd, api/runtime/task/v3/shim.proto, Exec: one more process in the container, with all that it sees."""
    task = shim.create("c", "/bin/sleep", "60", mounts=[bind(source)])
    task.start()
    output = task.exec("e", "/bin/cat", "/data/file")
    task.start("e")
    assert task.wait("e") == 0
    task.delete("e")
    assert output.text() == "of the volume\n"


def test_a_read_only_root_leaves_volumes_writable(shim: Shim, source: Path) -> None:
    """OCI runtime-spec, config.md, "Root": readonly."""
    script = "echo > /data/answer && ! echo > /etc/conformance && ! echo > /conformance"
    task = shim.create("c", "/bin/sh", "-c", script, mounts=[bind(source)], readonly=True)
    assert finished(task)[1] == 0
    assert (source / "answer").exists()


@pytest.mark.parametrize("readonly", [False, True])
def test_a_missing_working_directory_is_made(shim: Shim, *, readonly: bool) -> None:
    """docs/runtime.md, "Applied": workingDir, made where it is missing, as runc does."""
    task = shim.create("c", "/bin/pwd", cwd="/made/for/this", readonly=readonly)
    assert finished(task) == ("/made/for/this\n", 0)
    assert not Path("/made").exists()
