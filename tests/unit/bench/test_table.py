"""The rows of the benchmarks: ratios, and whether targets are kept."""

from __future__ import annotations

import statistics

import pytest

from tests.bench.exec_latency import ExecSyncRequest, ExecSyncResponse
from tests.bench.table import Row, Target, markdown, percentile


@pytest.mark.parametrize(
    ("reaper", "target", "text"),
    [
        (50.0, Target(0.5), "≤ 0.50"),
        (51.0, Target(0.5), "≤ 0.50 (missed)"),
        (100.0, Target(1.0, at_least=True), "≥ 1.00"),
        (99.0, Target(1.0, at_least=True), "≥ 1.00 (missed)"),
        (20.0, Target(20, unit="ms"), "≤ 20 ms"),
        (20.1, Target(20, unit="ms"), "≤ 20 ms (missed)"),
        (20.1, None, ""),
    ],
)
def test_a_target_that_is_missed_says_so(reaper: float, target: Target | None, text: str) -> None:
    assert Row("it", reaper, 100.0, target).cells()[-1] == text


def test_a_table_of_markdown() -> None:
    row = Row.of("start, ms", {"reaper": [1.0, 3.0, 2.0], "runc": [4.0, 4.0, 9.0]}, statistics.median)
    assert markdown([row], "runc").splitlines() == [
        "| what | reaper | runc | ratio | target |",
        "| --- | ---: | ---: | ---: | ---: |",
        "| start, ms | 2.00 | 4.00 | 0.50 |  |",
    ]


def test_a_row_beside_nothing_has_no_ratio() -> None:
    assert Row("writes at rest", 0, None, Target(0, unit="writes")).cells()[1:] == ("0.00", "", "", "≤ 0 writes")
    assert Row("reads", 3, 0).ratio is None
    with pytest.raises(ValueError, match="reads: there is no ratio"):
        Row("reads", 3, None, Target(1.0)).cells()


def test_a_percentile_is_between_what_was_measured() -> None:
    assert percentile([float(number) for number in range(101)], 95) == 95.0


def test_the_messages_of_cri() -> None:
    """Bytes as Google's encoding gives them for these fields of cri-api's api.proto."""
    assert ExecSyncRequest(container_id="c", cmd=["a", "b"], timeout=2).encode() == b"\n\x01c\x12\x01a\x12\x01b\x18\x02"
    answer = ExecSyncResponse.decode(b"\n\x01o\x12\x01e\x18\x03")
    assert (answer.stdout, answer.stderr, answer.exit_code) == (b"o", b"e", 3)
