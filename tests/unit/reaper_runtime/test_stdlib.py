"""The smaller forms are as the standard library's own, as far as the runtime uses them."""

from __future__ import annotations

import signal
import typing

import pytest

from reaper_runtime import stdlib


def test_signals_have_their_numbers_and_no_enumerations() -> None:
    assert type(stdlib.signal.SIGTERM) is int
    assert {int(number) for number in signal.Signals} <= set(stdlib.signal.valid_signals())
    assert (stdlib.signal.SIGTERM, stdlib.signal.SIG_DFL) == (signal.SIGTERM, signal.SIG_DFL)


def test_a_named_tuple_is_as_that_of_typing() -> None:
    class Ours(stdlib.NamedTuple):
        """Words."""

        name: str
        size: int = 3

    class Theirs(typing.NamedTuple):
        """Words."""

        name: str
        size: int = 3

    assert Ours("a") == ("a", 3)
    assert Ours(name="a", size=4)._replace(size=5)._asdict() == {"name": "a", "size": 5}
    assert repr(Ours("a")) == repr(Theirs("a")).replace("Theirs", "Ours")
    assert (Ours.__doc__, Ours.__module__) == (Theirs.__doc__, Theirs.__module__)
    with pytest.raises(TypeError):
        Ours()  # type: ignore[call-arg]
    with pytest.raises(AttributeError):
        Ours("a").size = 4  # type: ignore[misc]
