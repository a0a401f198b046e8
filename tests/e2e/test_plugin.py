"""`kubectl reaper`: what a person does with tasks."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from kubectl import ROOT
from manifests import long_sleep, shell, task
from plugin import SECONDS
from waiting import eventually

if TYPE_CHECKING:
    from kubectl import Kubectl, Node
    from plugin import Reaper


def spec(kubectl: Kubectl, name: str) -> dict[str, Any]:
    found: dict[str, Any] = kubectl.get("reapertask", name)["spec"]
    return found


# run


def test_a_commands_output_and_exit_code_are_ours(reaper: Reaper, kubectl: Kubectl) -> None:
    done = reaper.types(
        "run", "hello", "--wait", "-e", "A=b", "-w", "/tmp", "--", "sh", "-c", "echo $A $PWD; exit 3", code=3
    )
    assert done.out == "b /tmp\n"
    assert done.err.splitlines()[0] == f"hello: created in namespace {kubectl.namespace}"
    assert done.err.splitlines()[-1].startswith("hello: Failed: Error: the process ended with exit code 3")


def test_the_output_of_a_quick_process_is_whole(reaper: Reaper) -> None:
    done = reaper.types("run", "counts", "--wait", "-q", "--", "seq", "2000")
    assert done.out.split() == [str(number) for number in range(1, 2001)]
    assert done.err == ""


def test_a_task_gets_its_name_from_its_program_and_goes_with_rm(reaper: Reaper, kubectl: Kubectl) -> None:
    done = reaper.types("run", "--wait", "--rm", "--", "/bin/hostname")
    assert done.out.strip()
    assert re.match(r"hostname-\w+: created in namespace", done.err)
    eventually(lambda: not kubectl.list("reapertasks"), 30, "the task is gone")


def test_on_a_node_as_a_user(reaper: Reaper, kubectl: Kubectl, node: Node) -> None:
    done = reaper.types(
        "run", "who", "--wait", "-q", "--node", node.name, "-u", "1234:5678", "--", "sh", "-c", "hostname; id -u; id -g"
    )
    assert done.out.split() == [node.name, "1234", "5678"]
    assert spec(kubectl, "who")["nodeName"] == node.name


def test_a_program_that_is_not_there_is_125_and_the_cause(reaper: Reaper) -> None:
    done = reaper.types("run", "lost", "--wait", "--", "/no/such/program", code=125)
    assert 'program "/no/such/program" does not exist on node' in done.err
    cause = reaper.types("describe", "lost").out.splitlines()
    assert cause[0].endswith("/lost  Failed")
    assert cause[2].startswith('Cause        program "/no/such/program" does not exist on node')
    assert cause[3].startswith("Try          install the program on node")


def test_input_reaches_the_process_with_its_end(reaper: Reaper) -> None:
    done = reaper.types("run", "counts", "-i", "-q", "--", "wc", "-l", stdin="line\n" * 50_000)
    assert done.out.split() == ["50000"]


def test_a_shell_on_a_node(reaper: Reaper, kubectl: Kubectl) -> None:
    typist = reaper.on_terminal("run", "sh", "-it", "--rm", "--", "/bin/bash", "--norc")
    typist.type("\n")
    typist.wait_for("#")
    typist.type("echo $((6 * 7)); test -t 0 && echo terminal\n")
    typist.wait_for("42\r\n")
    typist.wait_for("terminal\r\n")
    typist.type("exit 5\n")
    assert typist.end() == 5, typist.seen
    eventually(lambda: not kubectl.list("reapertasks"), 30, "the task is gone")


def test_ctrl_c_leaves_the_task_at_work(reaper: Reaper, kubectl: Kubectl) -> None:
    with reaper.begins("run", "ticks", "--wait", "--", "sh", "-c", "echo ready; sleep 600") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == "ready\n"
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(20) == 130
        assert "ticks goes on without you. Its output: kubectl reaper logs -f ticks" in process.stderr.read()
    assert kubectl.get("reapertask", "ticks")["status"]["phase"] == "Running"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_with_rm_ends_the_process(reaper: Reaper, kubectl: Kubectl, node: Node, number: signal.Signals) -> None:
    marker = long_sleep()
    words = ("run", "ticks", "--wait", "--rm", "--grace-period", "5s", "--node", node.name, "--")
    with reaper.begins(*words, "sh", "-c", f"echo ready; exec sleep {marker}") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        assert node.processes(marker)
        os.killpg(process.pid, number)
        assert process.wait(20) == 130
    eventually(lambda: not node.processes(marker), 30, "the process is gone")
    eventually(lambda: not kubectl.list("reapertasks"), 30, "the task is gone")


def test_a_file_is_run_to_its_end(reaper: Reaper) -> None:
    done = reaper.types("run", "-f", str(ROOT / "examples" / "failing.yaml"), "--wait", "-q", code=42)
    assert done.out == "about to fail\n"


def test_waiting_has_a_limit_and_wait_comes_back_to_it(reaper: Reaper) -> None:
    done = reaper.types("run", "slow", "--wait", "--timeout", "2s", "--", "sh", "-c", "sleep 6; exit 9", code=124)
    assert "task slow is not over after 2 s" in done.err
    assert reaper.types("wait", "slow", "--timeout", "60s", code=9).out == ""


# logs


def test_logs_are_followed_from_before_the_start_through_all_attempts(reaper: Reaper, kubectl: Kubectl) -> None:
    kubectl.apply(shell("again", "echo attempt; exit 1", suspend=True, backoffLimit=1))
    kubectl.in_phase("reapertask", "again", "Suspended")
    with reaper.begins("logs", "-f", "again", "--timeout", "90s") as process:
        assert process.stderr is not None
        assert process.stderr.readline().startswith("again: Suspended")
        reaper.types("resume", "again")
        out, err = process.communicate(timeout=SECONDS)
    assert out == "attempt\nattempt\n", err
    assert process.returncode == 0
    assert reaper.types("logs", "again").out == "attempt\n"
    assert reaper.types("logs", "again", "--attempt", "1").out == "attempt\n"
    assert reaper.types("logs", "again", "--previous").out == "attempt\n"


def test_logs_of_several_tasks_have_their_names(reaper: Reaper, kubectl: Kubectl) -> None:
    for name in ("a", "b"):
        body = shell(name, f"echo from {name}")
        body["metadata"]["labels"] = {"job": "x"}
        kubectl.apply(body)
    out = reaper.types("logs", "-f", "-l", "job=x").out
    assert sorted(out.splitlines()) == ["[a] from a", "[b] from b"]


def test_logs_of_what_has_not_started_say_so(reaper: Reaper, kubectl: Kubectl) -> None:
    kubectl.apply(task("held", "/bin/true", suspend=True))
    kubectl.in_phase("reapertask", "held", "Suspended")
    done = reaper.types("logs", "held", code=1)
    assert "Suspended" in done.err
    assert "try: kubectl reaper" in done.err


# Inside a running task


@pytest.fixture
def busy(reaper: Reaper, kubectl: Kubectl) -> str:
    """The name of a task that runs."""
    kubectl.apply(shell("busy", "trap 'exit 0' TERM; sleep 600 & wait", terminationGracePeriodSeconds=2))
    kubectl.in_phase("reapertask", "busy", "Running")
    return "busy"


def test_exec(reaper: Reaper, busy: str, node: Node) -> None:
    assert reaper.types("exec", busy, "--", "sh", "-c", "echo here; exit 7", code=7).out == "here\n"
    assert reaper.types("exec", "-i", busy, "--", "wc", "-c", stdin="12345").out.split() == ["5"]
    typist = reaper.on_terminal("exec", "-it", busy, "--", "/bin/sh")
    typist.wait_for("#")
    typist.type("test -t 0 && echo terminal\nexit 3\n")
    typist.wait_for("terminal\r\n")
    assert typist.end() == 3


def test_attach(reaper: Reaper, kubectl: Kubectl) -> None:
    script = "while read -r line; do echo got $line; [ $line = end ] && exit 5; done"
    kubectl.apply(shell("talks", script, stdin=True))
    kubectl.in_phase("reapertask", "talks", "Running")
    assert "task talks has no terminal" in reaper.types("attach", "-it", "talks", code=1).err
    assert "got one\ngot end\n" in reaper.types("attach", "-i", "talks", stdin="one\nend\n", code=None).out
    assert reaper.types("wait", "talks", "--timeout", "30s", code=5).out == ""


def test_cp(reaper: Reaper, busy: str, tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(bytes(range(256)) * 100)
    reaper.types("cp", str(tmp_path / "in"), f"{busy}:/opt/copied")
    reaper.types("cp", f"{busy}:/opt/copied", str(tmp_path / "out"))
    assert (tmp_path / "out").read_bytes() == (tmp_path / "in").read_bytes()


def test_what_is_over_has_no_process(reaper: Reaper) -> None:
    reaper.types("run", "done", "--wait", "--", "true")
    done = reaper.types("exec", "done", "--", "true", code=1)
    assert done.err.startswith("error: task done is over (Succeeded")
    assert "try: kubectl reaper logs done" in done.err


# Steer


def test_cancel_keeps_the_task_and_its_output(reaper: Reaper, kubectl: Kubectl) -> None:
    kubectl.apply(shell("long", "trap 'echo cleaning up; exit 0' TERM; echo working; sleep 600 & wait", backoffLimit=3))
    kubectl.in_phase("reapertask", "long", "Running")
    done = reaper.types("cancel", "long", "--timeout", "90s")
    assert done.out == "long cancelled\n"
    status = kubectl.get("reapertask", "long")["status"]
    assert (status["phase"], status["reason"]) == ("Failed", "DeadlineExceeded")
    assert reaper.types("logs", "long").out == "working\ncleaning up\n"
    assert "cancelled at" in reaper.types("describe", "long").out


def test_suspend_resume_and_retry(reaper: Reaper, kubectl: Kubectl) -> None:
    kubectl.apply(shell("work", "echo $$$$; sleep 600", terminationGracePeriodSeconds=1))
    kubectl.in_phase("reapertask", "work", "Running")
    assert reaper.types("suspend", "work").out == "work suspended\n"
    kubectl.in_phase("reapertask", "work", "Suspended")
    assert "kubectl reaper resume work" in reaper.types("describe", "work").out
    assert reaper.types("resume", "work").out == "work resumed\n"
    kubectl.in_phase("reapertask", "work", "Running")
    reaper.types("cancel", "work")
    assert reaper.types("retry", "work").out == "work-r1 created\n"
    kubectl.in_phase("reapertask", "work-r1", "Running")
    assert "activeDeadlineSeconds" not in spec(kubectl, "work-r1")
    reaper.types("cancel", "work-r1")
    old = kubectl.get("reapertask", "work")["metadata"]["uid"]
    assert reaper.types("retry", "--replace", "work").out == "work created\n"
    assert kubectl.get("reapertask", "work")["metadata"]["uid"] != old
    kubectl.in_phase("reapertask", "work", "Running")


# Look


def test_a_live_table(reaper: Reaper, kubectl: Kubectl, node: Node, folder: str) -> None:
    typist = reaper.on_terminal("get", "-w")
    kubectl.apply(shell("moves", f"until [ -e {folder}/go ]; do sleep 0.1; done; exit 4", nodeName=node.name))
    typist.wait_for("Running")
    node.sh(f"touch {folder}/go")
    typist.wait_for("Failed")
    typist.type("\x03")
    assert typist.end() == 0, typist.seen


def test_describe_shows_task_pod_node_process_and_output(reaper: Reaper, kubectl: Kubectl, busy: str) -> None:
    out = reaper.types("describe", busy).out
    status = kubectl.get("reapertask", busy)["status"]
    assert out.startswith(f"{kubectl.namespace}/busy  Running\n")
    assert f"Pod          {busy}, Running\n" in out
    assert f"Node         {status['nodeName']}, Ready, runtime ready" in out
    assert "Process      " in out


def test_the_installation(reaper: Reaper, node: Node) -> None:
    lines = reaper.types("nodes").out.splitlines()
    assert lines[0].split() == ["NODE", "RUNTIME", "VERSION", "TASKS", "PROBLEM"]
    assert next(line for line in lines if line.startswith(f"{node.name} ")).split()[1] == "ready"
    version = json.loads(reaper.types("version", "-o", "json").out)
    assert version["crd"] == "v1alpha1"
    assert "ready" in version["operator"]


def test_the_doctor_runs_a_process_on_each_node(reaper: Reaper, system: Kubectl, kubectl: Kubectl) -> None:
    findings = json.loads(reaper.types("doctor", "--run", "-o", "json").out)
    assert [finding for finding in findings if finding["status"] == "failed"] == []
    ready = [found["metadata"]["name"] for found in system.list("nodes", "-l", "reaper.io/runtime=ready")]
    ran = {finding["subject"] for finding in findings if finding["subject"].startswith("process on ")}
    assert ran == {f"process on {name}" for name in ready}
    eventually(lambda: not kubectl.list("reapertasks"), 30, "the doctor's tasks are gone")


def test_what_running_tasks_use(reaper: Reaper, kubectl: Kubectl) -> None:
    kubectl.apply(shell("burns", "while :; do :; done", terminationGracePeriodSeconds=0))
    kubectl.in_phase("reapertask", "burns", "Running")

    def figures() -> bool:
        header, row = reaper.types("top").out.splitlines()
        assert header.split() == ["NAME", "CPU", "MEMORY", "NODE", "RUNNING"]
        return re.match(r"burns +[1-9]\d*m +[1-9]\d*Mi ", row) is not None

    eventually(figures, 60, "the node has measured it")  # at first it has not


def test_completion_by_kubectl(reaper: Reaper, kubectl: Kubectl, tmp_path: Path) -> None:
    (tmp_path / "kubectl_complete-reaper").symlink_to(Path(sys.executable).parent / "kubectl_complete-reaper")
    kubectl.apply(task("completes", "/bin/true"))
    words = [str(tmp_path / "kubectl"), "__complete", "reaper", "logs", "-n", kubectl.namespace, "comp"]
    done = subprocess.run(words, env=reaper.environment, capture_output=True, text=True, check=True, timeout=SECONDS)
    assert done.stdout.splitlines() == ["completes", ":4"]
