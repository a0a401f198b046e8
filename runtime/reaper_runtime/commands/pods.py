"""What the shims of this node run: one row a recorded process."""

import os

from reaper_runtime.commands.show import columns
from reaper_runtime.host import procfs
from reaper_runtime.state import STATE, PodState

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    Row = tuple[str, str, str, str, int, str]

COLUMNS = ("NAMESPACE", "POD", "CONTAINER", "EXEC", "PID", "STATUS")


def rows(root: str = STATE) -> "Iterator[Row]":
    """Namespace, pod, container, exec, pid and whether it is running or gone."""
    for namespace in _entries(root):
        for pod in _entries(os.path.join(root, namespace)):
            for record in PodState(namespace, pod, root).records():
                container, _, exec_id = record.name.partition(":")
                alive = procfs.is_alive(record.pid, record.start_time)
                yield namespace, pod, container, exec_id, record.pid, "running" if alive else "gone"


def objects(found: "list[Row]") -> list[dict[str, object]]:
    """The same as objects, for JSON."""
    return [dict(zip(map(str.lower, COLUMNS), row, strict=True)) for row in found]


def table(found: "list[Row]") -> str:
    """Columns as kubectl prints them; ids cut to 13 characters, as crictl does."""
    cells = ((ns, pod[:13], container[:13], ex or "-", str(pid), st) for ns, pod, container, ex, pid, st in found)
    return columns([COLUMNS, *cells])


def _entries(path: str) -> list[str]:
    try:
        return sorted(os.listdir(path))
    except FileNotFoundError:
        return []
