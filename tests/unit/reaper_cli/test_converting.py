"""Manifests as people have them, each with what it becomes and what is told about it.

The expectations are in tests/data/converted. After a change that is meant, REAPER_WRITE_CONVERTED=1 writes them anew:
read the difference before you commit it.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from reaper_api.conversion.report import Verdict, leaves
from reaper_api.ruleset.table import findings
from reaper_cli.converting import convert_text
from reaper_cli.main import plugin
from reaper_cli.manifests import documents, items

DATA = Path(__file__).parents[2] / "data"
MANIFESTS = sorted((DATA / "manifests").glob("*.yaml"))
EXAMPLES = sorted((DATA.parents[1] / "examples").glob("*.yaml"))


def node_for(path: Path) -> list[str]:
    return ["--node", "worker-1"] if path.name.startswith("daemonset") else []


def test_there_are_manifests_of_many_shapes() -> None:
    assert len(MANIFESTS) >= 45


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.stem)
def test_a_manifest_becomes_what_is_expected(path: Path) -> None:
    result = CliRunner().invoke(plugin, ["convert", str(path), *node_for(path)])
    found = {".yaml": result.stdout, ".txt": result.stderr + f"exit code {result.exit_code}\n"}
    for suffix, text in found.items():
        expected = DATA / "converted" / f"{path.stem}{suffix}"
        if os.environ.get("REAPER_WRITE_CONVERTED"):
            expected.write_text(text)
        assert text == expected.read_text()


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.stem)
def test_every_leaf_of_a_manifest_is_accounted_for_once(path: Path) -> None:
    source = path.read_text()
    bodies = [body for document in documents(source) for body in items(document)]
    for body, converted in zip(bodies, convert_text(source, node="worker-1"), strict=True):
        if converted.conversion is not None:
            there = [path for path, _ in leaves(body)]
            missing = Verdict.REFUSED  # what should be there may be refused for not being there
            fields = converted.conversion.fields
            accounted = [field.source for field in fields if field.source in there or field.verdict is not missing]
            assert sorted(map(str, filter(None, accounted))) == sorted(map(str, there))


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.stem)
def test_what_comes_out_is_valid(path: Path) -> None:
    result = CliRunner().invoke(plugin, ["convert", str(path), *node_for(path), "--report", "none"])
    for document in documents(result.stdout):
        for body in items(document):
            if body["kind"] == "ReaperTask":
                assert list(findings(body)) == []


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_every_example_goes_to_the_other_kind_and_back(path: Path) -> None:
    there = CliRunner().invoke(plugin, ["convert", str(path), "--report", "none"])
    back = CliRunner().invoke(plugin, ["convert", "-", "--report", "none"], input=there.stdout)
    assert (there.exit_code, back.exit_code) == (0, 0)
    old, new = (
        [body for document in documents(text) for body in items(document) if body["kind"] in ("Pod", "ReaperTask")]
        for text in (path.read_text(), back.stdout)
    )
    assert [(body["kind"], body["metadata"]["name"]) for body in new] == [
        (body["kind"], body["metadata"]["name"]) for body in old
    ]
