"""fields.py: what may be changed."""

from reaper_api.rules import rules_of
from reaper_api.status import TaskStatus
from reaper_api.task import TaskSpec


def test_all_of_a_spec_is_fixed_but_three_fields() -> None:
    fixed = {rule.field for rule in rules_of(TaskSpec) if "oldSelf" in rule.cel}
    every = {f".{field.alias or name}" for name, field in TaskSpec.model_fields.items()}
    assert every - fixed == {".suspend", ".ttlSecondsAfterFinished", ".activeDeadlineSeconds"}
    assert rules_of(TaskStatus) == ()
