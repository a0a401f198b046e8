"""ExecSync of `true` by CRI, as kubelet does it for an exec probe: the node's own containerd, no kubectl before it.

cri-api, pkg/apis/runtime/v1/api.proto. Its few messages are declared here, on the codec of the shim.
"""

from __future__ import annotations

import statistics
import time
from functools import partial
from typing import TYPE_CHECKING

import grpc  # type: ignore[import-untyped]

from reaper_runtime.wire.protobuf import BYTES, INT, STRING, Message, field, repeated
from tests.bench.cluster import BUSYBOX, RUNTIMES
from tests.bench.pods import until_running
from tests.bench.table import Row, Target, percentile

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.bench.cluster import Cluster


class ExecSyncRequest(Message):
    """runtime.v1.ExecSyncRequest"""

    container_id: str = field(1, STRING)
    cmd: list[str] = repeated(2, STRING)
    timeout: int = field(3, INT)  # seconds


class ExecSyncResponse(Message):
    """runtime.v1.ExecSyncResponse"""

    stdout: bytes = field(1, BYTES)
    stderr: bytes = field(2, BYTES)
    exit_code: int = field(3, INT)


COMMANDS = {"reaper": ["/bin/true"], "runc": [*BUSYBOX, "true"]}


def measure(cluster: Cluster, rounds: int) -> list[Row]:
    """Milliseconds, in turn; the first of each is a warm-up."""
    containers = {name: _container(cluster, name) for name in RUNTIMES}
    times: dict[str, list[float]] = {name: [] for name in RUNTIMES}
    with grpc.insecure_channel(cluster.containerd_socket()) as channel:
        call = channel.unary_unary(
            "/runtime.v1.RuntimeService/ExecSync",
            request_serializer=ExecSyncRequest.encode,
            response_deserializer=ExecSyncResponse.decode,
        )
        for number in range(rounds + 1):
            for name, container in containers.items():
                took = _execute(call, container, COMMANDS[name])
                if number:
                    times[name].append(1000 * took)
    cluster.clear()
    what = "CRI ExecSync of `true`, {}, ms"
    return [
        Row.of(what.format("median"), times, statistics.median, Target(0.60)),
        Row.of(what.format("p95"), times, partial(percentile, share=95)),
    ]


def _container(cluster: Cluster, runtime: str) -> str:
    """The id of the container of a Pod that runs."""
    until_running(cluster, runtime, 1, busybox=True)
    return cluster.container(f"{runtime}-0")


def _execute(call: Callable[..., ExecSyncResponse], container: str, command: list[str]) -> float:
    begun = time.perf_counter()
    done = call(ExecSyncRequest(container_id=container, cmd=command, timeout=20), timeout=30)
    took = time.perf_counter() - begun
    if done.exit_code != 0:
        raise SystemExit(f"{command} ended with {done.exit_code}: {done.stderr!r}")
    return took
