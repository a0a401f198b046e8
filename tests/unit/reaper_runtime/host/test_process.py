"""What a program finds when it starts: real forks, whose programs report on themselves."""

from __future__ import annotations

import os
import pwd
import resource
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from reaper_runtime.errors import FailedPrecondition, Unavailable
from reaper_runtime.host import process
from reaper_runtime.host.libc import set_command_line
from reaper_runtime.oci.process import User
from tests.fakes.runtime import eventually, needs_root, open_fds, read_all, shell, spec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from reaper_runtime.exits import Reaper
    from reaper_runtime.loop import Loop
    from reaper_runtime.oci.process import ProcessSpec

    Run = Callable[..., Any]
    Launch = Callable[[ProcessSpec], tuple[str, int]]

pytestmark = needs_root
NODE = os.uname().nodename


@pytest.fixture
def launch(loop: Loop, run: Run, reaper: Reaper) -> Launch:
    """Fork, open the gate, and give the output and the exit code."""

    async def story(wanted: ProcessSpec) -> tuple[str, int]:
        receive, send = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(receive, False)
        null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        try:
            child = process.fork(wanted, (null, send, send))
            exited = reaper.expect(child.pid)
        finally:
            os.close(send)
            os.close(null)
        try:
            await child.prepared(loop)
            await child.open_gate(loop)
        except BaseException:
            os.close(receive)
            await exited
            raise
        output = await read_all(loop, receive)
        return output.decode(), (await exited).code

    return lambda wanted: run(story(wanted))


def _status(output: str, name: str) -> str:
    return next(line.split(":")[1].strip() for line in output.splitlines() if line.startswith(f"{name}:"))


def test_output_and_exit_code_come_back(launch: Launch) -> None:
    assert launch(shell("echo out; echo err >&2; exit 42")) == ("out\nerr\n", 42)


def test_user_and_groups_are_exactly_those_asked_for(launch: Launch) -> None:
    output, _ = launch(spec("/bin/cat", "/proc/self/status", user=User(1000, 1001, (1002, 1003), None)))
    assert _status(output, "Uid").split() == ["1000"] * 4
    assert _status(output, "Gid").split() == ["1001"] * 4
    assert _status(output, "Groups").split() == ["1002", "1003"]


def test_the_groups_of_root_do_not_leak(launch: Launch) -> None:
    before = os.getgroups()
    os.setgroups([4, 24, 27])
    try:
        output, _ = launch(spec("/bin/cat", "/proc/self/status", user=User(1000, 1000, (), None)))
    finally:
        os.setgroups(before)
    assert _status(output, "Groups") == ""


def test_a_user_other_than_root_has_no_capabilities(launch: Launch) -> None:
    output, _ = launch(spec("/bin/cat", "/proc/self/status", user=User(1000, 1000, (), None)))
    assert int(_status(output, "CapEff"), 16) == int(_status(output, "CapPrm"), 16) == 0


@pytest.mark.parametrize(("asked", "got"), [(None, "0022"), (0o077, "0077"), (0, "0000")])
def test_the_umask_is_that_asked_for_or_the_usual(launch: Launch, asked: int | None, got: str) -> None:
    assert launch(shell("umask", user=User(0, 0, (), asked))) == (f"{got}\n", 0)


def test_the_environment_is_exactly_that_of_the_spec(launch: Launch) -> None:
    env = {"A": "1", "LEER": "", "MANY": "a=b c", "UML": "ü", "HOME": ""}
    output, _ = launch(spec("/usr/bin/env", env=env))
    assert dict(line.split("=", 1) for line in output.splitlines()) == env


def test_home_is_the_users_where_nobody_says_otherwise(launch: Launch) -> None:
    output, _ = launch(spec("/usr/bin/env", env={"A": "1"}))
    assert output.splitlines() == ["A=1", f"HOME={pwd.getpwuid(os.geteuid()).pw_dir}"]


def test_arguments_arrive_as_they_are(launch: Launch) -> None:
    output, _ = launch(spec("/bin/sh", "-c", 'printf "%s|" "$0" "$@"', "a b", "", "*", "ü"))
    assert output == "a b||*|ü|"


def test_the_working_directory_is_entered(launch: Launch, tmp_path: Path) -> None:
    assert launch(shell("pwd -P", cwd=str(tmp_path))) == (f"{tmp_path.resolve()}\n", 0)


def test_a_missing_working_directory_is_a_sentence(launch: Launch) -> None:
    with pytest.raises(FailedPrecondition) as raised:
        launch(shell("true", cwd="/no/such/place"))
    assert str(raised.value) == (
        f"working directory /no/such/place cannot be entered on node {NODE}: No such file or directory"
    )


def test_a_file_as_working_directory_is_a_sentence(launch: Launch) -> None:
    with pytest.raises(FailedPrecondition, match=r"working directory /etc/passwd .*: Not a directory"):
        launch(shell("true", cwd="/etc/passwd"))


def test_it_leads_a_session_of_its_own(launch: Launch) -> None:
    output, _ = launch(spec("/bin/cat", "/proc/self/stat"))
    fields = output.rpartition(")")[2].split()
    pid = output.split()[0]
    assert fields[2] == fields[3] == pid


def test_it_holds_standard_streams_and_nothing_else(launch: Launch) -> None:
    inherited = os.open(os.devnull, os.O_RDONLY)
    os.set_inheritable(inherited, True)
    output, _ = launch(shell("ls /proc/$$/fd; true"))
    os.close(inherited)
    assert output.split() == ["0", "1", "2"]


def test_its_streams_block(launch: Launch) -> None:
    output, _ = launch(shell("for n in 0 1 2; do grep flags /proc/self/fdinfo/$n; done"))
    flags = [int(line.split()[1], 8) for line in output.splitlines()]
    assert len(flags) == 3
    assert not any(flag & os.O_NONBLOCK for flag in flags)


def test_signals_are_as_new(launch: Launch) -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
    try:
        output, _ = launch(spec("/bin/cat", "/proc/self/status"))
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGUSR1])
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
    assert int(_status(output, "SigIgn"), 16) == 0  # SIGPIPE, SIGXFSZ and SIGHUP too
    assert int(_status(output, "SigBlk"), 16) == 0
    assert int(_status(output, "SigCgt"), 16) == 0


def test_limits_are_set(launch: Launch) -> None:
    limits = (("RLIMIT_NOFILE", 100, 200), ("RLIMIT_CORE", 0, (1 << 64) - 1))
    output, _ = launch(spec("/bin/cat", "/proc/self/limits", rlimits=limits))
    found = {line[:26].strip(): line[26:].split()[:2] for line in output.splitlines()}
    assert found["Max open files"] == ["100", "200"]
    assert found["Max core file size"] == ["0", "unlimited"]


def test_a_limit_too_large_for_python_is_a_sentence(launch: Launch) -> None:
    with pytest.raises(
        FailedPrecondition, match=f"RLIMIT_CPU cannot be set to 1/{1 << 63}: limits end at {(1 << 63) - 1}"
    ):
        launch(spec("/bin/true", rlimits=(("RLIMIT_CPU", 1, 1 << 63),)))


@pytest.mark.parametrize("name", ["RLIMIT_NOSUCH", "NOFILE", "RLIM_INFINITY", ""])
def test_an_unknown_limit_is_a_sentence(launch: Launch, name: str) -> None:
    with pytest.raises(FailedPrecondition, match=f"rlimit {name} is unknown on node {NODE}"):
        launch(spec("/bin/true", rlimits=((name, 1, 1),)))


def test_a_limit_that_cannot_be_set_is_a_sentence(launch: Launch) -> None:
    with pytest.raises(FailedPrecondition, match=r"RLIMIT_NOFILE cannot be set to 200/100"):
        launch(spec("/bin/true", rlimits=(("RLIMIT_NOFILE", 200, 100),)))


@pytest.mark.parametrize("score", [0, 500, 1000])
def test_the_oom_score_is_set(launch: Launch, score: int) -> None:
    assert launch(spec("/bin/cat", "/proc/self/oom_score_adj", oom_score_adj=score)) == (f"{score}\n", 0)


@pytest.mark.parametrize(("asked", "got"), [(True, "1"), (False, "0")])
def test_no_new_privileges_is_set_where_asked(launch: Launch, asked: bool, got: str) -> None:  # noqa: FBT001
    output, _ = launch(spec("/bin/cat", "/proc/self/status", no_new_privileges=asked))
    assert _status(output, "NoNewPrivs") == got


def test_a_bare_name_is_found_in_the_path_of_the_spec(launch: Launch, tmp_path: Path) -> None:
    for name, mode in (("first", 0o644), ("second", 0o755)):
        program = tmp_path / name / "hello"
        program.parent.mkdir()
        program.write_text(f"#!/bin/sh\necho {name}\n")
        program.chmod(mode)
    env = {"PATH": f"{tmp_path}/missing:{tmp_path}/first:{tmp_path}/second"}
    assert launch(spec("hello", env=env)) == ("second\n", 0)


def test_without_a_path_the_usual_one_is_searched(launch: Launch) -> None:
    assert launch(spec("true", env={})) == ("", 0)


def _program(path: Path, content: bytes, mode: int = 0o755) -> str:
    path.write_bytes(content)
    path.chmod(mode)
    return str(path)


def test_a_program_that_is_missing_is_a_sentence(launch: Launch) -> None:
    with pytest.raises(FailedPrecondition) as raised:
        launch(spec("/no/such/program"))
    assert str(raised.value) == (
        f'program "/no/such/program" does not exist on node {NODE}: install it there, or correct the command'
    )


def test_a_name_that_is_not_in_the_path_is_a_sentence(launch: Launch) -> None:
    with pytest.raises(FailedPrecondition) as raised:
        launch(spec("no-such-program", env={"PATH": "/bin:/usr/bin"}))
    assert str(raised.value) == (
        f'program "no-such-program" does not exist on node {NODE}: not found in PATH=/bin:/usr/bin'
    )


def test_a_file_that_is_not_executable_is_a_sentence(launch: Launch, tmp_path: Path) -> None:
    with pytest.raises(FailedPrecondition, match="may not be executed by user 0: permission denied"):
        launch(spec(_program(tmp_path / "p", b"#!/bin/sh\n", 0o644)))


def test_a_missing_interpreter_is_a_sentence(launch: Launch, tmp_path: Path) -> None:
    with pytest.raises(FailedPrecondition, match="the interpreter or loader that it names does not exist"):
        launch(spec(_program(tmp_path / "p", b"#!/no/such/interpreter\n")))


def test_a_file_that_is_no_program_is_a_sentence(launch: Launch, tmp_path: Path) -> None:
    with pytest.raises(FailedPrecondition, match="neither a binary for this machine nor a script"):
        launch(spec(_program(tmp_path / "p", b"echo no shebang\n")))


def test_too_long_arguments_are_a_sentence(launch: Launch) -> None:
    with pytest.raises(FailedPrecondition, match="cannot run: Argument list too long"):
        launch(spec("/bin/true", "x" * 1_000_000))


@pytest.mark.parametrize("args", [("/bin/true", "a\0b"), ("/bin/tr\ud800ue",), ("/bin/true", "\ud800")])
def test_arguments_that_cannot_be_passed_fail_the_start(launch: Launch, args: tuple[str, ...]) -> None:
    with pytest.raises(FailedPrecondition):
        launch(spec(*args))


def test_a_child_killed_at_the_gate_fails_the_start_and_leaves_no_descriptor(
    loop: Loop, run: Run, reaper: Reaper
) -> None:
    async def story() -> None:
        child = process.fork(spec("/bin/true"), (0, 1, 2))
        exited = reaper.expect(child.pid)
        await child.prepared(loop)
        os.kill(child.pid, signal.SIGKILL)
        await exited
        with pytest.raises(FailedPrecondition, match="killed before it was started"):
            await child.open_gate(loop)

    before = open_fds()
    run(story())
    assert open_fds() == before


def test_a_child_whose_parent_is_gone_ends_without_running_the_program(
    loop: Loop, run: Run, reaper: Reaper, tmp_path: Path
) -> None:
    async def story() -> int:
        child = process.fork(shell(f"touch {tmp_path}/ran"), (0, 1, 2))
        exited = reaper.expect(child.pid)
        await child.prepared(loop)
        child.close()
        code: int = (await exited).code
        return code

    assert run(story()) == process.NOT_EXECUTABLE
    assert not (tmp_path / "ran").exists()


def test_a_program_killed_at_once_has_started(loop: Loop, run: Run, reaper: Reaper) -> None:
    async def story() -> int:
        child = process.fork(shell("kill -9 $$"), (0, 1, 2))
        exited = reaper.expect(child.pid)
        await child.prepared(loop)
        await child.open_gate(loop)
        code: int = (await exited).code
        return code

    assert run(story()) == 137


@pytest.fixture
def no_descriptors() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    spare = os.open(os.devnull, os.O_RDONLY)
    os.close(spare)
    resource.setrlimit(resource.RLIMIT_NOFILE, (spare, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("no_descriptors")
def test_without_descriptors_nothing_is_forked_and_the_caller_may_try_again() -> None:
    with pytest.raises(Unavailable, match=f"node {NODE} cannot start another process: Too many open files"):
        process.fork(spec("/bin/true"), (0, 1, 2))


def test_the_start_time_is_the_one_of_the_kernel(loop: Loop, run: Run, reaper: Reaper) -> None:
    async def story() -> None:
        child = process.fork(spec("/bin/true"), (0, 1, 2))
        exited = reaper.expect(child.pid)
        text = Path(f"/proc/{child.pid}/stat").read_text()
        assert child.start_time == int(text.rpartition(")")[2].split()[19])
        await child.prepared(loop)
        child.close()
        await exited

    run(story())


def test_a_command_line_is_shown_and_cut_to_its_place(loop: Loop, run: Run, reaper: Reaper) -> None:
    receive, send = os.pipe()
    pid = os.fork()
    if pid == 0:
        set_command_line("/usr/bin/containerd-shim-reaper-v2 -id abc")
        os.write(send, b"done")
        signal.pause()
    exited = reaper.expect(pid)
    assert os.read(receive, 8) == b"done"
    shown = Path(f"/proc/{pid}/comm").read_text()
    os.kill(pid, signal.SIGKILL)
    run(eventually(loop, lambda: exited.done))
    os.close(receive)
    os.close(send)
    assert shown == "containerd-shim\n"
