"""Every error has a code that containerd understands and an exit code."""

from __future__ import annotations

import pytest

from reaper_runtime import errors
from reaper_runtime.wire.ttrpc import code_of

CODES = {  # google.rpc.Code
    "ReaperError": 2,
    "InvalidArgument": 3,
    "InvalidBundle": 3,
    "MalformedMessage": 3,
    "DeadlineExceeded": 4,
    "NotFound": 5,
    "AlreadyExists": 6,
    "ResourceExhausted": 8,
    "FailedPrecondition": 9,
    "Unimplemented": 12,
    "Internal": 13,
    "Unavailable": 14,
}
ALL = {name: kind for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, Exception)}


def test_every_error_is_in_this_table() -> None:
    assert set(ALL) == set(CODES)


@pytest.mark.parametrize("name", sorted(CODES))
def test_an_error_has_its_code_and_an_exit_code(name: str) -> None:
    error = ALL[name]("a sentence")
    assert isinstance(error, errors.ReaperError)
    assert code_of(error) == CODES[name]
    assert error.exit_code in (1, 2)
    assert str(error) == "a sentence"


def test_a_wrong_command_line_has_an_exit_code_of_its_own() -> None:
    assert errors.InvalidArgument.exit_code == 2
    assert errors.ReaperError.exit_code == 1


@pytest.mark.parametrize("defect", [KeyError("x"), OSError(5, "x"), RuntimeError()])
def test_what_is_not_ours_is_internal(defect: Exception) -> None:
    assert code_of(defect) == 13
