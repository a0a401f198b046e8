"""`kubectl reaper local run`: a ReaperTask on this machine through the real runtime. Takes root, as the others here."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.patience import patience
from typist import Typist

COMMAND = [sys.executable, "-c", "from reaper_cli.main import main; main()", "local", "run"]
HEAD = "kind: ReaperTask\nmetadata: {name: t}\nspec:\n"


def task(tmp_path: Path, script: str, more: str = "") -> list[str]:
    """The command line that runs a shell script as a task."""
    indented = "\n".join(f"      {line}" for line in script.splitlines())
    path = tmp_path / "task.yaml"
    path.write_text(f"{HEAD}  command: [/bin/sh, -c]\n  args:\n    - |\n{indented}\n{more}")
    return [*COMMAND, "-f", str(path)]


def run(tmp_path: Path, script: str, more: str = "", *flags: str) -> subprocess.CompletedProcess[str]:
    command = [*task(tmp_path, script, more), *flags]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=patience(50), stdin=subprocess.DEVNULL
    )


def leftovers() -> set[str]:
    mounts = {line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()}
    return {mount for mount in mounts if "reaper-local" in mount} | {
        path.name for path in Path("/tmp").glob("reaper-local-*")
    }


def test_output_exit_code_user_variables_and_directory(tmp_path: Path) -> None:
    """docs/kubectl-reaper.md, "local run": user, environment, exit code as on a node."""
    more = "  env: [{name: A, value: b}]\n  user: {uid: 12, gid: 34}\n  workingDir: /var/tmp\n"
    done = run(tmp_path, 'echo "$(id -u):$(id -g) $A $PWD"\necho oops >&2\nexit 3', more, "-q")
    assert (done.returncode, done.stdout, done.stderr) == (3, "12:34 b /var/tmp\n", "oops\n")


def test_what_is_written_is_gone_with_the_process(tmp_path: Path) -> None:
    """docs/kubectl-reaper.md, "local run": what the process writes is gone with it."""
    before = leftovers()
    marker = Path(f"/etc/reaper-local-{os.getpid()}")
    done = run(tmp_path, f"echo x > {marker} && cat {marker}")
    assert (done.returncode, done.stdout) == (0, "x\n")
    assert not marker.exists()
    assert leftovers() == before


def test_on_this_machine_it_stays(tmp_path: Path) -> None:
    """docs/kubectl-reaper.md, "local run": with --on-this-machine it stays."""
    marker = tmp_path / "marker"
    assert run(tmp_path, f"echo x > {marker}", "", "--on-this-machine").returncode == 0
    assert marker.read_text() == "x\n"


def test_volumes_and_secrets_are_there(tmp_path: Path) -> None:
    """docs/kubectl-reaper.md, "local run": volumes; Secrets and ConfigMaps stand in the same files."""
    more = "  volumes:\n    - {name: s, mountPath: /etc/s, secret: {secretName: s}}\n"
    more += "    - {name: e, mountPath: /e, emptyDir: {}}\n"
    more += "---\nkind: Secret\nmetadata: {name: s}\nstringData: {key: sesame}\n"
    done = run(tmp_path, "cat /etc/s/key; touch /e/x /etc/s/y 2>/dev/null; ls /e", more)
    assert done.stdout == "sesamex\n"


def test_a_program_that_is_not_there_is_said(tmp_path: Path) -> None:
    """docs/runtime.md, "Refused": a program that is not on the node, by its name."""
    path = tmp_path / "task.yaml"
    path.write_text(f"{HEAD}  command: [/no/such/program]\n")
    done = subprocess.run(
        [*COMMAND, "-f", str(path)], capture_output=True, text=True, check=False, timeout=patience(50)
    )
    assert done.returncode == 1
    assert 'program "/no/such/program" does not exist' in done.stderr


def test_a_stream_that_is_not_wanted_is_discarded(tmp_path: Path) -> None:
    """docs/runtime.md, "Applied": a ReaperTask with stdout: false."""
    done = run(tmp_path, "echo out; echo err >&2", "  stdout: false\n", "-q")
    assert (done.stdout, done.stderr) == ("", "err\n")


def test_a_deadline_ends_it_and_a_process_that_holds_on_is_killed(tmp_path: Path) -> None:
    """docs/kubectl-reaper.md, "local run": deadline; SIGKILL after the grace period, as for a Pod."""
    done = run(
        tmp_path,
        'trap "echo no" TERM\nwhile :; do sleep 0.1; done',
        "  activeDeadlineSeconds: 8\n  terminationGracePeriodSeconds: 1\n",  # its start is part of it
    )
    assert done.returncode == 124
    assert done.stdout.startswith("no\n")
    assert "stopped after 8 s, its activeDeadlineSeconds; it ended with exit code 137" in done.stderr


def test_ctrl_c_goes_to_the_process(tmp_path: Path) -> None:
    """docs/kubectl-reaper.md, "local run": Ctrl-C as on a node."""
    command = task(tmp_path, 'trap "echo interrupted; exit 5" INT\necho ready\nwhile :; do sleep 0.1; done')
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        os.killpg(process.pid, signal.SIGINT)
        assert process.stdout.read() == "interrupted\n"
        assert process.wait(20) == 5


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_the_plugin_alone_ends_the_process(tmp_path: Path, number: signal.Signals) -> None:
    """docs/kubectl-reaper.md, "Exit codes": 130 for SIGTERM and SIGHUP; nothing runs on."""
    before = leftovers()
    script = 'trap "echo asked; exit 5" TERM\necho ready\nwhile :; do sleep 0.1; done'
    process = subprocess.Popen(task(tmp_path, script), stdout=subprocess.PIPE, text=True, start_new_session=True)
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        assert process.stdout.read() == "asked\n"
        assert process.wait(20) == 130
    assert leftovers() == before


def test_a_terminal(tmp_path: Path) -> None:
    """docs/kubectl-reaper.md, "local run": terminal."""
    typist = Typist(task(tmp_path, "tty\nread -r line\necho got $line", "  terminal: true\n  stdin: true\n"))
    typist.wait_for("/dev/pts/")
    typist.type("hello\n")
    typist.wait_for("got hello")
    assert typist.end() == 0


@pytest.mark.parametrize("example", ["hello", "env", "failing"])
def test_examples(example: str) -> None:
    """docs/kubectl-reaper.md, "local run": examples/ run as they are."""
    path = Path(__file__).parents[2] / "examples" / f"{example}.yaml"
    done = subprocess.run(
        [*COMMAND, "-f", str(path)], capture_output=True, text=True, check=False, timeout=patience(50)
    )
    assert done.returncode == (42 if example == "failing" else 0)
