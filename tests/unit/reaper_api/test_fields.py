"""fields.py: names and labels as Kubernetes has them."""

from reaper_api.fields import is_label_key, is_object_name
from reaper_api.rules import rules_of
from reaper_api.status import TaskStatus
from reaper_api.task import TaskSpec


def test_names() -> None:
    assert all(map(is_object_name, ["a", "a.b-c", "x" * 253]))
    assert not any(map(is_object_name, ["x" * 254, "", "A", "a\n", "a..b", "-a", 7, None]))


def test_label_keys() -> None:
    assert all(map(is_label_key, ["a", "A.b_c", "a.b/c", "x" * 253 + "/y"]))
    assert not any(map(is_label_key, ["x" * 254 + "/y", "a/b/c", "/a", "a/", "y" * 64, "a\n", ""]))


def test_all_of_a_spec_is_fixed_but_three_fields() -> None:
    fixed = {rule.field for rule in rules_of(TaskSpec) if "oldSelf" in rule.cel}
    every = {f".{field.alias or name}" for name, field in TaskSpec.model_fields.items()}
    assert every - fixed == {".suspend", ".ttlSecondsAfterFinished", ".activeDeadlineSeconds"}
    assert rules_of(TaskStatus) == ()
