"""Lines and columns of places in a document."""

from __future__ import annotations

from typing import Any

import pytest

from reaper_cli.manifests import documents
from reaper_cli.places import place_of, places_on

TEXT = """\
# a comment
kind: Pod
spec:
  containers:
  - name: a
    command: [one, two]
  - {name: b}
base: &base
  x: 1
merged:
  <<: *base
  z: 2
"""


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ((), (2, 1)),
        (("spec",), (3, 1)),
        (("spec", "containers", 0), (5, 5)),
        (("spec", "containers", 0, "command"), (6, 5)),
        (("spec", "containers", 0, "command", 1), (6, 20)),
        (("spec", "containers", 1, "name"), (7, 6)),
        (("spec", "containers", 1, "image"), (7, 5)),
        (("spec", "containers", 7, "image"), (4, 3)),
        (("metadata", "name"), (2, 1)),
        (("spec", 0), (3, 1)),
        (("kind", "x"), (2, 1)),
        (("merged", "x"), (10, 1)),
        (("merged", "z"), (12, 3)),
    ],
)
def test_a_place(path: tuple[str | int, ...], place: tuple[int, int]) -> None:
    body: Any = next(documents(TEXT))
    assert place_of(body, path) == place


def test_the_places_on_the_way() -> None:
    body: Any = next(documents(TEXT))
    path = ("spec", "containers", 0, "command", 1)
    assert [line for line, _ in places_on(body, path)] == [2, 3, 4, 5, 6, 6]
