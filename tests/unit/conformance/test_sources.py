"""Each conformance test says what it checks: a specification's line, containerd's test of the same, or our page."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[3]
TESTS = {
    f"{path.parent.stem}/{path.stem}::{node.name}": ast.get_docstring(node) or ""
    for path in sorted((REPOSITORY / "tests" / "conformance").rglob("test_*.py"))
    for node in ast.parse(path.read_text()).body
    if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
}
OUR_PAGES = re.compile(r"(docs/(?!runtime-v2)[\w/-]+(?:\.md)?)(?:, \"([^\"]+)\")?")  # runtime-v2.md is containerd's


def test_there_are_conformance_tests() -> None:
    assert len(TESTS) > 150
    assert {name.partition("/")[0] for name in TESTS} == {"conformance", "oci"}


@pytest.mark.parametrize("test", TESTS)
def test_it_has_a_docstring(test: str) -> None:
    assert TESTS[test], f"{test} does not say what it checks"


@pytest.mark.parametrize("test", [test for test, says in TESTS.items() if OUR_PAGES.search(says)])
def test_our_pages_that_it_names_are_there(test: str) -> None:
    for path, heading in OUR_PAGES.findall(TESTS[test]):
        (page,) = (REPOSITORY / "docs").parent.glob(path if path.endswith(".md") else f"{path}*.md")
        headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
        assert not heading or any(each.startswith(heading) for each in headings), f"{path} has no {heading!r}"
