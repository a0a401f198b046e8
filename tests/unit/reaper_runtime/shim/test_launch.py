"""What `start` asks of the fork server: exact, bounded, and garbage is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reaper_runtime.errors import MalformedMessage
from reaper_runtime.shim.launch import MAX_LAUNCH, Launch, complete, socket_path, split

LAUNCHES = st.builds(
    Launch,
    container=st.text(),
    namespace=st.text(),
    address=st.text(),
    ttrpc_address=st.text(),
    bundle=st.text(),
    bootstrap=st.binary(),
    settings=st.text(),
)


def _told(launch: Launch) -> list[object]:
    return [getattr(launch, name) for name in Launch.FIELDS]


@given(LAUNCHES)
def test_a_launch_arrives_as_it_was_sent(launch: Launch) -> None:
    data = launch.encode()
    assert complete(data)
    inner, rest = split(data)
    assert rest == b""
    assert _told(Launch.decode(inner)) == _told(launch)


@given(LAUNCHES, st.data())
def test_part_of_a_launch_is_not_complete(launch: Launch, data: st.DataObject) -> None:
    whole = launch.encode()
    part = whole[: data.draw(st.integers(0, len(whole) - 1))]
    assert not complete(part)
    with pytest.raises(MalformedMessage):
        split(part)


@pytest.mark.parametrize(
    "data",
    [b":", b"x", b"-1:,", b"1 :a,", b"+1:a,", b"9" * 11, b"9" * 5000 + b":", b"%d:" % (MAX_LAUNCH + 1), b"\xff:"],
)
def test_what_can_never_be_a_netstring_is_refused_at_once(data: bytes) -> None:
    with pytest.raises(MalformedMessage):
        complete(data)


@pytest.mark.parametrize("data", [b"", b"1", b"3:ab", b"3:abc", b"3:abcd", b"9" * 5000 + b":a,"])
def test_what_is_no_whole_netstring_is_not_split(data: bytes) -> None:
    with pytest.raises(MalformedMessage):
        split(data)


@pytest.mark.parametrize("data", [b"", b"1:a,", b"0:,0:,0:,0:,0:,0:,", b"0:," * 8])
def test_another_number_of_fields_is_refused(data: bytes) -> None:
    with pytest.raises(MalformedMessage, match="a launch has 7 fields"):
        Launch.decode(data)


@given(st.binary(max_size=100))
def test_any_bytes_are_a_launch_or_refused(data: bytes) -> None:
    for read in (complete, split, Launch.decode):
        try:
            read(data)
        except (MalformedMessage, UnicodeDecodeError):
            continue


def test_each_build_has_a_socket_of_its_own() -> None:
    assert socket_path("1.0-abc") == "/run/reaper/zygote-1.0-abc.sock"
