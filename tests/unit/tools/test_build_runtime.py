"""The shim's shell script: `delete` where nothing is left is answered by it, and everything else by Python."""

from __future__ import annotations

import shutil
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from build_runtime import DELETE, LAUNCHER
from reaper_runtime.shim.delete import KILLED
from reaper_runtime.wire.messages import DeleteResponse

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Call = Callable[..., bytes]

SHELLS = [shell for shell in (["dash"], ["bash"], ["busybox", "sh"]) if shutil.which(shell[0])]
FLAGS = ("-namespace", "k8s.io", "-address", "/c.sock", "-publish-binary", "/containerd", "-id", "c1", "-bundle")
PYTHON = b"python"


@pytest.fixture(params=SHELLS, ids=lambda shell: shell[0])
def call(request: pytest.FixtureRequest, tmp_path: Path) -> Call:
    """What the script prints, with a program in the place of the interpreter that says so."""
    script = tmp_path / "bin" / "shim"
    for folder in ("bin", "lib", "bundle", "run/state/k8s.io/pod", "run/tasks"):
        (tmp_path / folder).mkdir(parents=True)
    first = DELETE.replace("RUN", str(tmp_path / "run"))
    script.write_text(LAUNCHER.format(loader="loader", python="python", arguments="-c x", first=first))
    (tmp_path / "lib" / "loader").write_text("#!/bin/sh\nprintf python\n")
    (tmp_path / "lib" / "loader").chmod(0o755)

    def run(*arguments: str) -> bytes:
        return subprocess.run([*request.param, script, *arguments], check=True, stdout=subprocess.PIPE).stdout

    return run


def test_where_nothing_is_left_the_answer_is_that_of_delete(call: Call, tmp_path: Path) -> None:
    (tmp_path / "run" / "state" / "k8s.io" / "pod" / "another").touch()
    (tmp_path / "bundle" / "address").write_text("unix:///none/s")
    before = int(time.time())
    answer = DeleteResponse.decode(call(*FLAGS, str(tmp_path / "bundle"), "delete"))
    assert (answer.pid, answer.exit_status) == (0, KILLED)
    assert answer.exited_at is not None
    assert before <= answer.exited_at.seconds <= time.time()


@pytest.mark.parametrize(
    "left",
    [
        "state/k8s.io/c1/~", "state/k8s.io/c1/c1", "state/k8s.io/pod/c1", "state/k8s.io/pod/c1~",
        "tasks/k8s.io@c1", "tasks/k8s.io@c1~",
    ],
)  # fmt: skip
def test_with_anything_recorded_it_is_pythons(call: Call, tmp_path: Path, left: str) -> None:
    path = tmp_path / "run" / left
    path.parent.mkdir(exist_ok=True)
    path.touch()
    assert call(*FLAGS, str(tmp_path / "bundle"), "delete") == PYTHON


def test_with_a_socket_it_is_pythons(call: Call, tmp_path: Path) -> None:
    (tmp_path / "socket").touch()
    (tmp_path / "bundle" / "address").write_text(f"unix://{tmp_path}/socket")
    assert call(*FLAGS, str(tmp_path / "bundle"), "delete") == PYTHON


@pytest.mark.parametrize(
    "arguments",
    [
        (), ("-v",), (*FLAGS, "/b", "start"), ("delete",), ("-id", "c1", "delete"),
        ("-namespace", "n", "-id", "..", "delete"), ("-namespace", "n", "-id", "a/b", "delete"),
        ("-namespace", "n", "-id", "*", "delete"), ("-namespace=n", "-id=c1", "delete"),
        ("-namespace", "n", "-id", "c1", "delete", "more"), ("-namespace", "n m", "-id", "c1", "delete"),
    ],
)  # fmt: skip
def test_all_else_is_pythons(call: Call, arguments: tuple[str, ...]) -> None:
    assert call(*arguments) == PYTHON
