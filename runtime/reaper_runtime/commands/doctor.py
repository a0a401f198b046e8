"""doctor: a table of small checks, each of which says in words what it found and what to do next."""

import json

from reaper_runtime.commands import checks
from reaper_runtime.commands.checks import OK, PROBLEM, Finding, Node
from reaper_runtime.commands.show import columns

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    Check = Callable[[Node], Iterable[Finding]]

CHECKS: "tuple[tuple[str, Check], ...]" = (
    ("version", checks.version),
    ("configuration", checks.configuration),
    ("fork server", checks.fork_server),
    ("containerd", checks.containerd),
    ("processes", checks.records),
    ("shims", checks.shims),
    ("sockets", checks.sockets),
    ("containers", checks.containers),
    ("overlayfs", checks.overlayfs),
    ("overlays", checks.overlays_left),
    ("pidfd", checks.pidfd),
    ("cgroups", checks.cgroups),
    ("oom score", checks.oom_score),
)


def examine(node: Node) -> list[tuple[str, Finding]]:
    """Every check's findings. One that fails itself is a problem, never silence."""
    found = []
    for subject, check in CHECKS:
        try:
            found += [(subject, finding) for finding in check(node)]
        except OSError as error:
            found.append((subject, Finding(PROBLEM, f"cannot be examined: {error}", "run as root on the node itself")))
    return found


def report(build: str, environment: dict[str, str], form: str) -> tuple[int, str]:
    """1 if there is a problem, else 0; and the text."""
    found = examine(Node(build=build, environment=environment))
    code = int(any(finding.level == PROBLEM for _, finding in found))
    if form == "json":
        entries = [{"check": subject, **finding._asdict()} for subject, finding in found]
        return code, json.dumps(entries, indent=2) + "\n"
    lines = [(finding.level, subject, _sentence(finding)) for subject, finding in found]
    return code, columns(lines)


def _sentence(finding: Finding) -> str:
    return (
        finding.message if finding.level == OK or not finding.next_step else f"{finding.message}: {finding.next_step}"
    )
