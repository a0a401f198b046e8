"""Signals in words."""

from __future__ import annotations

import signal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reaper_runtime.commands.signals import number
from reaper_runtime.errors import InvalidArgument


@given(st.sampled_from(list(signal.Signals)), st.booleans(), st.booleans())
def test_every_name_of_the_system_is_known(wanted: signal.Signals, prefix: bool, lower: bool) -> None:  # noqa: FBT001
    text = wanted.name if prefix else wanted.name.removeprefix("SIG")
    assert number(text.lower() if lower else text) == wanted


@given(st.integers(0, int(signal.SIGRTMAX) - int(signal.SIGRTMIN)))
def test_real_time_signals_count_from_either_end(offset: int) -> None:
    assert number(f"RTMIN+{offset}") == signal.SIGRTMIN + offset
    assert number(f"SIGRTMAX-{offset}") == signal.SIGRTMAX - offset
    assert number(str(signal.SIGRTMIN + offset)) == signal.SIGRTMIN + offset


@given(st.text(max_size=12))
def test_anything_else_is_one_sentence(text: str) -> None:
    try:
        assert 1 <= number(text) <= signal.SIGRTMAX
    except InvalidArgument as error:
        assert repr(text) in str(error)  # noqa: PT017  # either is right


@pytest.mark.parametrize(
    "text",
    ["", "0", "65", "SIG_DFL", "DFL", "TERM+1", "RTMAX+1", "RTMIN+99999", "RTMIN-", "999", "\u00b9", "RTMIN+\u00b9"],
)
def test_what_is_no_signal_is_refused(text: str) -> None:
    with pytest.raises(InvalidArgument, match="unknown signal"):
        number(text)
