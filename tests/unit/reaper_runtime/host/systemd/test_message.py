"""D-Bus messages: the bytes of one that everybody sends, and what is none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reaper_runtime.errors import MalformedMessage
from reaper_runtime.host.systemd.message import CALL, LARGEST, Message, call, length

# As any client says it to a bus, by strace.
HELLO = (
    b"l\1\0\1\0\0\0\0\1\0\0\0n\0\0\0\1\1o\0\25\0\0\0/org/freedesktop/DBus\0\0\0\6\1s\0\24\0\0\0org.freedesktop.DBus\0\0\0\0"
    b"\2\1s\0\24\0\0\0org.freedesktop.DBus\0\0\0\0\3\1s\0\5\0\0\0Hello\0\0\0"
)
FIELDS = {
    "path": "/org/freedesktop/DBus",
    "destination": "org.freedesktop.DBus",
    "interface": "org.freedesktop.DBus",
    "member": "Hello",
}


def test_the_bytes_of_hello() -> None:
    assert call(1, FIELDS, "", ()).encode() == HELLO
    assert length(HELLO) == len(HELLO)


def test_hello_is_read() -> None:
    read = Message.decode(HELLO)
    assert (read.kind, read.serial, read.fields) == (CALL, 1, FIELDS)
    assert read.body("") == ()


@given(st.text(max_size=20), st.lists(st.integers(0, (1 << 32) - 1), max_size=5))
def test_a_body_comes_back(text: str, numbers: list[int]) -> None:
    data = call(9, FIELDS, "sau", (text, numbers)).encode()
    assert length(data) == len(data)
    assert Message.decode(data).body("sau") == (text, numbers)


def test_a_body_of_another_signature_is_malformed() -> None:
    with pytest.raises(MalformedMessage, match="has 's', not 'o'"):
        Message.decode(call(9, FIELDS, "s", ("text",)).encode()).body("o")


def test_fields_that_are_not_known_are_left_out() -> None:
    """D-Bus specification, "Header Fields": an implementation "must ignore" them."""
    assert Message.decode(HELLO.replace(b"\6\1s", b"\x63\1s")).fields.keys() == FIELDS.keys() - {"destination"}


def test_a_message_that_is_not_there_yet_has_no_length() -> None:
    assert length(HELLO[:15]) is None


@pytest.mark.parametrize(
    "data", [b"x" + HELLO[1:], HELLO[:3] + b"\2" + HELLO[4:], HELLO.replace(b"\3\1s", b"\3\1o"), HELLO[:100], b""]
)
def test_what_is_none(data: bytes) -> None:
    with pytest.raises(MalformedMessage):
        Message.decode(data)


def test_one_that_is_too_large() -> None:
    with pytest.raises(MalformedMessage, match="bytes"):
        length(HELLO[:4] + LARGEST.to_bytes(4, "little") + HELLO[8:])


@given(st.binary(min_size=16, max_size=80))
def test_any_bytes_are_a_message_or_malformed(data: bytes) -> None:
    for first in (b"l", b"B"):
        whole = first + data[1:]
        try:
            length(whole)
            Message.decode(whole)
        except MalformedMessage:
            continue
