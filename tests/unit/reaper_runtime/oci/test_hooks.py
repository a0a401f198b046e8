"""The hooks of config.json: read as they are written, or refused with the field."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reaper_runtime.errors import InvalidBundle
from reaper_runtime.oci.hooks import KINDS, parse


def test_a_hook_has_path_arguments_environment_and_timeout() -> None:
    entry = {"path": "/bin/sh", "args": ["sh", "-c", "x"], "env": ["A=b=c", "D="], "timeout": 5}
    (hook,) = parse({"poststop": [entry]}, "hooks")["poststop"]
    assert (hook.path, hook.args, hook.env, hook.timeout) == ("/bin/sh", ("sh", "-c", "x"), {"A": "b=c", "D": ""}, 5)


def test_only_the_path_is_required() -> None:
    (hook,) = parse({"prestart": [{"path": "/a"}]}, "hooks")["prestart"]
    assert (hook.args, hook.env, hook.timeout) == (("/a",), {}, None)


@pytest.mark.parametrize(
    "entry",
    [
        None, "x", {}, {"path": "a"}, {"path": "/a\0"}, {"path": "/\ud800"}, {"path": "/a", "args": [1]},
        {"path": "/a", "env": ["=x"]}, {"path": "/a", "timeout": -1}, {"path": "/a", "timeout": True},
    ],
)  # fmt: skip
def test_a_wrong_hook_is_named_by_its_place(entry: Any) -> None:
    with pytest.raises(InvalidBundle, match=r"^hooks\.createRuntime\[1\]\."):
        parse({"createRuntime": [{"path": "/a"}, entry]}, "hooks")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["path", "args", "env", "timeout"]), inner),
)


@given(st.dictionaries(st.sampled_from(KINDS), JSON) | JSON)
def test_any_json_is_hooks_or_one_error(value: Any) -> None:
    try:
        assert set(parse(value, "hooks")) <= set(KINDS)
    except InvalidBundle as error:
        assert str(error).startswith("hooks")  # noqa: PT017  # either is right
