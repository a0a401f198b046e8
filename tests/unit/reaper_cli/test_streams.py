"""No character ends a program, and none is lost where somebody reads on."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

POD = """\
apiVersion: v1
kind: Pod
metadata: {name: p}
spec:
  runtimeClassName: reaper-v2
  containers:
    - {name: main, image: placeholder, command: [/bin/echo, "\u65e5\u672c"]}
"""
VALIDATE = "from reaper_cli.validate import main; main()"
PLUGIN = "from reaper_cli.main import main; main()"


@pytest.fixture
def pod(tmp_path: Path) -> str:
    path = tmp_path / "pod.yaml"
    path.write_text(POD, encoding="utf-8")
    return str(path)


def environment(encoding: str) -> dict[str, str]:
    return {**os.environ, "PYTHONIOENCODING": encoding}


@pytest.mark.parametrize("encoding", ["cp1252", "latin1", "cp437", "utf-8"])
@pytest.mark.parametrize(
    ("code", "words", "expected"), [(VALIDATE, (), "\u2705 Pod p"), (PLUGIN, ("convert",), "\u65e5\u672c")]
)
def test_a_file_or_pipe_gets_utf_8(pod: str, encoding: str, code: str, words: tuple[str, ...], expected: str) -> None:
    command = [sys.executable, "-c", code, *words, pod]
    done = subprocess.run(command, env=environment(encoding), check=True, capture_output=True)
    assert expected in done.stdout.decode()


@pytest.mark.parametrize("encoding", ["cp1252", "latin1", "cp437"])
def test_a_terminal_gets_a_question_mark_for_what_it_does_not_have(pod: str, encoding: str) -> None:
    ours, theirs = os.openpty()
    command = [sys.executable, "-c", VALIDATE, pod]
    with subprocess.Popen(command, env=environment(encoding), stdout=theirs) as process:
        os.close(theirs)
        printed = b"".join(iter(lambda: _read(ours), b""))
        os.close(ours)
        assert process.wait(20) == 0
    assert b"? Pod p is valid" in printed


@pytest.mark.parametrize(
    ("code", "words", "exit_code"), [(VALIDATE, (), 2), (PLUGIN, ("convert",), 1), (PLUGIN, ("validate",), 2)]
)
def test_a_full_disk_is_a_sentence(pod: str, code: str, words: tuple[str, ...], exit_code: int) -> None:
    """And no finding: 1 is what reaper-validate ends with where it has one."""
    command = [sys.executable, "-c", code, *words, pod]
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.stderr.splitlines()[-1] == "error: No space left on device"
    assert "Traceback" not in done.stderr
    assert done.returncode == exit_code


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 4096)
    except OSError:  # EIO: the other side is gone
        return b""
