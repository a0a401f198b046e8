"""Frames: cut right however the bytes arrive; what is too long is skipped, never kept."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reaper_runtime.errors import InvalidBundle, MalformedMessage, ReaperError, ResourceExhausted
from reaper_runtime.wire.ttrpc import (
    MAX_MESSAGE,
    REQUEST,
    RESPONSE,
    Frame,
    FrameReader,
    check_client_stream,
    code_of,
    encode_frame,
)


def _told(frame: Frame) -> tuple[int, int, bytes]:
    return frame.stream, frame.type, frame.body


def _header(length: int, stream: int = 1, kind: int = REQUEST, flags: int = 0) -> bytes:
    return struct.pack(">IIBB", length, stream, kind, flags)


def test_a_frame_is_ten_bytes_of_header_and_the_body() -> None:
    assert encode_frame(5, RESPONSE, b"body") == b"\0\0\0\4\0\0\0\5\2\0body"


def test_a_frame_that_arrives_byte_by_byte_is_whole() -> None:
    reader = FrameReader()
    data = encode_frame(1, REQUEST, b"first") + _header(0, 3, 3) + _header(5, 5, REQUEST, 4) + b"third"
    frames = [frame for byte in data for frame in reader.feed(bytes([byte]))]
    assert [_told(f) for f in frames] == [(1, REQUEST, b"first"), (3, 3, b""), (5, REQUEST, b"third")]


@given(st.lists(st.binary(max_size=300), max_size=8), st.data())
def test_frames_are_the_same_however_the_stream_is_cut(bodies: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(encode_frame(2 * n + 1, REQUEST, body) for n, body in enumerate(bodies))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=10)))
    reader, frames = FrameReader(), []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        frames += list(reader.feed(stream[start:end]))
    assert [_told(f) for f in frames] == [(2 * n + 1, REQUEST, body) for n, body in enumerate(bodies)]


def test_a_body_of_the_limit_is_taken() -> None:
    (frame,) = FrameReader().feed(encode_frame(1, REQUEST, bytes(MAX_MESSAGE)))
    frame.check_size()
    assert len(frame.body) == MAX_MESSAGE


def test_a_body_beyond_the_limit_is_skipped_and_what_follows_is_read() -> None:
    reader = FrameReader()
    data = _header(MAX_MESSAGE + 1) + bytes(MAX_MESSAGE + 1) + encode_frame(3, REQUEST, b"next")
    frames = [frame for at in range(0, len(data), 65536) for frame in reader.feed(data[at : at + 65536])]
    assert [(f.stream, f.length, f.body) for f in frames] == [(1, MAX_MESSAGE + 1, b""), (3, 4, b"next")]
    with pytest.raises(ResourceExhausted, match="exceeds the limit"):
        frames[0].check_size()


def test_a_body_beyond_the_limit_is_not_held_in_memory() -> None:
    reader = FrameReader()
    list(reader.feed(_header(0xFFFFFFFF)))
    for _ in range(64):
        assert list(reader.feed(bytes(65536))) == []
        assert len(reader._buffer) == 0


def test_a_body_beyond_the_limit_is_never_sent() -> None:
    with pytest.raises(ResourceExhausted):
        encode_frame(1, RESPONSE, bytes(MAX_MESSAGE + 1))


@given(st.lists(st.binary(max_size=40), max_size=10))
def test_garbage_never_makes_the_reader_fail(pieces: list[bytes]) -> None:
    reader = FrameReader()
    for piece in pieces:
        for frame in reader.feed(piece):
            assert isinstance(frame, Frame)


@pytest.mark.parametrize(("stream", "last"), [(1, 0), (3, 1), (101, 3), (0xFFFFFFFF, 1)])
def test_odd_and_rising_stream_ids_are_right(stream: int, last: int) -> None:
    check_client_stream(stream, last)


@pytest.mark.parametrize(
    ("stream", "last", "reason"), [(0, 0, "is even"), (2, 1, "is even"), (1, 1, "used before"), (3, 5, "used before")]
)
def test_even_and_repeated_stream_ids_are_wrong(stream: int, last: int, reason: str) -> None:
    with pytest.raises(MalformedMessage, match=reason):
        check_client_stream(stream, last)


def test_the_code_of_an_error_is_its_own_and_that_of_a_defect_internal() -> None:
    assert code_of(InvalidBundle("x")) == 3
    assert code_of(ReaperError("x")) == 2
    assert code_of(KeyError("x")) == 13
