"""The wire format: what is written, what is skipped, and that nothing but MalformedMessage comes of garbage."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reaper_runtime.errors import MalformedMessage
from reaper_runtime.wire import messages
from reaper_runtime.wire.protobuf import (
    BOOL,
    BYTES,
    INT,
    STRING,
    UINT,
    Message,
    decode_varint,
    encode_varint,
    field,
    repeated,
)

DECLARED = [m for m in vars(messages).values() if isinstance(m, type) and issubclass(m, Message) and m is not Message]


class Inner(Message):
    """A message within a message."""

    text: str = field(1, STRING)


class Sample(Message):
    """One field of each kind."""

    text: str = field(1, STRING)
    data: bytes = field(2, BYTES)
    count: int = field(3, UINT)
    offset: int = field(4, INT)
    flag: bool = field(5, BOOL)
    inner: Inner | None = field(6, Inner)
    texts: list[str] = repeated(7, STRING)
    numbers: list[int] = repeated(8, INT)
    inners: list[Inner] = repeated(100, Inner)


INNERS = st.builds(Inner, text=st.text())
SAMPLES = st.builds(
    Sample,
    text=st.text(),
    data=st.binary(),
    count=st.integers(0, (1 << 64) - 1),
    offset=st.integers(-(1 << 63), (1 << 63) - 1),
    flag=st.booleans(),
    inner=st.none() | INNERS,
    texts=st.lists(st.text()),
    numbers=st.lists(st.integers(-(1 << 63), (1 << 63) - 1)),
    inners=st.lists(INNERS),
)


@pytest.mark.parametrize(
    ("value", "data"),
    [(0, b"\0"), (1, b"\1"), (127, b"\x7f"), (128, b"\x80\1"), (300, b"\xac\2"), (-1, b"\xff" * 9 + b"\1")],
)
def test_varints_are_little_endian_base_128(value: int, data: bytes) -> None:
    assert encode_varint(value) == data
    assert decode_varint(data, 0) == (value % (1 << 64), len(data))


@given(st.integers(0, (1 << 64) - 1), st.binary(max_size=4))
def test_a_varint_is_read_back_from_any_place(value: int, before: bytes) -> None:
    data = before + encode_varint(value) + b"rest"
    assert decode_varint(data, len(before)) == (value, len(data) - 4)


def test_a_varint_of_eleven_bytes_is_refused() -> None:
    with pytest.raises(MalformedMessage, match="longer than ten bytes"):
        Sample.decode(b"\x18" + b"\x80" * 10 + b"\1")


@given(SAMPLES)
def test_what_is_written_is_read_back(sample: Sample) -> None:
    assert Sample.decode(sample.encode()) == sample


def test_default_values_are_not_written() -> None:
    assert Sample(text="", data=b"", count=0, offset=0, flag=False, texts=[]).encode() == b""


def test_an_empty_message_in_a_field_is_written() -> None:
    assert Sample(inner=Inner()).encode() == b"\x32\0"
    assert Sample.decode(b"\x32\0").inner == Inner()


@pytest.mark.parametrize(
    "unknown",
    [
        b"\xf8\x01\x05",  # field 31, varint
        b"\xf9\x01" + b"x" * 8,  # fixed64
        b"\xfa\x01\x03abc",  # length-delimited
        b"\xfd\x01" + b"x" * 4,  # fixed32
    ],
)
def test_unknown_fields_are_skipped(unknown: bytes) -> None:
    known = Sample(text="known", count=7).encode()
    assert Sample.decode(unknown + known + unknown) == Sample(text="known", count=7)


def test_packed_and_unpacked_numbers_are_both_read() -> None:
    packed = b"\x42\x04" + b"\1\2\xac\2"
    unpacked = b"\x40\1\x40\2\x40\xac\2"
    assert Sample.decode(packed).numbers == [1, 2, 300]
    assert Sample.decode(unpacked).numbers == [1, 2, 300]


def test_the_last_value_of_a_field_counts() -> None:
    assert Sample.decode(b"\x18\1\x18\2").count == 2


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\x0a", "not a Sample"),  # a key, and no value
        (b"\x0a\x05abc", "claims 5 bytes, 3 are left"),
        (b"\x18", "not a Sample"),
        (b"\x18\x80", "not a Sample"),
        (b"\x18" + b"\xff" * 11, "longer than ten bytes"),
        (b"\xf9\x01abc", "cut short"),
        (b"\xfd\x01abc", "cut short"),
        (b"\0\1", "field number 0"),
        (b"\2\0", "field number 0"),
        (b"\x0b", "unsupported wire type 3"),
        (b"\x0c", "unsupported wire type 4"),
        (b"\x0e", "unsupported wire type 6"),
        (b"\x0f", "unsupported wire type 7"),
        (b"\x08\1", "field 1 of Sample has wire type 0"),  # a number where a text belongs
        (b"\x1a\1a", "field 3 of Sample has wire type 2"),  # a text where a number belongs
        (b"\x1dabcd", "field 3 of Sample has wire type 5"),  # a fixed32 where a varint belongs
        (b"\x19abcdefgh", "field 3 of Sample has wire type 1"),
        (b"\x0a\2\xff\xfe", "not a Sample"),  # not UTF-8
        (b"\x32\2\x0a\x05", "claims 5 bytes"),  # within a message in a field
        (b"\x42\1\x80", "not a Sample"),  # within packed numbers
    ],
)
def test_malformed_messages_are_refused_with_the_reason(data: bytes, reason: str) -> None:
    with pytest.raises(MalformedMessage, match=reason):
        Sample.decode(data)


@given(st.binary(max_size=200), st.sampled_from([Sample, *DECLARED]))
def test_any_bytes_are_a_message_or_malformed(data: bytes, kind: type[Message]) -> None:
    try:
        message = kind.decode(data)
    except MalformedMessage:
        return
    assert kind.decode(message.encode()) == message


@given(SAMPLES, st.data())
def test_a_message_cut_anywhere_is_a_message_or_malformed(sample: Sample, data: st.DataObject) -> None:
    whole = sample.encode()
    cut = data.draw(st.integers(0, len(whole)))
    try:
        Sample.decode(whole[:cut])
    except MalformedMessage:
        return


def test_text_that_is_not_unicode_is_written_as_valid_utf_8() -> None:
    assert Sample.decode(Sample(text="a\ud800b").encode()).text == "a?b"


def test_an_unknown_keyword_is_an_error_of_the_caller() -> None:
    with pytest.raises(TypeError, match="Inner has no field txet"):
        Inner(txet="x")


def test_messages_are_equal_when_all_fields_are() -> None:
    assert Inner(text="a") == Inner(text="a")
    assert Inner(text="a") != Inner(text="b")
    assert Inner() != Sample()


def test_a_message_shows_its_fields() -> None:
    assert repr(Inner(text="a")) == "Inner(text='a')"
