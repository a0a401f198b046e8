"""exec, run and kill: exit codes, streams, terminals and signals, as callers of runc know them."""

from __future__ import annotations

import json
import os
import signal
from typing import TYPE_CHECKING

import pytest

from tests.conformance.oci.runtime import ConsoleSocket, read_terminal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conformance.oci.runtime import OciRuntime

SLEEP = ("sleep", "300")


def _running(oci: OciRuntime, *args: str) -> None:
    oci.create(*(args or SLEEP))
    oci.ok("start", "c")


@pytest.mark.parametrize("code", [0, 1, 42, 255])
def test_run_ends_with_the_exit_code_of_the_process_and_deletes_it(oci: OciRuntime, code: int) -> None:
    """runc's `run`."""
    done = oci.command("run", "--bundle", str(oci.bundle("sh", "-c", f"echo out; echo err >&2; exit {code}")), "c")
    assert (done.code, done.out, done.err) == (code, "out\n", "err\n")
    assert oci.status() == ""


def test_run_ends_with_128_and_the_signal(oci: OciRuntime) -> None:
    """As a shell does."""
    child = oci.popen("run", "--bundle", str(oci.bundle(*SLEEP)), "c")
    oci.becomes("running")
    oci.ok("kill", "c", "KILL")
    assert child.wait(20) == 137


def test_run_gives_its_standard_input_with_its_end(oci: OciRuntime) -> None:
    """The process sees the end of the file."""
    done = oci.command("run", "--bundle", str(oci.bundle("cat")), "c", stdin=b"one\ntwo\n")
    assert (done.code, done.out) == (0, "one\ntwo\n")


def test_run_forwards_signals(oci: OciRuntime) -> None:
    """runc forwards what it gets to the process."""
    script = "trap 'echo caught; exit 9' TERM; echo ready; while :; do sleep 1; done"
    child = oci.popen("run", "--bundle", str(oci.bundle("sh", "-c", script)), "c")
    oci.until_said("ready")
    child.send_signal(signal.SIGTERM)
    assert oci.result(child, 1)[:2] == (9, "ready\ncaught\n")


def test_run_with_detach_does_not_wait(oci: OciRuntime) -> None:
    """runc's `run --detach`."""
    oci.ok("run", "--detach", "--pid-file", str(oci.folder / "pid"), "--bundle", str(oci.bundle(*SLEEP)), "c")
    assert (oci.folder / "pid").read_text() == str(oci.state()["pid"])
    assert oci.status() == "running"


def test_run_with_keep_leaves_a_stopped_container(oci: OciRuntime) -> None:
    """runc's `run --keep`, of 1.1 and later."""
    assert oci.command("run", "--keep", "--bundle", str(oci.bundle("sh", "-c", "exit 3")), "c").code == 3
    assert oci.status() == "stopped"


@pytest.mark.parametrize("code", [0, 1, 42])
def test_exec_ends_with_the_exit_code_of_the_process(oci: OciRuntime, code: int) -> None:
    """runc's `exec`."""
    _running(oci)
    done = oci.command("exec", "c", "sh", "-c", f"cat; echo err >&2; exit {code}", stdin=b"in\n")
    assert (done.code, done.out, done.err) == (code, "in\n", "err\n")


def test_exec_of_what_is_not_there_ends_with_255_and_a_sentence(oci: OciRuntime) -> None:
    """runc ends with 255 where it failed itself."""
    _running(oci)
    done = oci.command("exec", "c", "/no/such/program")
    assert done.code == 255
    assert "/no/such/program" in done.err


def test_exec_needs_a_running_container(ours: OciRuntime) -> None:
    """runc can execute in a created container; a host process has no container to enter before it runs."""
    ours.create(*SLEEP)
    done = ours.command("exec", "c", "true")
    assert done.code == 255
    assert "container c is created" in done.err


def test_exec_in_a_stopped_container_is_an_error(oci: OciRuntime) -> None:
    """There is nothing to join."""
    _running(oci, "true")
    oci.becomes("stopped")
    assert oci.command("exec", "c", "true").code == 255


def test_exec_takes_user_directory_and_environment(oci: OciRuntime) -> None:
    """runc's flags."""
    _running(oci)
    flags = ("--user", "1000:1001", "--cwd", "/proc", "--env", "A=b", "--env", "C=d", "--additional-gids", "5")
    out = oci.ok("exec", *flags, "c", "sh", "-c", "id -u; id -g; id -G; pwd; echo $A $C")
    assert out.splitlines() == ["1000", "1001", "1001 5", "/proc", "b d"]


def test_exec_takes_a_process_from_a_file(oci: OciRuntime) -> None:
    """runc's --process."""
    _running(oci)
    shell = {"args": ["sh", "-c", "echo $A; pwd"], "env": ["A=file", "PATH=/bin:/usr/bin"]}
    process = {**shell, "cwd": "/proc", "user": {"uid": 0, "gid": 0}}
    (oci.folder / "process.json").write_text(json.dumps(process))
    assert oci.ok("exec", "--process", str(oci.folder / "process.json"), "c") == "file\n/proc\n"


def test_exec_with_detach_gives_the_pid_and_does_not_wait(oci: OciRuntime) -> None:
    """runc's --detach and --pid-file."""
    _running(oci)
    pid_file = oci.folder / "pid"
    oci.ok("exec", "--detach", "--pid-file", str(pid_file), "c", "sleep", "200")
    assert oci.state()["pid"] != int(pid_file.read_text())
    assert int(pid_file.read_text()) in json.loads(oci.ok("ps", "--format", "json", "c"))
    assert "sleep 200" in oci.ok("ps", "c")


def test_an_exec_ends_with_its_container(oci: OciRuntime) -> None:
    """Nothing survives it."""
    _running(oci)
    child = oci.popen("exec", "c", "/bin/sh", "-c", "echo ready; exec sleep 300")
    oci.until_said("ready")
    oci.ok("kill", "c", "KILL")
    assert child.wait(20) == 137


def _terminal(oci: OciRuntime, console: ConsoleSocket, *args: str) -> int:
    bundle = oci.bundle(*args, terminal=True)
    oci.ok("create", "--bundle", str(bundle), "--console-socket", str(console.path), "c")
    return console.master()


@pytest.fixture
def console(oci: OciRuntime) -> Iterator[ConsoleSocket]:
    made = ConsoleSocket(oci.folder / "console.sock")
    yield made
    made.close()


def test_a_terminal_goes_to_the_console_socket(oci: OciRuntime, console: ConsoleSocket) -> None:
    """config.md "process.terminal"; runc, terminals.md: its master side by SCM_RIGHTS."""
    master = _terminal(oci, console, "sh", "-c", "tty >/dev/null && read x && echo got $x")
    oci.ok("start", "c")
    os.write(master, b"word\n")
    assert b"got word" in read_terminal(master, b"got word")
    oci.becomes("stopped")
    assert read_terminal(master, b"never") in (b"", b"\r\n")
    os.close(master)


def test_exec_has_a_terminal_too(oci: OciRuntime, console: ConsoleSocket) -> None:
    """runc's `exec --tty --detach --console-socket`."""
    _running(oci)
    oci.ok("exec", "--tty", "--detach", "--console-socket", str(console.path), "c", "sh", "-c", "tty; exit 5")
    master = console.master()
    assert b"/dev/" in read_terminal(master, b"\n")
    os.close(master)


def test_a_terminal_without_a_console_socket_is_an_error(oci: OciRuntime) -> None:
    """Nobody would have its other side."""
    assert "console" in oci.refused("create", "--bundle", str(oci.bundle(*SLEEP, terminal=True)), "c")
    assert oci.status() == ""


def test_a_console_socket_without_a_terminal_is_an_error(oci: OciRuntime, console: ConsoleSocket) -> None:
    """The caller would wait for ever."""
    words = ("--bundle", str(oci.bundle(*SLEEP)), "--console-socket", str(console.path))
    assert "console" in oci.refused("create", *words, "c")


def test_run_with_a_terminal_relays_it(ours: OciRuntime) -> None:
    """The terminal's lines end with CR LF; the exit code is the process's."""
    script = "tty >/dev/null || exit 1; read x; echo got $x; exit 6"
    bundle = str(ours.bundle("sh", "-c", script, terminal=True))
    done = ours.command("run", "--bundle", bundle, "c", stdin=b"word\n", hold=True)
    assert (done.code, done.err) == (6, "")
    assert done.out.endswith("got word\n")


def test_exec_with_a_terminal_relays_it(ours: OciRuntime) -> None:
    """A /dev/null as input is no input."""
    _running(ours)
    done = ours.command("exec", "-t", "c", "sh", "-c", "test -t 0 && test -t 2 && echo yes; exit 4")
    assert (done.code, done.out) == (4, "yes\n")


SIGNALS = [("TERM", 15), ("SIGTERM", 15), ("term", 15), ("15", 15), ("USR1", 10), ("INT", 2), ("37", 37)]


@pytest.mark.parametrize(("text", "number"), SIGNALS)
def test_signals_by_name_and_number(oci: OciRuntime, text: str, number: int) -> None:
    """ "Kill": this operation MUST send the specified signal to the container process."""
    trap = f"trap 'echo caught {number}; exit 0' {number}; echo ready; while :; do sleep 1; done"
    _running(oci, "/bin/busybox" if oci.name == "runc" else "busybox", "sh", "-c", trap)
    output = oci.folder / "out1"
    oci.until(output, "ready")
    oci.ok("kill", "c", text)
    oci.until(output, f"caught {number}")
    oci.becomes("stopped")


def test_real_time_signals_have_names(ours: OciRuntime) -> None:
    """As kill -l shows them. runc takes their numbers only."""
    ours.create("bash", "-c", "trap 'echo caught; exit' RTMIN+3; echo ready; while :; do sleep 1; done")
    ours.ok("start", "c")
    ours.until_said("ready", 1)
    ours.ok("kill", "c", "SIGRTMIN+3")
    ours.until_said("caught", 1)


def test_without_a_signal_it_is_term(oci: OciRuntime) -> None:
    """runc's default."""
    _running(oci, "sh", "-c", "trap 'echo caught; exit' TERM; echo ready; while :; do sleep 1; done")
    oci.until_said("ready", 1)
    oci.ok("kill", "c")
    oci.until_said("caught", 1)


@pytest.mark.parametrize("text", ["NONE", "SIG", "TERM+1", "99", "RTMAX+1", "-1", "RTMIN+x"])
def test_a_signal_that_is_none_is_an_error(ours: OciRuntime, text: str) -> None:
    """It says what a signal looks like, and sends nothing."""
    _running(ours)
    assert "unknown" in ours.refused("kill", "c", text) or text == "-1"
    assert ours.status() == "running"


def test_kill_with_all_reaches_what_left_the_group(oci: OciRuntime) -> None:
    """runc's --all."""
    _running(oci, "sh", "-c", "setsid sleep 250 & exec sleep 300")
    oci.ok("kill", "--all", "c", "KILL")
    oci.becomes("stopped")


def test_preserved_descriptors_reach_the_process(oci: OciRuntime, tmp_path: Path) -> None:
    """runc's --preserve-fds: from 3 on."""
    note = tmp_path / "note"
    note.write_text("from outside")
    fd = os.open(note, os.O_RDONLY)
    bundle = str(oci.bundle("sh", "-c", "cat <&3; ls /proc/self/fd | wc -l"))
    low = os.dup2(fd, 3) if fd != 3 else fd
    done = oci.command("run", "--preserve-fds", "1", "--bundle", bundle, "c", pass_fds=(low,))
    os.close(fd)
    assert done.out.startswith("from outside")


def test_the_process_gets_no_other_descriptor(oci: OciRuntime) -> None:
    """config.md has stdio only; what the caller left open is not the container's."""
    read, write = os.pipe()
    bundle = str(oci.bundle("sh", "-c", "ls /proc/self/fd"))
    out = oci.ok("run", "--bundle", bundle, "c", pass_fds=(write,))
    os.close(read)
    os.close(write)
    assert out.split() == ["0", "1", "2", "3"]  # 3 is the listing's own


def test_unknown_commands_and_flags_get_one_sentence(ours: OciRuntime) -> None:
    """And exit code 1."""
    for words in (["frob"], ["state", "--frob", "c"], ["list", "--format", "xml"], [], ["kill", "c", "TERM", "x"]):
        said = ours.refused(*words)
        assert said.startswith("reaper-runtime: ")
        assert said.count("\n") == 1


VERBS = [
    "create",
    "start",
    "state",
    "kill",
    "delete",
    "exec",
    "run",
    "list",
    "features",
    "spec",
    "ps",
    "doctor",
    "completion",
]


def test_every_command_has_a_help_text(ours: OciRuntime) -> None:
    """With the flags that it takes."""
    for verb in VERBS:
        assert f"usage: reaper-runtime {verb}" in ours.ok(verb, "--help")
    assert "create" in ours.ok("--help")


def test_an_error_goes_to_the_log_too(oci: OciRuntime) -> None:
    """runc's --log and --log-format: containerd and podman read the last error there."""
    log = oci.folder / "log"
    assert oci.command("--log", str(log), "--log-format", "json", "state", "none").code == 1
    entry = json.loads(log.read_text().splitlines()[-1])
    assert entry["level"] == "error"
    assert "does not exist" in entry["msg"]


def test_features_and_spec(oci: OciRuntime) -> None:
    """features.md; runc's `spec` refuses to write over a file."""
    features = json.loads(oci.ok("features"))
    assert features["ociVersionMin"] == "1.0.0"
    assert set(features["hooks"]) >= {"prestart", "createRuntime", "createContainer", "startContainer", "poststart"}
    oci.ok("spec", "--bundle", str(oci.folder))
    written = json.loads((oci.folder / "config.json").read_text())
    assert written["process"]["args"] == ["sh"]
    assert "config.json" in oci.refused("spec", "--bundle", str(oci.folder))


def test_the_written_spec_can_be_run(ours: OciRuntime) -> None:
    """A shell on the node."""
    ours.ok("spec", "--bundle", str(ours.folder))
    assert ours.command("run", "--bundle", str(ours.folder), "c", stdin=b"exit 12\n", hold=True).code == 12
