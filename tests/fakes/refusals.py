"""tests/data/refusals.yaml: wrong tasks, and what a user reads about them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

Body = dict[str, Any]

FILE = Path(__file__).parents[1] / "data" / "refusals.yaml"


@dataclass(frozen=True)
class Refusal:
    """A task that is refused."""

    id: str
    task: Body
    answer: list[str]
    """What the API server says: a line for each cause, or its message."""
    validate: list[str]
    """What reaper-validate says, after the place."""


@dataclass(frozen=True)
class Change:
    """A change of a spec that is refused."""

    id: str
    change: Body
    answer: list[str]


class _Loader(yaml.SafeLoader):
    """YAML with !times, for what would be too long to read."""


def _times(loader: yaml.SafeLoader, node: yaml.SequenceNode) -> Any:
    count, what = loader.construct_sequence(node, deep=True)
    return count * what


_Loader.add_constructor("!times", _times)
_DATA: Body = yaml.load(FILE.read_text(), _Loader)  # noqa: S506 - it is a SafeLoader


def task(spec: Body, name: str = "hello") -> Body:
    """A task as a user writes it."""
    return {"apiVersion": "reaper.io/v1alpha1", "kind": "ReaperTask", "metadata": {"name": name}, "spec": spec}


REFUSALS = [
    Refusal(item["id"], item.get("task") or task(item["spec"]), item["answer"], item["validate"])
    for item in _DATA["refusals"]
]
BASE: Body = _DATA["base"]
CHANGES = [Change(item["id"], item["change"], item["answer"]) for item in _DATA["changes"]]
ALLOWED: list[Body] = _DATA["allowed"]
