"""The folder operator/ has the name of a module of the standard library: it must never become importable as it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PARTS = ("api", "operator", "runtime", "node", "cli")


@pytest.mark.parametrize("part", PARTS)
def test_a_part_is_a_folder_not_a_package(part: str) -> None:
    assert not (ROOT / part / "__init__.py").exists()


@pytest.mark.parametrize("part", PARTS)
def test_no_tests_are_in_a_part(part: str) -> None:
    found = [path for pattern in ("test_*.py", "*_test.py", "conftest.py") for path in (ROOT / part).rglob(pattern)]
    assert found == []


def test_no_python_file_is_directly_in_the_operator_folder() -> None:
    assert list((ROOT / "operator").glob("*.py")) == []


def test_operator_is_the_standard_librarys_from_the_root_of_the_repository() -> None:
    code = "import operator; print(operator.eq(1, 1))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True)
    assert done.stdout == "True\n"


def test_no_unit_test_folder_is_a_package() -> None:
    assert list((ROOT / "tests" / "unit").rglob("__init__.py")) == []
