"""docs/performance.md: two tables, and what each was measured with."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from cluster.versions import read_versions
from tests.bench.table import markdown
from tests.conformance.containerd import BUNDLE, newest_programs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.bench.table import Row

PATH = Path(__file__).resolve().parents[2] / "docs" / "performance.md"
_HEADING = "## Tasks and Jobs\n"
_RUNTIME = """# Performance

Reaper's runtime beside containerd's own, containerd-shim-runc-v2 with runc: both in one run, in turn, on one machine.
The ratio is ours to theirs, so that it says something about other machines too; less is better but for MB/s. Written by
`make bench`.

{table}

{facts}

- `ctr run`: one private containerd; from the command to its end, with an overlay for the process.
- Pods: on one node of the kind cluster, in the node's network, created by eight requests at a time; until a watch has
  seen the last of them Running, when the node has cleaned up after the Pods before them. The reference is the pause
  image.
- ExecSync: by gRPC to the node's containerd, as kubelet's exec probes.
- PSS: proportional set size of the shims, our fork server included, without the workload.
- Exit: from `kill(2)` of the process until Wait is answered on a ttrpc connection.
- stdout: a process that writes as fast as it can, through the shim, to a reader that throws it away.

"""
_TASKS = (
    _HEADING
    + """
The operator beside the controller of batch Jobs: as many Jobs as tasks, on a fresh control plane each, with nodes that
[kwok](https://kwok.sigs.k8s.io) simulates and the chart's policies in force. Pods run, and are over, as soon as they
are bound. Neither side waits for a rate limit: the controller manager's own, 20 requests a second by default, is
lifted, and so is the scheduler's. API server, etcd, scheduler, kwok, load and what is measured share the machine's
processors.

{table}

{facts}

- Created, finished: from the first object being sent until the API server has answered for the last Pod, and until a
  watch has seen the last object's condition `Finished`, or `Complete`.
- API requests: of the operator's user and of the Job controller's, by the audit log, from first to last. Without those
  that keep the operator's Lease.
- CPU and memory: of the operator's process, and of the controller manager's, in which the Job controller is one of
  many.
- API server: all that it did meanwhile, for the scheduler and kwok too.
- Sent to Pod created: from before an object is sent until a watch has seen its Pod; with all the others still there.
- At rest: writes of the operator's user while all tasks are over. The renewals of its Lease, one in two seconds, are
  not among them.
- A task's own writes alone: created and changed as a user and the operator do it, by a client that does nothing else,
  without a Pod. Beside it all that becomes of a Job: its Pod, the scheduler, the node. It is what is beneath any
  operator ([decision 0013](decisions/0013-what-a-task-costs.md)).
"""
)


def write(runtime: Sequence[Row], tasks: Sequence[Row], cluster: str) -> None:
    """Write the document. What was not measured this time, and has no rows, stays as it is, with the facts of its time.

    cluster says which versions the rows with a kubelet are of.
    """
    first, second = split(PATH.read_text())
    if runtime:
        first = _RUNTIME.format(table=markdown(runtime, "runc"), facts=_facts(_runtime_facts(cluster)))
    if tasks:
        second = _TASKS.format(table=markdown(tasks, "Job"), facts=_facts(_tasks_facts()))
    PATH.write_text(first + second)


def split(text: str) -> tuple[str, str]:
    """The two parts of the document; raises ValueError where it is not in two."""
    place = text.index(_HEADING)
    return text[:place], text[place:]


def _facts(known: Mapping[str, str]) -> str:
    facts = {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "machine": _machine(),
        "Reaper": (BUNDLE / "VERSION").read_text().strip(),
        **known,
    }
    return "\n".join(["| | |", "| --- | --- |", *(f"| {name} | {value} |" for name, value in facts.items())])


def _runtime_facts(cluster: str) -> dict[str, str]:
    return {
        "containerd": _version(newest_programs() / "containerd", "--version"),
        "runc": _version("runc", "--version"),
        "cluster": cluster,
    }


def _tasks_facts() -> dict[str, str]:
    versions = read_versions()
    return {"simulated cluster": f"Kubernetes {versions.kubernetes}, kwok {versions.kwok}"}


def _machine() -> str:
    model = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    memory = re.findall(r"^MemTotal: +(\d+)", Path("/proc/meminfo").read_text(), re.MULTILINE)[0]
    cgroups = "v2" if Path("/sys/fs/cgroup/cgroup.controllers").exists() else "v1"
    processor = model[1] if model else platform.machine()
    size = f"{int(memory) / 2**20:.0f} GiB"
    return f"{os.cpu_count()} CPUs ({processor}), {size}, Linux {platform.release()}, cgroup {cgroups}"


def _version(*command: str | Path) -> str:
    """The first version in what a program says of itself."""
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found = re.search(r"v?\d+\.\d+\.\d+\S*", said)
    return found[0] if found else "unknown"
