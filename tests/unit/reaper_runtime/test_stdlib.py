"""The smaller forms are as the standard library's own, as far as the runtime uses them."""

from __future__ import annotations

import re
import signal
import types
import typing
from pathlib import Path
from typing import Any

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


@pytest.mark.parametrize(
    "members",
    [
        {},
        {"__annotations__": {"a": int, "b": str}, "a": 1},
        {"__annotations__": {"a": int}, "hello": lambda self: self},
    ],
    ids=["no field", "a default before a field without", "a method"],
)
def test_a_named_tuple_has_fields_only(members: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match="Bad has more or less than fields"):
        types.new_class("Bad", (stdlib.NamedTuple,), exec_body=lambda body: body.update(members))


def test_the_runtime_uses_nothing_of_signals_that_only_the_larger_module_has() -> None:
    sources = [path.read_text() for path in Path(stdlib.__file__).parent.rglob("*.py")]
    ours = [text for text in sources if "stdlib import" in text and "signal" in text]
    used = {name for text in ours for name in re.findall(r"(?<![\w.])signal\.(\w+)", text)}
    assert "SIGKILL" in used
    assert {name for name in used if not hasattr(stdlib.signal, name)} == set()
