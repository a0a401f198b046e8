"""The runtime's D-Bus client and a real systemd: by systemd's own socket, and by the bus."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from reaper_runtime.host.systemd.connection import BUS, SOCKET, Connection, Refused
from reaper_runtime.loop import Loop
from tests.conformance.kubelet import systemd_runs
from tests.fakes.runtime import run_in
from tests.patience import patience

pytestmark = pytest.mark.skipif(not systemd_runs(), reason="no systemd here: make conformance-v2")
NAME = "reaper-conformance.scope"
NOWHERE = "/nonexistent"


@pytest.mark.parametrize(("own", "bus"), [(SOCKET, NOWHERE), (NOWHERE, BUS)])
def test_a_scope_begins_and_ends(own: str, bus: str) -> None:
    """org.freedesktop.systemd1(5), "StartTransientUnit()", "StopUnit()", "JobRemoved"."""
    defects: list[Exception] = []
    loop = Loop(defects.append)

    async def story(pid: int) -> str:
        systemd = await Connection.open(loop, patience(10), own, bus)
        properties: list[Any] = [("PIDs", ("au", [pid])), ("Delegate", ("b", True)), ("MemoryMax", ("t", 64 << 20))]
        await systemd.job("StartTransientUnit", "ssa(sv)a(sa(sv))", NAME, "replace", properties, [])
        place = Path(f"/proc/{pid}/cgroup").read_text()
        await systemd.job("StopUnit", "ss", NAME, "replace")
        with pytest.raises(Refused, match=NAME) as refused:
            await systemd.call("SetUnitProperties", "sba(sv)", NAME, True, [])
        assert refused.value.name == "org.freedesktop.systemd1.NoSuchUnit"
        systemd.close()
        return place

    with subprocess.Popen(["sleep", "300"]) as sleep:
        try:
            assert run_in(loop, story(sleep.pid), patience(30)) == f"0::/system.slice/{NAME}\n"
            assert sleep.wait(patience(10)) == -signal.SIGTERM
        finally:
            sleep.kill()
    loop.close()
    assert defects == []
