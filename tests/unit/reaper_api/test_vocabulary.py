"""vocabulary.py: the only place where names of the API are spelled out."""

import ast
from pathlib import Path

import pytest

from reaper_api import vocabulary
from reaper_node import report

ROOT = Path(__file__).parents[3]
SOURCES = sorted(
    path
    for folder in ("api/reaper_api", "operator/reaper_operator", "cli/reaper_cli")
    for path in (ROOT / folder).rglob("*.py")
    if path.name != "vocabulary.py"
)
NAMES = {
    value
    for name, value in vars(vocabulary).items()
    if name.isupper() and isinstance(value, str) and ("/" in value or "." in value)
} | {vocabulary.KIND, vocabulary.PLURAL, vocabulary.RUNTIME_CLASS}


def test_there_is_something_to_look_for() -> None:
    assert {"reaper.io", "reaper.io/task", "reaper.runtime/stdout", "reaper-v2", "ReaperTask"} <= NAMES
    assert len(SOURCES) > 15


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_no_name_is_spelled_out_elsewhere(path: Path) -> None:
    tree = ast.parse(path.read_text())
    # Literals that are values, not documentation.
    documentation = {
        id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    literals = {
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documentation
    }
    assert not literals & NAMES
    assert not [text for text in literals if vocabulary.GROUP in text]


def test_the_names_on_nodes_are_those_that_the_installer_writes() -> None:
    """The installer has the standard library only, and so a copy."""
    assert (vocabulary.LABEL_RUNTIME, vocabulary.NODE_READY) == (report.LABEL, report.READY)
    assert vocabulary.ANNOTATION_NODE_VERSION == report.VERSION
    assert vocabulary.ANNOTATION_NODE_ERROR == report.ERROR


def test_every_condition_says_what_it_means_and_which_value_is_abnormal() -> None:
    source = (ROOT / "api/reaper_api/vocabulary.py").read_text()
    (enum,) = (
        node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ClassDef) and node.name == "ConditionType"
    )
    documented = [
        (first.targets[0].id, second.value.value)
        for first, second in zip(enum.body, enum.body[1:], strict=False)
        if isinstance(first, ast.Assign)
        and isinstance(first.targets[0], ast.Name)
        and isinstance(second, ast.Expr)
        and isinstance(second.value, ast.Constant)
        and isinstance(second.value.value, str)
    ]
    assert [name for name, _ in documented] == [member.name for member in vocabulary.ConditionType]
    for _, text in documented:
        assert "True:" in text
        assert "bsent" in text
        assert "bnormal" in text
