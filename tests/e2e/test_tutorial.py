"""docs/tutorial.md: every command is typed, and prints what the page shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kubectl import ROOT, RUNTIME
from tutorial.shell import Shell
from tutorial.transcript import differs, steps

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from kubectl import Kubectl, Node

PAGE = ROOT / "docs" / "tutorial.md"
NAMESPACE = "first-hour"


@pytest.fixture
def shell(system: Kubectl, node: Node, tmp_path: Path) -> Iterator[Shell]:
    """A newcomer's, on a cluster where nobody has had that hour yet."""
    system.run("delete", "namespace", NAMESPACE, "--ignore-not-found", "--wait")
    node.sh(f"{RUNTIME} overlay reset {NAMESPACE}", check=False)  # there may be none
    yield Shell(tmp_path)
    system.run("delete", "namespace", NAMESPACE, "--ignore-not-found", "--wait=false")


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
