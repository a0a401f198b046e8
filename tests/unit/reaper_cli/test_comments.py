"""Comments follow their fields."""

from __future__ import annotations

from typing import Any

import pytest

from reaper_cli.comments import as_commented, put, take
from reaper_cli.manifests import documents, dump

SOURCE = """\
# head
a: 1 # beside a
# before b
b:
  # before c
  c: [1, 2] # beside c
  d:
    # before the item
    - e: "x # no comment" # beside e
  text: |
    # a line of the text
    last
  # after the text
  f: 1
# end
"""


def moved(moves: dict[tuple[Any, ...], tuple[Any, ...]], new: Any) -> tuple[str, int, list[str]]:
    (document,) = documents(SOURCE)
    taken = take(document, SOURCE)
    body = as_commented(new)
    lost = put(body, taken, moves)
    return dump(body), lost, taken.after


def test_each_comment_is_taken_with_its_place() -> None:
    (document,) = documents(SOURCE)
    taken = take(document, SOURCE)
    assert taken.head == ["head"]
    assert taken.before == {
        ("b",): ["before b"],
        ("b", "c"): ["before c"],
        ("b", "d", 0): ["before the item"],
        ("b", "f"): ["after the text"],
    }
    assert taken.beside == {("a",): "beside a", ("b", "c", 1): "beside c", ("b", "d", 0, "e"): "beside e"}
    assert taken.after == ["end"]


def test_without_its_comments_the_document_says_the_same() -> None:
    (document,) = documents(SOURCE)
    take(document, SOURCE)
    (again,) = documents(dump(document))
    (first,) = documents(SOURCE)
    assert again == first
    assert "before" not in dump(document)


def test_comments_go_where_their_fields_go() -> None:
    moves = {
        ("a",): ("x", "a"),
        ("b", "c"): ("x", "p", "c"),
        ("b", "d", 0, "e"): ("x", "z", 0, "e"),
        ("b", "f"): ("g", "f"),
    }
    text, lost, _ = moved(moves, {"x": {"a": 1, "p": {"c": [1, 2]}, "z": [{"e": 1}]}, "g": {"f": 1}})
    assert lost == 0
    assert text.splitlines() == [
        "# head",
        "x:",
        "  a: 1 # beside a",
        "  # before b",
        "  p:",
        "    # before c",
        "    c:",
        "      - 1",
        "      - 2 # beside c",
        "  z:",
        "    # before the item",
        "    - e: 1 # beside e",
        "g:",
        "  # after the text",
        "  f: 1",
    ]


def test_comments_of_fields_that_are_gone_are_counted() -> None:
    text, lost, after = moved({("a",): ("a",)}, {"a": 1})
    assert text == "# head\na: 1 # beside a\n"
    assert lost == 6
    assert after == ["end"]


@pytest.mark.parametrize(
    "text",
    [
        "a:\n  # first\n  - sh # sh\n  - -c\n",
        "a:\n  - {b: 1, c: a} # one\n  # two\n  - {b: 2, c: b} # two b\n",
        "a: # beside\n  b: 1\n",
        "a:\n  # one\n  # two\n  b: [1, 2] # beside\n",
    ],
)
def test_comments_above_and_beside_the_same_place_both_stay(text: str) -> None:
    (document,) = documents(text)
    taken = take(document, text)
    assert put(document, taken, {("a",): ("a",)}) == 0
    written = dump(document)
    assert sorted(word for line in written.splitlines() for word in line.partition("#")[2].split()) == sorted(
        word for line in text.splitlines() for word in line.partition("#")[2].split()
    )


def test_what_a_merge_key_brings_is_no_place_of_its_own_and_is_written_out() -> None:
    text = "a: &a {x: 1} # one\nb:\n  <<: *a\n  # own\n  z: 2 # two\n"
    (document,) = documents(text)
    taken = take(document, text)
    assert taken.before == {("b", "z"): ["own"]}
    assert taken.beside == {("a", "x"): "one", ("b", "z"): "two"}
    assert dump(as_commented(document)) == "a: {x: 1}\nb:\n  z: 2\n  x: 1\n"


@pytest.mark.parametrize("text", ["a: 1\n", "- 1\n- 2\n", "{}\n", "null\n"])
def test_a_document_without_comments_has_none(text: str) -> None:
    (document,) = documents(text)
    taken = take(document, text)
    assert (taken.head, taken.before, taken.beside, taken.after) == ([], {}, {}, [])
