"""What the system can be given."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from reaper_runtime.errors import InvalidBundle
from reaper_runtime.oci import hooks, mounts
from reaper_runtime.oci.text import decode, is_text

RUNTIME = Path(__file__).parents[4] / "runtime"
NO_JSON = (
    b"{", b"{not json", b"\xff", b"[" * 100_000, b"", b"  ", b"{} {}", b"[1,]", b'{"a"}', b'"\n"', b'"\\x"', b'"\\u12"',
    b"-", b"9" * 5000,
)  # fmt: skip


@pytest.mark.parametrize("text", ["", "plain", "ä€😀", "a\nb"])
def test_what_is_a_text(text: str) -> None:
    assert is_text(text)


@pytest.mark.parametrize("value", ["a\0b", "half of a \ud83d", None, 7, b"bytes", ["a"]])
def test_what_is_none(value: Any) -> None:
    assert not is_text(value)


@pytest.mark.parametrize(
    "text",
    ['{"a": [1, -2.5e3, "\\ud83d\\n", "ä", true, null]}', " \n\t\r7 \n", '""', "[]", "-Infinity", '{"a": 1, "a": 2}'],
)
def test_json_is_read_as_the_standard_library_reads_it(text: str) -> None:
    assert decode(text.encode(), "the thing") == json.loads(text)


def test_the_place_of_what_is_no_json_is_named() -> None:
    with pytest.raises(InvalidBundle, match=r"the thing is not JSON: .*: line 2 column 3 \(char 4\)"):
        decode(b"{\n  1}", "the thing")


@pytest.mark.parametrize("data", NO_JSON)
def test_what_is_no_json_is_named(data: bytes) -> None:
    with pytest.raises(InvalidBundle, match="the thing is not JSON"):
        decode(data, "the thing")


def test_what_is_no_json_is_named_in_a_shim_too() -> None:
    """There `json` is not imported, from which the scanner would take the class of its errors, until it is needed."""
    code = f"""
import sys
sys.path.insert(0, {str(RUNTIME)!r})
from reaper_runtime.errors import InvalidBundle
from reaper_runtime.oci.text import decode
assert decode(b'{{"a": [1]}}', "the thing") == {{"a": [1]}}
assert "json" not in sys.modules
cases, path, sys.path[:] = {NO_JSON!r}, sys.path[:], []  # as if a new version were installed, and the old one gone
for data in cases:
    try:
        sys.exit(f"{{data!r}} is {{decode(data, 'the thing')!r}}")
    except InvalidBundle as error:
        assert str(error) == "the thing is not JSON", error
sys.path[:] = path
for data in cases:
    try:
        sys.exit(f"{{data!r}} is {{decode(data, 'the thing')!r}}")
    except InvalidBundle as error:
        assert str(error).startswith("the thing is not JSON"), error
"""
    subprocess.run([sys.executable, "-I", "-S", "-c", code], check=True)


@pytest.mark.parametrize(
    "entry", [{"destination": "/\ud83d", "source": "/x"}, {"destination": "/x", "source": "/\ud83d"}]
)
def test_a_mount_of_half_a_character_is_refused(entry: dict[str, str]) -> None:
    with pytest.raises(InvalidBundle, match=r"c: (mounts has the entry|the mount /x has the source)"):
        mounts.parse([entry], "c")


def test_a_hook_of_half_a_character_is_refused() -> None:
    with pytest.raises(InvalidBundle, match="path must be an absolute path"):
        hooks.parse({"prestart": [{"path": "/\ud83d"}]}, "hooks")
