"""The shim as a whole: it ends when nobody needs it any more, and not before."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from reaper_runtime.shim import serve
from reaper_runtime.shim.launch import Launch
from reaper_runtime.shim.log import Log
from reaper_runtime.state import PodState
from tests.fakes.ttrpc import Peer, listen

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("reaper")


@pytest.fixture
def shim(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[serve.Shim]:
    monkeypatch.setattr(serve, "IDLE_SECONDS", 0.01)
    launch = Launch(container="c", namespace="ns", address="", ttrpc_address="", bundle=str(tmp_path), bootstrap=b"")
    made = serve.Shim(launch, listen(tmp_path / "s"), PodState("ns", "pod", str(tmp_path)), Log(str(tmp_path)))
    yield made
    made._server.close()
    made._loop.close()


def test_a_shim_that_nobody_needs_ends_and_takes_its_socket_along(shim: serve.Shim, tmp_path: Path) -> None:
    shim.serve()
    assert not (tmp_path / "s").exists()


def test_it_stays_while_it_has_a_container_and_ends_after_the_last(shim: serve.Shim) -> None:
    steps: list[str] = []
    shim._pod.containers["c"] = object()  # type: ignore[assignment]

    def forget() -> None:
        steps.append("the last container goes")
        shim._pod.containers.clear()

    shim._loop.call_later(0.05, forget)
    shim.serve()
    assert steps == ["the last container goes"]


def test_it_stays_while_containerd_is_connected(shim: serve.Shim, tmp_path: Path) -> None:
    steps: list[str] = []
    client = Peer(shim._loop, tmp_path / "s")

    def leave() -> None:
        steps.append("containerd goes")
        client.close()

    shim._loop.call_later(0.05, leave)
    shim.serve()
    assert steps == ["containerd goes"]


def test_a_log_that_is_missing_full_or_given_odd_text_harms_nobody(tmp_path: Path) -> None:
    Log(str(tmp_path / "none")).error("lost")
    os.mkfifo(tmp_path / "log")
    log = Log(str(tmp_path), id="c")
    log.warn('a "quoted"\nline \ud800')
    line = os.read(log._fd, 4096).decode()
    assert line.endswith('level=warning msg="a \\"quoted\\"\\nline ?" runtime=io.containerd.reaper.v2 id=c\n')
    for _ in range(1000):
        log.error("x" * 200)
    os.close(log._fd)
