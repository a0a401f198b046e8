"""reaper-runtime: what an administrator asks on a node."""

import os
import sys

from reaper_runtime.errors import InvalidArgument, ReaperError
from reaper_runtime.host import procfs
from reaper_runtime.state import STATE, PodState

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import NoReturn

NAME = "reaper-runtime"
USAGE = f"""{NAME} shows what Reaper runs on this node.

usage: {NAME} list [-o table|json]
       {NAME} --version | --help

  list   processes that the shims started: pod, container, exec, host pid, and whether it is alive
"""
COLUMNS = ("NAMESPACE", "POD", "CONTAINER", "EXEC", "PID", "STATUS")


def main(build: str) -> "NoReturn":
    """Do what the command line says and exit: 0, 1 for a failure, 2 for a wrong command line."""
    try:
        sys.stdout.write(run(sys.argv[1:], build))
    except (ReaperError, OSError) as error:
        sys.stderr.write(f"{NAME}: {error}\n")
        sys.exit(getattr(error, "exit_code", 1))
    sys.exit(0)


def run(arguments: "Sequence[str]", build: str) -> str:
    """The text for standard output. Raises ReaperError or OSError."""
    match list(arguments):
        case ["--help" | "-h" | "help"]:
            return USAGE
        case ["--version" | "-v" | "version"]:
            return f"{NAME} {build}\n"
        case ["list"] | ["list", "-o", "table"]:
            return table(list(rows()))
        case ["list", "-o", "json"]:
            import json

            return json.dumps([dict(zip(map(str.lower, COLUMNS), row, strict=True)) for row in rows()], indent=2) + "\n"
        case ["list", "-o", other]:
            raise InvalidArgument(f"unknown output {other!r}: it is table or json")
        case []:
            raise InvalidArgument(f"no command given: see {NAME} --help")
        case [command, *_]:
            raise InvalidArgument(f"unknown command or flag {command!r}: see {NAME} --help")
    return ""


def rows(root: str = STATE) -> "Iterator[tuple[str, str, str, str, int, str]]":
    """One row a recorded process."""
    for namespace in _entries(root):
        for pod in _entries(os.path.join(root, namespace)):
            for record in PodState(namespace, pod, root).records():
                container, _, exec_id = record.name.partition(":")
                now = procfs.stat(record.pid)
                alive = now is not None and now.start_time == record.start_time and not now.zombie
                yield namespace, pod, container, exec_id, record.pid, "running" if alive else "gone"


def table(found: "list[tuple[str, str, str, str, int, str]]") -> str:
    """Columns as kubectl prints them; ids cut to 13 characters, as crictl does."""
    lines = [
        COLUMNS,
        *((ns, pod[:13], container[:13], ex or "-", str(pid), st) for ns, pod, container, ex, pid, st in found),
    ]
    widths = [max(len(line[column]) for line in lines) for column in range(len(COLUMNS))]
    return "".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() + "\n" for line in lines
    )


def _entries(path: str) -> list[str]:
    try:
        return sorted(os.listdir(path))
    except FileNotFoundError:
        return []
