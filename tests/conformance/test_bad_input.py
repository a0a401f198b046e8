"""Bad input: one clear error each, with the right code, and the server lives on."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

import pytest

from reaper_runtime.wire import messages as m
from reaper_runtime.wire import starting
from reaper_runtime.wire.ttrpc import MAX_MESSAGE, REQUEST
from tests.conformance.ttrpc import RpcError
from tests.patience import patience

if TYPE_CHECKING:
    from tests.conformance.shim import Runtime, Shim

INVALID_ARGUMENT, RESOURCE_EXHAUSTED, UNIMPLEMENTED = 3, 8, 12


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["-namespace", "n", "-id", "c", "explode"], "unknown command 'explode'"),
        (["-frobnicate", "start"], "unknown flag -frobnicate"),
        (["-id"], "flag -id needs a value"),
        (["-namespace", "n", "start"], "flag -id is missing"),
        (["-id", "c", "delete"], "flag -namespace is missing"),
        ([], "no command given"),
        (["-namespace", "n", "-id", "c", "start", "again"], "unexpected argument 'again'"),
        (["-namespace", "n", "-id", "../c", "-bundle", "/tmp", "delete"], "not valid"),
    ],
)
def test_the_command_line(reaper_runtime: Runtime, arguments: list[str], words: str) -> None:
    """containerd, docs/runtime-v2.md, "Commands": the flags. What is wrong with them is one line, and exit code 2."""
    done = subprocess.run(
        [reaper_runtime.shim, *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=patience(10),
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 2
    assert words in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert done.stdout == ""


def test_version_and_info(reaper_runtime: Runtime) -> None:
    """containerd, docs/runtime-v2.md, "Command-like flags": -v, and -info with a RuntimeInfo."""
    version = subprocess.run(
        [reaper_runtime.shim, "-v"], capture_output=True, text=True, check=True, timeout=patience(10)
    ).stdout
    assert version.startswith("containerd-shim-reaper-v2 ")
    output = subprocess.run(
        [reaper_runtime.shim, "-info"], capture_output=True, check=True, timeout=patience(10), input=b""
    ).stdout
    info = starting.RuntimeInfo.decode(output)
    assert info.version is not None
    assert (info.name, info.version.version) == ("io.containerd.reaper.v2", version.split()[1].split("-")[0])


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (None, "there is no bundle"),
        ("{not json", "is not JSON"),
        ("[]", "must hold a JSON object"),
        ("{}", "has no process"),
        (json.dumps({"process": {"args": []}}), "process.args must be a list of strings"),
        (json.dumps({"process": {"args": ["/bin/true"], "env": ["NOEQUALS"]}}), "not NAME=value"),
        (json.dumps({"process": {"args": ["/bin/true"], "user": {"uid": -1}}}), "process.user.uid must be a number"),
        (json.dumps({"process": {"args": ["/bin/true"], "cwd": "relative"}}), "must be an absolute path"),
    ],
)
def test_a_bad_bundle_is_refused_at_create_and_the_shim_lives_on(reaper: Shim, config: str | None, words: str) -> None:
    """OCI runtime-spec, config.md: process, args, env, user and cwd as they must be."""
    good = reaper.create("good", "/bin/sh", "-c", "exit 9")
    bad = reaper.folder / "bad"
    if config is not None:
        bad.mkdir()
        (bad / "config.json").write_text(config)
    with pytest.raises(RpcError, match=words) as refused:
        reaper.client.call("Create", m.CreateTaskRequest(id="bad", bundle=str(bad)), m.CreateTaskResponse)
    assert refused.value.code == INVALID_ARGUMENT
    assert str(bad) in refused.value.message
    good.start()
    assert good.wait() == 9


def test_start_without_a_bundle_says_so(reaper: Shim) -> None:
    """containerd, docs/runtime-v2.md, "Commands": start runs in the bundle's directory."""
    (reaper.folder / "empty").mkdir()
    done = reaper.command("start", "empty")
    assert done.returncode != 0
    assert b"config.json does not exist" in done.stderr


def test_an_oversized_message_is_refused_and_the_connection_lives_on(reaper: Shim) -> None:
    """ttrpc, PROTOCOL.md, "Message Frame": 4 MB at most, any larger size is rejected."""
    task = reaper.create("c", "/bin/true")
    client = reaper.connect()
    size = MAX_MESSAGE + 1
    client.send_raw(size.to_bytes(4) + (1).to_bytes(4) + bytes([REQUEST, 0]) + b"x" * size)
    client._stream = 1
    assert client.call("State", m.StateRequest(id="c"), m.StateResponse).pid == task.pid


@pytest.mark.parametrize(
    "data",
    [
        (2).to_bytes(4) + (2).to_bytes(4) + bytes([REQUEST, 0]) + b"xx",  # an even stream id
        b"GET / HTTP/1.1\r\nHost: shim\r\n\r\n",
        bytes(10),
    ],
)
def test_a_client_that_speaks_something_else_costs_only_its_own_connection(reaper: Shim, data: bytes) -> None:
    """ttrpc, PROTOCOL.md, "Message Frame": a client's streams are odd; other bytes are no frames."""
    task = reaper.create("c", "/bin/true")
    stranger = reaper.connect()
    stranger.send_raw(data)
    assert task.state().pid == task.pid


def test_a_malformed_request_is_answered_with_invalid_argument(reaper: Shim) -> None:
    """ttrpc, PROTOCOL.md, "Response": an error ends the stream and nothing else. The code is ours, INVALID_ARGUMENT."""
    task = reaper.create("c", "/bin/true")
    with pytest.raises(RpcError) as refused:
        reaper.client.call("State", m.Any(type_url="x", value=b"\xff\xff\xff"), m.StateResponse)
    assert refused.value.code == INVALID_ARGUMENT
    assert task.state().pid == task.pid


@pytest.mark.parametrize("method", ["Checkpoint", "Frobnicate"])
def test_what_is_not_served_is_unimplemented(reaper: Shim, method: str) -> None:
    """ttrpc, services.go: an unknown method is Unimplemented; docs/runtime-v2.md, "Unsupported rpcs"."""
    reaper.create("c", "/bin/true")
    with pytest.raises(RpcError, match=method) as refused:
        reaper.client.call(method, m.StateRequest(id="c"), m.Empty)
    assert refused.value.code == UNIMPLEMENTED


def test_a_socket_directory_that_is_too_long_is_refused(reaper: Shim) -> None:
    """containerd's TestShimSockLength: 106 bytes (pkg/shim, unix(7))."""
    reaper.bundle("c", "/bin/true")
    params = starting.BootstrapParams(instance_id="c", namespace=reaper.namespace, socket_dir="/run/" + "x" * 60)
    done = subprocess.run(
        [reaper.runtime.shim, "-namespace", reaper.namespace, "-id", "c", "start"],
        cwd=reaper.folder / "c", input=params.encode(), capture_output=True, check=False, timeout=patience(10),
    )  # fmt: skip
    assert done.returncode != 0
    assert b"longer than 106 bytes" in done.stderr
