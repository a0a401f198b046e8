"""floor.py: what is written is what the operator writes."""

from __future__ import annotations

from reaper_api.vocabulary import FINALIZER
from tests.bench.floor import changes


def test_the_writes_of_a_task_that_succeeds() -> None:
    begun, hold, over, release = changes("hello")
    assert [where for where, _ in (begun, hold, over, release)] == ["/status", "", "/status", ""]
    assert (begun[1]["status"]["phase"], begun[1]["status"]["podUID"]) == ("Pending", "uid-of-hello")
    assert (over[1]["status"]["phase"], over[1]["status"]["exitCode"]) == ("Succeeded", 0)
    assert [change["metadata"]["finalizers"] for _, change in (hold, release)] == [[FINALIZER], []]
