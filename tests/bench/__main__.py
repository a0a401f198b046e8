"""All benchmarks beside containerd-shim-runc-v2 and runc, tasks beside batch Jobs, in one run, and docs/performance.md.

make bench                                   the figures of the document
make bench ARGS="--only tasks floor"         those of its second table
make bench ARGS="--only start pods exec memory exit relay"    those of its first
python -m tests.bench --quick --only pods    a few rounds of some, which write nothing
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tests.bench import (
    cluster,
    document,
    exec_latency,
    exit_latency,
    floor,
    memory,
    pods,
    relay,
    start_latency,
    tasks,
)
from tests.bench.table import show
from tests.conformance.containerd import BUNDLE, Containerd, busybox_rootfs, newest_programs

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tests.bench.table import Row


class Effort(NamedTuple):
    """How many rounds of each."""

    starts: int = 40
    pods: tuple[int, ...] = (10, 30, 100)
    bursts: int = 5
    execs: int = 100
    ends: int = 500
    streams: int = 5
    megabytes: int = 1024
    tasks: int = 10_000
    paced: int = 30  # seconds
    alone: int = 1000
    rest: int = 600  # seconds


QUICK = Effort(
    starts=10,
    pods=(10,),
    bursts=1,
    execs=20,
    ends=50,
    streams=2,
    megabytes=256,
    tasks=300,
    paced=5,
    rest=30,
    alone=100,
)
RUNTIME = ("start", "pods", "exec", "memory", "exit", "relay")
TASKS = ("tasks", "floor")
NAMES = (*RUNTIME, *TASKS)


def main(arguments: Sequence[str]) -> int:
    """Print the table row by row, and write the document; 0 when everything ran, whatever the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few rounds")
    parser.add_argument("--only", nargs="+", choices=NAMES, default=NAMES, metavar="NAME", help=", ".join(NAMES))
    options = parser.parse_args(arguments)
    effort = QUICK if options.quick else Effort()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by SIGTERM"))  # what was started ends too, as by Ctrl-C
    rows: dict[str, list[Row]] = {}
    with ExitStack() as stack:
        parts = _parts(stack, effort, options.only)
        for name in options.only:
            for part in parts[name]:
                found = part()
                show(found)
                rows.setdefault(name, []).extend(found)
        if not options.quick:
            _write(rows, stack)
    return 0


def _write(rows: Mapping[str, Sequence[Row]], stack: ExitStack) -> None:
    """Of the document, the tables that are whole."""
    runtime = [row for name in RUNTIME for row in rows[name]] if rows.keys() >= set(RUNTIME) else []
    tasks_rows = [row for name in TASKS for row in rows[name]] if rows.keys() >= set(TASKS) else []
    if runtime or tasks_rows:
        document.write(runtime, tasks_rows, stack.enter_context(cluster.connect()).versions() if runtime else "")


def _parts(stack: ExitStack, effort: Effort, names: Sequence[str]) -> dict[str, list[Callable[[], list[Row]]]]:
    """What to call for each name; only what these need is started."""
    parts: dict[str, list[Callable[[], list[Row]]]] = {
        "exit": [partial(exit_latency.measure, effort.ends)],
        "relay": [partial(relay.measure, effort.streams, effort.megabytes)],
        "tasks": [partial(tasks.measure, effort.tasks, effort.paced, effort.rest)],
        "floor": [partial(floor.measure, effort.alone)],
    }
    if {"start", "memory"}.intersection(names):
        containerd = stack.enter_context(Containerd(newest_programs(), BUNDLE))
        rootfs = busybox_rootfs(Path(stack.enter_context(tempfile.TemporaryDirectory())))
        parts["start"] = [partial(start_latency.measure, containerd, rootfs, effort.starts)]
        parts["memory"] = [partial(memory.measure, containerd, rootfs, count) for count in effort.pods]
    if {"pods", "exec"}.intersection(names):
        kind = stack.enter_context(cluster.connect())
        parts["pods"] = [partial(pods.measure, kind, effort.bursts)]
        parts["exec"] = [partial(exec_latency.measure, kind, effort.execs)]
    return parts


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
