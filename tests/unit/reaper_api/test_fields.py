"""fields.py: what may be changed."""

from reaper_api.rules import rules_of
from reaper_api.status import TaskStatus
from reaper_api.task import TaskSpec
from reaper_api.transitions import STATUS_RULES


def test_all_of_a_spec_is_fixed_but_three_fields() -> None:
    fixed = {rule.field for rule in rules_of(TaskSpec) if rule.of_value and "oldSelf" in rule.cel}
    every = {f".{field.alias or name}" for name, field in TaskSpec.model_fields.items()}
    assert every - fixed == {".suspend", ".ttlSecondsAfterFinished", ".activeDeadlineSeconds"}


def test_a_field_that_may_be_absent_neither_comes_nor_goes() -> None:
    kept = {rule.field for rule in rules_of(TaskSpec) if not rule.of_value and "has(oldSelf" in rule.cel}
    assert {".args", ".nodeName", ".overlay"} <= kept
    assert not {".command", ".terminal", ".restartPolicy"} & kept, "they are always there"


def test_of_a_status_only_the_transitions_are_ruled() -> None:
    assert rules_of(TaskStatus) == STATUS_RULES
