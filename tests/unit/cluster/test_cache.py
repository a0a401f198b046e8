from __future__ import annotations

import os
from pathlib import Path

import pytest

from cluster.host.cache import Cache, cache_root, key


def test_the_root_is_what_the_environment_says_first() -> None:
    assert cache_root({"REAPER_CACHE": "/a", "XDG_CACHE_HOME": "/b", "HOME": "/c"}) == Path("/a")
    assert cache_root({"XDG_CACHE_HOME": "/b", "HOME": "/c"}) == Path("/b/reaper")
    assert cache_root({"HOME": "/c"}) == Path("/c/.cache/reaper")


def test_a_key_changes_with_any_input(tmp_path: Path) -> None:
    keys = [key("x"), key("x", "y"), key("xy")]
    (tmp_path / "a").write_text("1")
    keys.append(key(tmp_path))
    (tmp_path / "a").write_text("2")
    keys.append(key(tmp_path))
    (tmp_path / "a").rename(tmp_path / "b")
    keys.append(key(tmp_path))
    assert len(set(keys)) == len(keys)
    assert key(tmp_path) == keys[-1]


def test_a_comment_in_python_code_changes_no_key(tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.py"
    recipe.write_text("x = 1\n")
    before = key(recipe)
    recipe.write_text("# why\nx = 1  # one\n")
    assert key(recipe) == before
    recipe.write_text("x = 2\n")
    assert key(recipe) != before


def test_a_slot_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache")
    slot = cache.slot("thing-1")
    with pytest.raises(RuntimeError), cache.filling(slot) as scratch:  # noqa: PT012  # the failure comes after a file
        (scratch / "half").touch()
        raise RuntimeError
    assert list(cache.root.iterdir()) == []
    with cache.filling(slot) as scratch:
        (scratch / "whole").touch()
        assert not slot.exists()
    assert [path.name for path in slot.iterdir()] == ["whole"]
    assert list(cache.root.iterdir()) == [slot]


def test_whoever_gets_the_lock_clears_what_a_killed_run_left(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    (tmp_path / ".partial-thing").mkdir()
    (tmp_path / "thing").mkdir()
    with cache.lock(lambda: pytest.fail("nobody else holds it")):
        assert sorted(path.name for path in tmp_path.iterdir()) == ["lock", "thing"]


def test_only_the_newest_of_a_large_thing_are_kept(tmp_path: Path) -> None:
    for age, name in enumerate(("image-new", "image-old", "image-older", "other")):
        (tmp_path / name).mkdir()
        os.utime(tmp_path / name, (1000 - age, 1000 - age))
    Cache(tmp_path).keep_newest("image-*", 1)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["image-new", "other"]
