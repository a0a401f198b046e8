"""The cluster under test, a namespace for each test, and what to know when one fails.

These tests speak kubectl and YAML, as a user does. They need the kind cluster `reaper` with the
release `reaper` installed: `make e2e` brings both.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest

from kubectl import RELEASE, SYSTEM, Kubectl, Node
from namespaces import opened
from plugin import Reaper

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from pathlib import Path

_LINES = "--tail=60"


@pytest.fixture(scope="session")
def system() -> Kubectl:
    """kubectl in the release's namespace, which has to work before anything else can."""
    system = Kubectl(SYSTEM)
    for kind, name in (("deployment", f"{RELEASE}-operator"), ("daemonset", f"{RELEASE}-node")):
        done = system.run("rollout", "status", kind, name, "--timeout=60s", check=False)
        if done.code != 0:
            pytest.exit(f"{kind} {name} does not work in {SYSTEM}: run `make e2e`\n{done.out}{done.err}", 1)
    return system


@pytest.fixture
def kubectl(system: Kubectl) -> Iterator[Kubectl]:
    """kubectl in a namespace of the test's own; what is in there goes with it."""
    yield from _namespace(system)


@pytest.fixture
def elsewhere(system: Kubectl) -> Iterator[Kubectl]:
    """kubectl in another one."""
    yield from _namespace(system)


def _namespace(system: Kubectl) -> Iterator[Kubectl]:
    with opened(system, f"e2e-{uuid.uuid4().hex[:8]}") as kubectl:
        yield kubectl


@pytest.fixture
def reaper(kubectl: Kubectl, tmp_path: Path) -> Reaper:
    """The plugin in the test's namespace."""
    return Reaper(kubectl, tmp_path)


@pytest.fixture
def node(system: Kubectl) -> Node:
    """A node with the runtime. Tests that look at the node pin their work to it."""
    ready = system.list("nodes", "-l", "reaper.io/runtime=ready")
    assert ready, "no node has the label reaper.io/runtime=ready"
    return Node(ready[0]["metadata"]["name"])


@pytest.fixture
def folder(kubectl: Kubectl, node: Node) -> Iterator[str]:
    """A folder of the node where processes leave a word each time they start."""
    folder = f"/run/{kubectl.namespace}"  # shared with the node, where /tmp is the overlay's
    node.sh(f"mkdir {folder}")
    yield folder
    node.sh(f"rm -rf {folder}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add what a person would ask for first to the report of a test that failed."""
    report = yield
    if report.when == "call" and report.failed and isinstance(item, pytest.Function):
        kubectl = item.funcargs.get("kubectl")
        if isinstance(kubectl, Kubectl):
            report.sections += _dump(kubectl)
    return report


def _dump(kubectl: Kubectl) -> list[tuple[str, str]]:
    system = Kubectl(SYSTEM)
    questions = [
        (kubectl, ("get", "reapertasks", "-o", "yaml")),
        (kubectl, ("get", "pods", "-o", "yaml")),
        (kubectl, ("get", "events", "--sort-by=.lastTimestamp")),
        (system, ("get", "nodes", "-L", "reaper.io/runtime")),
        (system, ("get", "pods", "-o", "wide")),
        (system, ("get", "lease", f"{RELEASE}-operator", "-o", "yaml")),
        (system, ("logs", "--selector=app.kubernetes.io/component=operator", "--prefix", _LINES)),
        (system, ("logs", "--selector=app.kubernetes.io/component=node", "--all-containers", "--prefix", _LINES)),
    ]
    sections = [(f"kubectl {' '.join(words)}", _ask(who, *words)) for who, words in questions]
    for ready in system.list("nodes", "-l", "reaper.io/runtime"):
        node = Node(ready["metadata"]["name"])
        journal = node.sh(
            "journalctl -u containerd --no-pager -n 80; ps -eo pid,ppid,etimes,args | tail -60", check=False
        )
        sections.append((f"containerd and processes on {node.name}", journal))
    return sections


def _ask(who: Kubectl, *words: str) -> str:
    done = who.run(*words, check=False)
    return done.out + done.err
