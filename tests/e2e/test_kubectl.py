"""What a person does to a Pod with kubectl: terminals, input, files, ports, logs that go on."""

from __future__ import annotations

import socket
import subprocess
from typing import TYPE_CHECKING

import pytest

from kubectl import kubeconfig, program
from manifests import container, pod
from typist import Typist
from waiting import eventually

if TYPE_CHECKING:
    from pathlib import Path

    from kubectl import Kubectl

PLACEHOLDER = ("--image=placeholder", "--image-pull-policy=IfNotPresent")
OVERRIDES = '{"spec": {"runtimeClassName": "reaper-v2", "hostNetwork": true, "terminationGracePeriodSeconds": 1}}'


def type_at(kubectl: Kubectl, *words: str) -> Typist:
    """kubectl on a terminal."""
    return Typist([program("kubectl"), "--kubeconfig", kubeconfig(), "-n", kubectl.namespace, *words])


@pytest.fixture
def shell(kubectl: Kubectl) -> Kubectl:
    """A Pod that runs, named busy."""
    kubectl.apply(pod("busy", container("main", "/bin/sleep", "600"), terminationGracePeriodSeconds=1))
    kubectl.in_phase("pod", "busy", "Running")
    return kubectl


def test_a_login_shell_by_run_it(kubectl: Kubectl) -> None:
    typist = type_at(
        kubectl, "run", "login", "-it", "--rm", "--restart=Never", *PLACEHOLDER, f"--overrides={OVERRIDES}",
        "--command", "--", "/bin/bash", "--norc",
    )  # fmt: skip
    typist.type("\n")
    typist.wait_for("#")
    typist.type("echo $((6 * 7)); sleep 100 & jobs; kill %1; wait %1 2>/dev/null\n")
    typist.wait_for("42\r\n")
    typist.wait_for("Running")
    typist.type("exit 0\n")
    assert typist.end() == 0, typist.seen


def test_the_window_can_be_resized(shell: Kubectl) -> None:
    typist = type_at(shell, "exec", "-it", "busy", "--", "/bin/bash", "--norc")
    typist.resize(41, 133)
    typist.wait_for("#")
    typist.type("until [ \"$(stty size)\" = '41 133' ]; do sleep 0.1; done; echo first $?\n")
    typist.wait_for("first 0")
    # The program in the foreground hears of it by a signal.
    typist.type("sh -c 'trap \"stty size; exit\" WINCH; echo waits $((40 + 2)); while :; do sleep 0.1; done'\n")
    typist.wait_for("waits 42")
    typist.resize(24, 90)
    typist.wait_for("24 90\r\n")
    typist.type("exit 0\n")
    assert typist.end() == 0


def test_a_job_is_stopped_and_brought_back(shell: Kubectl) -> None:
    """A shell that is a login's, with job control: Ctrl-Z, bg, fg, Ctrl-C."""
    typist = type_at(shell, "exec", "-it", "busy", "--", "/bin/bash", "--norc", "--login")
    typist.wait_for("#")
    typist.type("tty; sleep 601\n")
    typist.wait_for("/dev/pts/")
    eventually(lambda: "sleep 601" in shell.execute("busy", "ps", "-eo", "tty,args").out, 10, "sleep runs")
    typist.type("\x1a")
    typist.wait_for("Stopped")
    typist.type("bg; fg\n")
    eventually(lambda: _state(shell, "sleep 601") == "S+", 10, "sleep is in the foreground")
    typist.type("\x03")
    typist.type("echo code $?; exit 0\n")
    typist.wait_for("code 130")
    assert typist.end() == 0


def _state(kubectl: Kubectl, command: str) -> str:
    """The process state of a command on the node (ps(1)), with a + in the foreground."""
    rows = kubectl.execute("busy", "ps", "-eo", "stat,args").out.splitlines()
    return next((row.split()[0] for row in rows if row.endswith(command)), "")


def test_debug_is_refused_with_what_to_do_instead(shell: Kubectl) -> None:
    done = shell.run("debug", "busy", "--image=busybox", "--", "sh", check=False)
    assert done.code != 0
    assert "kubectl exec" in done.err
    assert "ephemeralContainers" not in shell.get("pod", "busy")["spec"]


def test_control_c_reaches_the_program(shell: Kubectl) -> None:
    typist = type_at(shell, "exec", "-it", "busy", "--", "/bin/bash", "--norc")
    typist.wait_for("#")
    typist.type("sleep 600; echo ended with $?\n")
    typist.wait_for("$?")
    eventually(lambda: "sleep 600" in shell.execute("busy", "ps", "-eo", "tty,args").out, 10, "sleep runs")
    typist.type("\x03")
    typist.type("echo code $?\n")
    typist.wait_for("code 130")
    typist.type("exit 7\n")
    assert typist.end() == 7
    assert "closed stream" not in typist.seen  # as under the original: kubectl wrote to what was gone


def test_input_is_piped_in_with_its_end(kubectl: Kubectl) -> None:
    text = "line\n" * 100_000
    done = kubectl.run(
        "run", "counts", "-i", "--rm", "--restart=Never", *PLACEHOLDER, f"--overrides={OVERRIDES}", "--quiet",
        "--command", "--", "wc", "-l", stdin=text,
    )  # fmt: skip
    assert done.out.split()[0] == "100000"


def test_attach_sees_what_comes(kubectl: Kubectl) -> None:
    script = "while read line; do echo got $line; [ $line = end ] && exit 5; done"
    kubectl.apply(pod("talks", container("main", "/bin/sh", "-c", script, stdin=True, stdinOnce=True)))
    kubectl.in_phase("pod", "talks", "Running")
    done = kubectl.run("attach", "-i", "talks", stdin="one\nend\n", check=False)
    assert "got one\ngot end\n" in done.out
    status = kubectl.in_phase("pod", "talks", "Failed")["status"]["containerStatuses"][0]
    assert status["state"]["terminated"]["exitCode"] == 5


def test_files_are_copied_in_and_out(shell: Kubectl, tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(bytes(range(256)) * 1000)
    shell.run("cp", str(tmp_path / "in"), "busy:/opt/copied")
    shell.run("cp", "busy:/opt/copied", str(tmp_path / "out"))
    assert (tmp_path / "out").read_bytes() == (tmp_path / "in").read_bytes()


def test_logs_go_on_until_the_end(kubectl: Kubectl) -> None:
    script = "for i in 1 2 3 4 5; do echo line $i; sleep 0.3; done"
    kubectl.apply(pod("counts", container("main", "/bin/sh", "-c", script)))
    kubectl.run(
        "wait", "pod/counts", "--for=jsonpath={.status.containerStatuses[0].started}", "--timeout=30s", check=False
    )
    eventually(lambda: kubectl.run("logs", "counts", check=False).code == 0, 30, "there are logs")
    assert kubectl.run("logs", "-f", "counts").out.splitlines() == [f"line {i}" for i in range(1, 6)]


def test_a_port_is_forwarded(kubectl: Kubectl) -> None:
    server = ("socat", "TCP-LISTEN:18080,bind=127.0.0.1,reuseaddr", "SYSTEM:echo hello")
    kubectl.apply(pod("serves", container("main", *server), terminationGracePeriodSeconds=1))
    kubectl.in_phase("pod", "serves", "Running")
    eventually(lambda: ":18080" in kubectl.execute("serves", "ss", "-ltn").out, 30, "it listens")
    command = [program("kubectl"), "--kubeconfig", kubeconfig(), "-n", kubectl.namespace, "port-forward", "pod/serves"]
    with subprocess.Popen([*command, ":18080"], stdout=subprocess.PIPE, text=True) as forward:
        assert forward.stdout is not None
        port = forward.stdout.readline().split("127.0.0.1:")[1].split()[0]
        with socket.create_connection(("127.0.0.1", int(port)), timeout=20) as client:
            assert client.recv(100) == b"hello\n"
        forward.terminate()
