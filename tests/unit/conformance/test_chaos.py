"""Of the chaos, what does not need a node."""

from __future__ import annotations

import os

import pytest

from tests.conformance.chaos import say_go


def test_a_program_that_was_killed_at_its_gate_ends_no_run() -> None:
    """make chaos, seed 4004: its shim was killed, and it between the opening of the gate and the word."""
    reader, writer = os.pipe()
    os.close(reader)
    say_go(writer)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.close(writer)


def test_a_program_at_its_gate_goes_on() -> None:
    reader, writer = os.pipe()
    say_go(writer)
    assert os.read(reader, 16) == b"go\n"
    os.close(reader)
