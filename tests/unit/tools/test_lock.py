"""Which requirements go into which lock file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lock

PYPROJECT: dict[str, Any] = {
    "build-system": {"requires": ["builder==1"]},
    "project": {
        "name": "tool",
        "dependencies": ["base"],
        "optional-dependencies": {"a": ["x>=1"], "b": ["tool[a]", "y"], "c": ["z"]},
    },
    "dependency-groups": {"dev": ["tool[b,c]", "tester"]},
}


def test_an_extra_brings_what_it_refers_to() -> None:
    assert lock.requirements(PYPROJECT, {"b"}, development=False) == ["base", "x>=1", "y"]


def test_development_brings_everything_it_names_and_the_builder() -> None:
    wanted = ["base", "builder==1", "tester", "x>=1", "y", "z"]
    assert lock.requirements(PYPROJECT, set(), development=True) == wanted


def versions(path: Path) -> dict[str, str]:
    lines = [line.split(";")[0].strip(" \\") for line in path.read_text().splitlines() if line[:1].isalnum()]
    return {name: version for name, _, version in (line.partition("==") for line in lines)}


def test_the_operator_runs_what_developers_tested() -> None:
    locks = Path(lock.ROOT) / "locks"
    development, operator = versions(locks / "dev.txt"), versions(locks / "operator.txt")
    assert operator
    assert operator.items() <= development.items()


def test_locks_name_no_index() -> None:
    for path in (lock.ROOT / "locks").glob("*.txt"):
        assert "://" not in path.read_text(), path
