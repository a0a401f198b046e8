"""Ids that become file names."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reaper_runtime.errors import InvalidArgument
from reaper_runtime.names import check_id


@pytest.mark.parametrize("name", ["a", "0", "A-b_c.d+e", "f" * 64, "x" * 120])
def test_a_good_id_is_given_back(name: str) -> None:
    assert check_id(name) == name


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "-a", "_a", "+a", "a/b", "/a", "../a", "a:b", "a~", "a b", "a\n", "a\0", "ä", "a\u0660", "x" * 121],
)
def test_what_could_leave_its_folder_is_refused(name: str) -> None:
    with pytest.raises(InvalidArgument, match=r"exec id .* is not valid"):
        check_id(name, "exec id")


@given(st.text(max_size=130))
def test_an_id_is_a_plain_file_name_or_refused(name: str) -> None:
    try:
        check_id(name)
    except InvalidArgument:
        return
    assert not set(name) & set("/\0:~ ")
    assert name.strip(".") != ""
    assert len(f"{name}:{name}~".encode()) <= 255
