"""D-Bus values: what the specification shows, all that comes back as it was, and what is none."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reaper_runtime.errors import MalformedMessage
from reaper_runtime.host.systemd.marshalling import decode, encode, split

U32, U64 = st.integers(0, (1 << 32) - 1), st.integers(0, (1 << 64) - 1)
SIMPLE: list[tuple[str, st.SearchStrategy[Any]]] = [
    ("y", st.integers(0, 255)),
    ("b", st.booleans()),
    ("u", U32),
    ("t", U64),
    ("s", st.text(max_size=20)),
    ("o", st.text(max_size=20)),
    ("g", st.text(max_size=20)),
]


def _arrays(one: tuple[str, Any]) -> st.SearchStrategy[tuple[str, Any]]:
    kind, value = one
    return st.tuples(st.just(f"a{kind}"), st.lists(st.just(value), max_size=3))


def _struct(parts: list[tuple[str, Any]]) -> tuple[str, Any]:
    return f"({''.join(kind for kind, _ in parts)})", tuple(value for _, value in parts)


def _beyond(inner: st.SearchStrategy[tuple[str, Any]]) -> st.SearchStrategy[tuple[str, Any]]:
    structs = st.lists(inner, min_size=1, max_size=4).map(_struct)
    return st.one_of(inner.flatmap(_arrays), structs, st.tuples(st.just("v"), inner))


VALUES = st.recursive(st.one_of(*(st.tuples(st.just(kind), of) for kind, of in SIMPLE)), _beyond, max_leaves=8)


@pytest.mark.parametrize(
    ("signature", "values", "expected"),
    [
        ("sss", ("foo", "+", "bar"), "03000000 666f6f00 01000000 2b00 0000 03000000 62617200"),
        ("uat", (1, [5]), "01000000 08000000 0500000000000000"),
        ("at", ([],), "00000000 00000000"),
        ("yu", (1, 2), "01000000 02000000"),
        ("v", (("t", 3),), "01740000 00000000 0300000000000000"),
        ("(sv)", (("b", ("b", True)),), "01000000 6200 01 62 00 000000 01000000"),
        ("ay", ([1, 2],), "02000000 0102"),
    ],
)
def test_the_bytes(signature: str, values: tuple[Any, ...], expected: str) -> None:
    """D-Bus specification, "Marshalling containers" and "Marshaling (Wire Format)"."""
    assert encode(signature, values).hex() == expected.replace(" ", "")


@given(st.lists(VALUES, max_size=4))
def test_what_was_encoded_comes_back(values: list[tuple[str, Any]]) -> None:
    signature = "".join(kind for kind, _ in values)
    assert split(signature) == [kind for kind, _ in values]
    assert decode(signature, encode(signature, [value for _, value in values])) == tuple(v for _, v in values)


def test_the_other_order_of_bytes() -> None:
    assert decode("uas", bytes.fromhex("00000001 0000000a 00000005 68656c6c6f00"), "big") == (1, ["hello"])


@given(st.binary(max_size=60))
def test_any_bytes_are_values_or_malformed(data: bytes) -> None:
    for signature in ("yyyyuua(yv)", "uoss", "s", "v", "a(sa(sv))", "av"):
        try:
            decode(signature, data)
        except MalformedMessage:
            continue


@pytest.mark.parametrize("signature", ["z", "(s", "a", "()", "a" * 70 + "s", "s)", "a{sv}"])
def test_what_is_no_signature(signature: str) -> None:
    with pytest.raises(MalformedMessage):
        split(signature)


@pytest.mark.parametrize(
    ("signature", "data", "why"),
    [
        ("u", "0100", "shorter than it says"),
        ("s", "03000000 666f6f01", "does not end"),
        ("s", "01000000 ff00", "not UTF-8"),
        ("s", "ffffffff 00", "shorter than it says"),
        ("as", "ffffffff 00", "longer than its message"),
        ("at", "09000000 00000000 0100000000000000 01000000 00000000", "midst of an item"),
        ("v", "02737300 00000000", "one value"),
        ("v", "00000000", "one value"),
        ("v", "017600" * 70, "too deep"),
    ],
)
def test_what_is_malformed(signature: str, data: str, why: str) -> None:
    with pytest.raises(MalformedMessage, match=why):
        decode(signature, bytes.fromhex(data.replace(" ", "")))


@pytest.mark.parametrize(("signature", "value"), [("y", 256), ("u", -1), ("t", 1 << 64)])
def test_a_number_that_is_too_large_is_a_defect(signature: str, value: int) -> None:
    with pytest.raises(OverflowError):
        encode(signature, (value,))
