"""problems.py: what a person reads about a wrong field. Many more: tests/data/refusals.yaml."""

from typing import Any

import pytest

from reaper_api.task import InvalidTask, ReaperTask
from tests.fakes.cluster import task_body


def problems(**spec: Any) -> tuple[str, ...]:
    with pytest.raises(InvalidTask) as caught:
        ReaperTask.parse(task_body(**spec))
    return caught.value.problems


def test_a_list_is_not_too_short_because_an_item_is_wrong() -> None:
    assert problems(command=[1]) == ("spec.command[0]: must be text",)
    assert problems(command=[]) == ("spec.command: must have at least 1 item",)


def test_every_broken_rule_has_its_field() -> None:
    assert problems(workingDir="x", terminal=True, stdout=False) == (
        "spec.workingDir: workingDir is an absolute path on the node, such as /var/lib/my-app",
        "spec.terminal: a terminal carries stdout and stderr as one stream: with terminal true, leave both true",
    )


def test_what_is_no_object_at_all() -> None:
    with pytest.raises(InvalidTask, match="ReaperTask: must be a mapping"):
        ReaperTask.parse("text")
