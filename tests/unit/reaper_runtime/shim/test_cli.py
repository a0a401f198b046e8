"""The command line of the shim, in the manner of Go's flag package."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from reaper_runtime.errors import InvalidArgument, Unavailable
from reaper_runtime.host import procfs
from reaper_runtime.shim import cli, start
from reaper_runtime.shim.launch import Launch
from reaper_runtime.wire.messages import DeleteResponse
from reaper_runtime.wire.starting import RuntimeInfo

if TYPE_CHECKING:
    from pathlib import Path

BUILD = "1.2.3-abcdef"


def _run(*arguments: str) -> bytes:
    return cli.run(cli.parse(arguments), BUILD)


@pytest.mark.parametrize(
    "arguments",
    [
        ["-namespace", "ns", "-id", "c1", "-address", "/a", "-publish-binary", "/c", "-debug", "start"],
        ["--namespace", "ns", "--id=c1", "-address=/a", "-publish-binary=/c", "--debug", "start"],
        ["start", "-namespace", "ns", "-id", "c1", "-address", "/a", "-publish-binary", "/c", "-debug"],
    ],
)
def test_flags_are_those_of_go(arguments: list[str]) -> None:
    options = cli.parse(arguments)
    assert options.action == "start"
    assert options.switches == {"debug"}
    assert {name: text for name, text in options.texts.items() if text} == {
        "namespace": "ns",
        "id": "c1",
        "address": "/a",
        "publish-binary": "/c",
    }


def test_a_value_may_hold_an_equals_sign_or_be_empty() -> None:
    options = cli.parse(["-id=a=b", "-address", "", "-namespace="])
    assert (options.texts["id"], options.texts["address"], options.texts["namespace"]) == ("a=b", "", "")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["-nosuch"], "unknown flag -nosuch: see containerd-shim-reaper-v2 -h"),
        (["-nosuch=1", "start"], "unknown flag -nosuch"),
        (["-"], "unknown flag -"),
        (["-id"], "flag -id needs a value"),
        (["start", "delete"], "unexpected argument 'delete' after start"),
        (["stop"], "unknown command 'stop': it is start or delete"),
        ([], "no command given: it is start or delete"),
        (["start"], "flag -namespace is missing"),
        (["-namespace", "ns", "start"], "flag -id is missing"),
        (["-namespace", "ns", "delete"], "flag -id is missing"),
    ],
)
def test_a_wrong_command_line_is_one_clear_sentence(arguments: list[str], sentence: str) -> None:
    with pytest.raises(InvalidArgument) as raised:
        _run(*arguments)
    assert sentence in str(raised.value)
    assert raised.value.exit_code == 2


def test_the_version_is_printed() -> None:
    assert _run("-v") == b"containerd-shim-reaper-v2 1.2.3-abcdef\n"


@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help_names_every_command_and_flag(flag: str) -> None:
    text = _run(flag).decode()
    for word in ("start", "delete", "-v", "-info", "-namespace", "-id", "-address", "-bundle"):
        assert word in text


def test_the_information_is_containerds_message() -> None:
    info = RuntimeInfo.decode(_run("-info"))
    assert info.name == "io.containerd.reaper.v2"
    assert info.version is not None
    assert (info.version.version, info.version.revision) == ("1.2.3", "abcdef")


def test_delete_prints_containerds_message(tmp_path: Path) -> None:
    answer = DeleteResponse.decode(
        _run("-namespace", "unit-test", "-id", "no-such", "-bundle", str(tmp_path), "delete")
    )
    assert (answer.pid, answer.exit_status) == (0, 137)


@pytest.mark.parametrize("name", ["../x", "a/b"])
def test_delete_refuses_an_id_that_is_no_file_name(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidArgument, match="is not valid"):
        _run("-namespace", "unit-test", "-id", name, "-bundle", str(tmp_path), "delete")


LAUNCH = Launch(container="c1", namespace="ns", address="/a", ttrpc_address="", bundle="/no/such/bundle", bootstrap=b"")


def _reap(before: list[int] | None) -> None:
    """The one child that came since."""
    (shim,) = set(procfs.children(os.getpid()) or ()) - set(before or ())
    os.waitpid(shim, 0)


def test_a_bundle_that_is_missing_is_the_shims_own_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(start, "RUN_DIRECTORY", str(tmp_path))
    before = procfs.children(os.getpid())
    with pytest.raises(Unavailable, match="there is no bundle at /no/such/bundle"):
        start.start(LAUNCH, "unit-test", "/no/such/zygote")
    _reap(before)


def test_a_fork_server_that_went_away_is_not_missed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(start, "RUN_DIRECTORY", str(tmp_path))

    class Gone:
        def sendall(self, _data: bytes) -> None:
            raise BrokenPipeError(32, "Broken pipe")

        def close(self) -> None:
            """Nothing to close."""

    monkeypatch.setattr(start, "_connect", lambda _path: Gone())
    before = procfs.children(os.getpid())
    with pytest.raises(Unavailable, match="there is no bundle at /no/such/bundle"):
        start.start(LAUNCH, "unit-test", "/no/such/zygote")
    _reap(before)
