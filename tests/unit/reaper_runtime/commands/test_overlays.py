"""overlay list and overlay reset, on real overlays below a folder of the test's own."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from reaper_runtime.commands.overlays import listing, overlay, reset
from reaper_runtime.config import Config
from reaper_runtime.errors import FailedPrecondition, InvalidArgument, NotFound
from reaper_runtime.host import mounts
from reaper_runtime.overlay import LOCKS, Overlay, overlays
from tests.fakes.runtime import needs_root

if TYPE_CHECKING:
    from collections.abc import Iterator
pytestmark = needs_root
A, B = (f"unit-{letter}-{os.getpid()}" for letter in "ab")  # locks are the machine's


@pytest.fixture
def base(tmp_path: Path) -> Iterator[str]:
    """A base directory with the overlays a and b, mounted and used by nobody."""
    path = str(tmp_path / "overlays")
    for name in (A, B):
        made = Overlay(name, path)
        lock = made.open_lock()
        made.acquire(lock)
        os.close(lock)
    yield path
    for left in overlays(path):
        left.reset()
    reset(path, [])
    for name in (A, B):
        for kind in ("use", "make"):
            Path(f"{LOCKS}/{name}.{kind}").unlink()


def _date(base: str) -> None:
    """A was made at 2001-09-09T01:46:40Z, in another boot."""
    made = Path(f"{base}/{A}/made")
    made.write_text("another-boot 1.0")
    os.utime(made, (1_000_000_000, 1_000_000_000))


def names(base: str) -> list[str]:
    return [each.name for each in overlays(base)]


def test_a_table_for_people(base: str) -> None:
    Path(f"{base}/{A}/merged/etc/unit-test").write_text("x" * 5000)
    _date(base)
    lines = listing(overlays(base), "table").splitlines()
    assert lines[0].split() == ["NAME", "MOUNTED", "IN", "USE", "MADE", "WRITTEN"]
    assert lines[1].split() == [A, "yes", "no", "2001-09-09T01:46:40Z", "8", "KiB"]
    assert lines[2].startswith(B)


def test_json_for_programs(base: str) -> None:
    lock = Overlay(B, base).open_lock()
    Overlay(B, base).acquire(lock)
    found = json.loads(listing(overlays(base), "json"))
    os.close(lock)
    assert [(each["name"], each["mounted"], each["inUse"]) for each in found] == [
        (A, True, False),
        (B, True, True),
    ]
    assert isinstance(found[0]["writtenBytes"], int)


def test_when_it_was_made_stays_as_it_was_also_where_it_is_mounted_anew(base: str) -> None:
    _date(base)
    Path(f"{base}/{A}/ready").unlink()  # as after a reboot
    lock = Overlay(A, base).open_lock()
    Overlay(A, base).acquire(lock)
    os.close(lock)
    assert json.loads(listing(overlays(base), "json"))[0]["made"] == "2001-09-09T01:46:40Z"


def test_one_that_is_not_made_to_the_end_says_no_time(base: str) -> None:
    Path(f"{base}/{A}/made").unlink()
    assert json.loads(listing(overlays(base), "json"))[0]["made"] is None
    assert listing(overlays(base), "table").splitlines()[1].split()[:4] == [A, "yes", "no", "?"]


def test_sizes_can_be_left_out(base: str) -> None:
    assert "writtenBytes" not in json.loads(listing(overlays(base), "json", sizes=False))[0]
    assert "WRITTEN" not in listing(overlays(base), "table", sizes=False)


def test_reset_forgets_one_and_leaves_the_others(base: str) -> None:
    reset(base, [A])
    assert names(base) == [B]
    assert Overlay(B, base).mounted


def test_reset_of_all_unmounts_the_base_too(base: str) -> None:
    reset(base, [])
    assert not Path(base).exists()
    assert base not in mounts.table()


def test_what_is_in_use_stays_and_is_named(base: str) -> None:
    lock = Overlay(A, base).open_lock()
    Overlay(A, base).acquire(lock)
    with pytest.raises(FailedPrecondition, match=rf"overlay {A} is in use on node .*: end the pods"):
        reset(base, [])
    os.close(lock)
    assert names(base) == [A]


def test_one_that_is_not_there(base: str) -> None:
    with pytest.raises(NotFound, match=r"there is no overlay nowhere on node .*: see reaper-runtime overlay list"):
        reset(base, [A, "nowhere"])
    assert names(base) == [A, B]


@pytest.mark.parametrize(("wanted", "everything"), [([], False), ([A], True)])
def test_names_or_all_but_not_both(base: str, wanted: list[str], everything: bool) -> None:  # noqa: FBT001
    options = argparse.Namespace(action="reset", names=wanted, everything=everything)
    with pytest.raises(InvalidArgument, match="name the overlays to reset, or say --all"):
        overlay(options, Config(overlay_base=base))
