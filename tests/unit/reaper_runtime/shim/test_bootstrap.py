"""Which pod, which socket, which protocol version."""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

from reaper_runtime.errors import InvalidArgument, InvalidBundle, Unavailable
from reaper_runtime.shim import bootstrap, sockets
from reaper_runtime.shim.bootstrap import Endpoint
from reaper_runtime.shim.launch import Launch
from reaper_runtime.wire.messages import Any as AnyMessage
from reaper_runtime.wire.starting import BootstrapParams, BootstrapResult
from tests.fakes.runtime import open_fds, write_bundle

if TYPE_CHECKING:
    from collections.abc import Iterator


def _launch(bundle: str = "/b", stdin: bytes = b"", **more: Any) -> Launch:
    values = {"container": "c1", "namespace": "k8s.io", "address": "/run/containerd/containerd.sock", **more}
    return Launch(ttrpc_address="", bundle=bundle, bootstrap=stdin, **values)


def _params(path: Path, **more: Any) -> bytes:
    values = {"instance_id": "c1", "namespace": "k8s.io", "socket_dir": str(path), **more}
    return BootstrapParams(**values).encode()


def _nothing(_path: str) -> None:
    """Write nothing down."""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder whose path is short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="s", dir="/tmp") as made:
        yield Path(made)


@pytest.fixture
def endpoints() -> Iterator[list[Endpoint]]:
    made: list[Endpoint] = []
    yield made
    for endpoint in made:
        if endpoint.listener is not None:
            endpoint.listener.close()


@pytest.mark.parametrize(
    ("annotations", "group"),
    [
        ({}, "c1"),
        ({"io.kubernetes.cri.sandbox-id": "pod"}, "pod"),
        ({"io.containerd.runc.v2.group": "g"}, "g"),
        ({"io.containerd.runc.v2.group": "g", "io.kubernetes.cri.sandbox-id": "pod"}, "g"),
    ],
)
def test_containers_of_a_pod_share_a_shim(tmp_path: Path, annotations: dict[str, str], group: str) -> None:
    bundle = write_bundle(tmp_path, "/bin/true", annotations=annotations)
    assert bootstrap.group_of(_launch(bundle)) == group


def test_a_group_that_is_no_file_name_is_refused(tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path, "/bin/true", annotations={"io.kubernetes.cri.sandbox-id": "../x"})
    with pytest.raises(InvalidArgument, match="group id"):
        bootstrap.group_of(_launch(bundle))


def test_without_a_bundle_there_is_no_group() -> None:
    with pytest.raises(InvalidBundle):
        bootstrap.group_of(_launch("/no/such/bundle"))


def test_the_socket_is_where_containerd_looks_for_it(folder: Path, endpoints: list[Endpoint]) -> None:
    endpoint = bootstrap.open_endpoint(_launch(stdin=_params(folder)), "pod", _nothing)
    endpoints.append(endpoint)
    name = hashlib.sha256(b"/run/containerd/containerd.sock/k8s.io/pod").hexdigest()
    assert endpoint.path == f"{folder}/{name}"
    assert endpoint.address == f"unix://{folder}/{name}"
    assert stat.S_IMODE(os.stat(endpoint.path).st_mode) == 0o600  # noqa: PTH116


def test_version_3_is_for_a_containerd_that_sent_its_parameters(folder: Path, endpoints: list[Endpoint]) -> None:
    endpoints.append(bootstrap.open_endpoint(_launch(stdin=_params(folder)), "pod", _nothing))
    result = BootstrapResult.decode(endpoints[0].answer())
    assert (result.version, result.address, result.protocol) == (3, endpoints[0].address, "ttrpc")


@pytest.mark.parametrize(
    "stdin",
    [
        b"",
        AnyMessage(type_url="runtimeoptions.v1.Options", value=b"\x0a\x03abc").encode(),
        BootstrapParams(instance_id="other", namespace="k8s.io").encode(),
        BootstrapParams(instance_id="c1", namespace="moby").encode(),
        b"\xff\xff\xff",
        b"{}",
    ],
)
def test_any_other_input_is_an_older_containerd(stdin: bytes) -> None:
    assert bootstrap.bootstrap_params(_launch(stdin=stdin)) is None
    assert Endpoint("/s", 2, None).answer() == b"unix:///s"


def test_a_served_socket_is_used_again(folder: Path, endpoints: list[Endpoint]) -> None:
    launch = _launch(stdin=_params(folder))
    endpoints += [bootstrap.open_endpoint(launch, "pod", _nothing) for _ in range(2)]
    assert endpoints[0].listener is not None
    assert endpoints[1].listener is None
    assert endpoints[0].address == endpoints[1].address


def test_what_is_going_to_be_there_is_written_down_before_it_is(folder: Path, endpoints: list[Endpoint]) -> None:
    """A shim that is killed in between leaves a socket of which nobody knows, otherwise."""
    noted: list[tuple[str, bool]] = []

    def note(path: str) -> None:
        noted.append((path, Path(path).exists()))

    launch = _launch(stdin=_params(folder))
    endpoints += [bootstrap.open_endpoint(launch, "pod", note) for _ in range(2)]
    assert noted == [(endpoints[0].path, False)], "and not by who finds another shim there"


@pytest.mark.timeout(240)  # some seconds on an idle machine
def test_of_many_that_start_at_once_one_listens(folder: Path) -> None:
    launch = _launch(stdin=_params(folder))
    for number in range(20):
        gate, stay, answers = os.pipe(), os.pipe(), os.pipe()
        pids = []
        for _ in range(5):
            pids.append(os.fork())
            if not pids[-1]:
                _start(launch, f"pod{number}", gate, stay, answers[1])
        for fd in (*gate, stay[0], answers[1]):
            os.close(fd)
        told = b"".join(os.read(answers[0], 1) for _ in range(5))
        for fd in (stay[1], answers[0]):
            os.close(fd)
        for pid in pids:
            os.waitpid(pid, 0)
        assert sorted(told) == sorted(b"10000"), number


def _start(launch: Launch, group: str, gate: tuple[int, int], stay: tuple[int, int], answers: int) -> NoReturn:
    """In a process of its own: once the gate is closed, open the endpoint, and tell whether it has to listen."""
    answer = b"x"
    try:
        for fd in (gate[1], stay[1]):
            os.close(fd)
        os.read(gate[0], 1)
        endpoint = bootstrap.open_endpoint(launch, group, _nothing)
        answer = b"0" if endpoint.listener is None else b"1"
    finally:
        os.write(answers, answer)
        os.read(stay[0], 1)
        os._exit(0)


def test_a_dead_socket_is_replaced(folder: Path, endpoints: list[Endpoint]) -> None:
    launch = _launch(stdin=_params(folder))
    first = bootstrap.open_endpoint(launch, "pod", _nothing)
    assert first.listener is not None
    first.listener.close()
    assert not sockets.is_served(first.path)
    endpoints.append(bootstrap.open_endpoint(launch, "pod", _nothing))
    assert endpoints[0].listener is not None
    assert sockets.is_served(first.path)


def test_a_path_too_long_for_a_socket_is_a_sentence(tmp_path: Path) -> None:
    before = open_fds()
    with pytest.raises(InvalidArgument, match="is longer than 106 bytes: shorten the socket directory"):
        bootstrap.open_endpoint(_launch(stdin=_params(tmp_path / ("x" * 60))), "pod", _nothing)
    assert open_fds() == before


def test_a_folder_in_place_of_the_socket_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "s").mkdir()
    before = open_fds()
    with pytest.raises(Unavailable, match="cannot listen on"):
        bootstrap.listen(str(tmp_path / "s"))
    assert open_fds() == before


def test_the_umask_is_given_back(tmp_path: Path) -> None:
    before = os.umask(0o027)
    bootstrap.listen(str(tmp_path / "s")).close()
    assert os.umask(before) == 0o027
