"""With real programs, since that is all this module is about; each of them is quick."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from cluster.errors import ClusterError, CommandFailed
from cluster.host.commands import Processes
from cluster.host.polling import eventually

if TYPE_CHECKING:
    from pathlib import Path


def test_output_and_exit_code() -> None:
    result = Processes().run(["sh", "-c", "echo out; echo err >&2; exit 3"], check=False)
    assert (result.code, result.out, result.err) == (3, "out\n", "err\n")


def test_a_failure_shows_the_command_and_the_end_of_what_it_said() -> None:
    with pytest.raises(CommandFailed, match=r"`sh -c 'seq 99 >&2; exit 3'` failed with exit code 3") as caught:
        Processes().run(["sh", "-c", "seq 99 >&2; exit 3"])
    assert caught.value.detail.splitlines()[-1] == "99"
    assert len(caught.value.detail.splitlines()) == 25


def test_a_program_that_is_not_there() -> None:
    with pytest.raises(ClusterError, match="`no-such-program` is not installed"):
        Processes().run(["no-such-program"])


def test_a_program_that_takes_too_long_is_ended() -> None:
    with pytest.raises(CommandFailed, match="gave no answer within 0 s"):
        Processes().run(["sleep", "60"], timeout=0.05)


def test_a_program_that_takes_too_long_is_an_answer_where_failures_are() -> None:
    """As of a registry behind a firewall that drops packets: it is not to be had, and no fault."""
    result = Processes().run(["sh", "-c", "echo trying >&2; exec sleep 60"], timeout=0.2, check=False)
    assert result.code == 124
    # What it said comes first, if it has come to that.
    assert result.err.removeprefix("trying\n") == "sh gave no answer within 0 s\n"


def test_input_is_text_or_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("from a file")
    assert Processes().run(["cat"], stdin="text").out == "text"
    assert Processes().run(["cat"], stdin=tmp_path / "file").out == "from a file"
    assert Processes().run(["cat"]).out == ""


def test_environment_is_added_and_lines_are_seen_as_they_come() -> None:
    lines: list[str] = []
    command = ["sh", "-c", 'test -n "$PATH" && echo "$WORD" >&2']
    Processes().run(command, env={"WORD": "hello"}, on_line=lines.append)
    assert lines == ["hello"]


def test_stop_all_ends_a_program_and_its_children_from_another_thread(tmp_path: Path) -> None:
    processes, failures = Processes(), list[CommandFailed]()
    started = tmp_path / "started"

    def run() -> None:
        try:
            processes.run(["sh", "-c", f"sleep 60 & touch {started}; wait"])
        except CommandFailed as error:
            failures.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    assert eventually(started.exists, within=10, every=0.01)
    processes.stop_all()
    thread.join(timeout=10)
    assert not thread.is_alive()
    assert "exit code -15" in str(failures[0])


def test_a_spawned_program_writes_to_its_log_and_can_be_stopped(tmp_path: Path) -> None:
    processes, log = Processes(), tmp_path / "logs" / "log"
    child = processes.spawn(["sh", "-c", "echo ready; exec sleep 60"], log)
    assert eventually(lambda: log.read_text() == "ready\n", within=10, every=0.01)
    assert child.poll() is None
    processes.stop(child)
    assert child.poll() is not None
