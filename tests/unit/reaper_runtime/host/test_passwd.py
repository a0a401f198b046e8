"""The home directory of a user, from a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from reaper_runtime.host.passwd import home_of

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("uid", "home"), [(0, "/root"), (10, "/home/ten"), (1, "/"), (100, "/"), (7, "/h ö"), (4, "/first")]
)
def test_the_home_of_a_user(tmp_path: Path, uid: int, home: str) -> None:
    (tmp_path / "passwd").write_text(
        "root:x:0:0:root:/root:/bin/bash\nten:x:10:10::/home/ten:\n\nbroken:x:100\nempty:x:1:1:::/bin/sh\n"
        "# comment\numl:x:7:7::/h ö:/bin/sh\na:x:4:4::/first:\nb:x:4:4::/second:\n"
    )
    assert home_of(uid, str(tmp_path / "passwd")) == home


def test_no_file(tmp_path: Path) -> None:
    assert home_of(0, str(tmp_path / "passwd")) == "/"
