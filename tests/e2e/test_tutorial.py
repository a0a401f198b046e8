"""docs/tutorial.md: every command is typed, and prints what the page shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kubectl import ROOT, RUNTIME, Kubectl
from tutorial.shell import Shell
from tutorial.transcript import differs, steps
from waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from kubectl import Node

PAGE = ROOT / "docs" / "tutorial.md"
NAMESPACE = "first-hour"


@pytest.fixture
def shell(system: Kubectl, node: Node, tmp_path: Path) -> Iterator[Shell]:
    """A newcomer's, on a cluster where nobody has had that hour yet."""
    system.run("delete", "namespace", NAMESPACE, "--ignore-not-found", "--wait")
    node.sh(f"{RUNTIME} overlay reset {NAMESPACE}", check=False)  # there may be none
    yield Shell(tmp_path)
    system.run("delete", "namespace", NAMESPACE, "--ignore-not-found", "--wait=false")


# The API server goes by some changes a moment after it has made them. A person does not type the next command as soon.
TASK = str(ROOT / "examples" / "user.yaml")  # of a name that the page does not have
IN_FORCE = {
    "kubectl label namespace": ("create", "-f", TASK, "--dry-run=server"),
    "kubectl create rolebinding jane-edits": ("auth", "can-i", "create", "reapertasks.reaper.io", "--as=jane"),
    "kubectl create rolebinding host-processes": ("create", "-f", TASK, "--dry-run=server", "--as=jane"),
}


def settle(command: str) -> None:
    """Wait until what a command has changed is in force."""
    kubectl = Kubectl(NAMESPACE)
    questions = [words for begin, words in IN_FORCE.items() if command.startswith(begin)]
    eventually(lambda: all(kubectl.run(*words, check=False).code == 0 for words in questions), 30, f"after {command}")


@pytest.mark.timeout(600)
def test_a_first_hour(shell: Shell) -> None:
    for step in steps(PAGE.read_text()):
        printed = shell.type(step.command)
        assert not differs(step.output, printed), (
            f"{PAGE.name}:{step.line}: $ {step.command}\nshown:\n"
            + "\n".join(step.output)
            + "\nprinted:\n"
            + "\n".join(printed)
        )
        settle(step.command)
