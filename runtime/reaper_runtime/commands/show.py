"""list, ps, features and spec: what is there, and what could be."""

import json
import os
import subprocess

from reaper_runtime import annotations
from reaper_runtime.commands import lifecycle
from reaper_runtime.commands.client import Supervisor
from reaper_runtime.commands.home import OCI_VERSION, homes
from reaper_runtime.errors import AlreadyExists, FailedPrecondition, ReaperError, Unavailable
from reaper_runtime.oci import capabilities, mounts
from reaper_runtime.oci.hooks import KINDS
from reaper_runtime.wire import messages as m

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from reaper_runtime.commands.home import Home, State

COLUMNS = ("ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER")
DEFAULT_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def states(root: str) -> "list[State]":
    """All containers below a root; one that is being made or deleted at this moment is left out."""
    found = []
    for home in homes(root):
        try:
            found.append(lifecycle.state(home))
        except ReaperError:
            continue
    return found


def listing(found: "list[State]", form: str, *, quiet: bool) -> str:
    """As runc prints it: ids only, a JSON array, or a table."""
    if quiet:
        return "".join(f"{state.id}\n" for state in found)
    if form == "json":
        return json.dumps([state.document() for state in found]) + "\n"
    rows = []
    for state in found:
        shown = state.document()
        rows.append(tuple(str(shown[column.lower()]) for column in COLUMNS))
    return columns([COLUMNS, *rows])


def columns(lines: "Sequence[Sequence[str]]") -> str:
    """Lines of cells, each column as wide as its widest cell."""
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    return "".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() + "\n" for line in lines
    )


def processes(home: "Home", form: str, arguments: list[str]) -> str:
    """The processes of a container: their pids as JSON, or their lines of ps(1)."""
    pids = _pids(home)
    if form == "json":
        return json.dumps(pids) + "\n"
    try:
        done = subprocess.run(["ps", *(arguments or ["-ef"])], capture_output=True, text=True, check=False)
    except OSError as error:
        raise FailedPrecondition(f"ps cannot run on this node: {error.strerror}; use --format json") from error
    header, *lines = done.stdout.splitlines() or [""]
    if done.returncode or "PID" not in header.split():
        raise FailedPrecondition(f"ps {' '.join(arguments)} shows no pids: {done.stderr.strip()}")
    column = header.split().index("PID")
    wanted = {str(pid) for pid in pids}
    shown = [line for line in lines if len(line.split()) > column and line.split()[column] in wanted]
    return "\n".join([header, *shown]) + "\n"


def _pids(home: "Home") -> list[int]:
    try:
        answer = Supervisor(home).call("Pids", m.PidsRequest(id=home.name), m.PidsResponse)
    except Unavailable:
        return home.pids()
    return [process.pid for process in answer.processes]


def features() -> "dict[str, Any]":
    """The features document of OCI runtime-spec 1.2 (features.md): only what is honoured."""
    off = {"enabled": False}
    return {
        "ociVersionMin": "1.0.0",
        "ociVersionMax": OCI_VERSION,
        "hooks": list(KINDS),
        "mountOptions": sorted(mounts.OPTIONS),
        "linux": {
            "namespaces": [],
            "capabilities": [f"CAP_{name}" for name in capabilities.NAMES],
            "cgroup": {"v1": True, "v2": True, "systemd": False, "systemdUser": False, "rdma": False},
            "seccomp": off,
            "apparmor": off,
            "selinux": off,
            "intelRdt": off,
            "mountExtensions": {"idmap": off},
        },
        "annotations": {},
        # Each by its name: of a prefix, the last character would have to be a dot.
        "potentiallyUnsafeConfigAnnotations": [f"{annotations.PREFIX}{name}" for name in annotations.NAMES],
    }


def write_spec(bundle: str) -> None:
    """A config.json for a shell on the node; raises AlreadyExists rather than write over one."""
    spec = {
        "ociVersion": OCI_VERSION,
        "process": {
            "terminal": True,
            "user": {"uid": 0, "gid": 0},
            "args": ["sh"],
            "env": [DEFAULT_PATH, "TERM=xterm"],
            "cwd": "/",
            "noNewPrivileges": True,
        },
        "root": {"path": "/"},
    }
    path = os.path.join(bundle, "config.json")
    try:
        with open(path, "x") as file:
            file.write(json.dumps(spec, indent=4) + "\n")
    except FileExistsError:
        raise AlreadyExists(f"{path} exists: remove it first") from None
    except OSError as error:
        raise FailedPrecondition(f"{path} cannot be written: {error.strerror}") from error
