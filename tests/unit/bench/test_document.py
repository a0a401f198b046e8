"""docs/performance.md is in two parts, each of a run of its own."""

from __future__ import annotations

from tests.bench.document import PATH, split


def test_the_document_is_its_two_parts() -> None:
    text = PATH.read_text()
    runtime, tasks = split(text)
    assert runtime + tasks == text
    assert runtime.startswith("# Performance\n")
    assert tasks.startswith("## Tasks and Jobs\n")
    assert runtime.count("| reaper | runc |") == tasks.count("| reaper | Job |") == 1
