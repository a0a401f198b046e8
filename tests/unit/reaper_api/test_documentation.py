"""What the fields of a model say about themselves, read from its source."""

from __future__ import annotations

from pydantic import BaseModel, Field

from reaper_api.documentation import documentation
from reaper_api.status import TaskStatus
from reaper_api.task import TaskSpec


class Parent(BaseModel):
    """Not of a field."""

    first: int
    """The first,
    on two lines."""

    silent: int = 0
    hidden: str = Field(alias="shown")
    """By its name in YAML."""


class Child(Parent):
    first: int
    """Another first."""


def test_the_text_below_a_field() -> None:
    assert documentation(Parent) == {"first": "The first,\non two lines.", "shown": "By its name in YAML."}


def test_a_child_has_its_parents_texts() -> None:
    assert documentation(Child) == {"first": "Another first.", "shown": "By its name in YAML."}


def test_every_field_of_a_task_has_one() -> None:
    for model in (TaskSpec, TaskStatus):
        assert len(documentation(model)) == len(model.model_fields)
