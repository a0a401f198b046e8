"""What the system can be given."""

from __future__ import annotations

from typing import Any

import pytest

from reaper_runtime.errors import InvalidBundle
from reaper_runtime.oci import hooks, mounts
from reaper_runtime.oci.text import decode, is_text


@pytest.mark.parametrize("text", ["", "plain", "ä€😀", "a\nb"])
def test_what_is_a_text(text: str) -> None:
    assert is_text(text)


@pytest.mark.parametrize("value", ["a\0b", "half of a \ud83d", None, 7, b"bytes", ["a"]])
def test_what_is_none(value: Any) -> None:
    assert not is_text(value)


@pytest.mark.parametrize("data", [b"{", b"\xff", b"[" * 100_000])
def test_what_is_no_json_is_named(data: bytes) -> None:
    with pytest.raises(InvalidBundle, match="the thing is not JSON"):
        decode(data, "the thing")


@pytest.mark.parametrize(
    "entry", [{"destination": "/\ud83d", "source": "/x"}, {"destination": "/x", "source": "/\ud83d"}]
)
def test_a_mount_of_half_a_character_is_refused(entry: dict[str, str]) -> None:
    with pytest.raises(InvalidBundle, match=r"c: (mounts has the entry|the mount /x has the source)"):
        mounts.parse([entry], "c")


def test_a_hook_of_half_a_character_is_refused() -> None:
    with pytest.raises(InvalidBundle, match="path must be an absolute path"):
        hooks.parse({"prestart": [{"path": "/\ud83d"}]}, "hooks")
