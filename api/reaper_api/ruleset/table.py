"""The table of all rules, in the order of their ids."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from reaper_api.ruleset import annotations, image, network, others, resources, schema, security, task, volumes
from reaper_api.ruleset.rule import Rule, Subject, Violation
from reaper_api.ruleset.template import group_of, template_of
from reaper_api.vocabulary import GROUP, KIND

TABLE: tuple[Rule, ...] = (
    *image.RULES,
    *resources.RULES,
    *network.RULES,
    *security.RULES,
    *volumes.RULES,
    *annotations.RULES,
    *others.RULES,
    *schema.RULES,
    *task.RULES,
)
BY_ID: Mapping[str, Rule] = {rule.id: rule for rule in TABLE}
POD_RULES = tuple(rule for rule in TABLE if rule.about is Subject.POD)
TASK_RULES = tuple(rule for rule in TABLE if rule.about is Subject.TASK)


class Finding(NamedTuple):
    """A rule, and one place where it is broken."""

    rule: Rule
    violation: Violation

    @property
    def advice(self) -> str:
        """What to do about it."""
        return self.violation.advice or self.rule.advice


def findings(body: Mapping[str, Any]) -> Iterator[Finding]:
    """What is wrong with a ReaperTask, a Pod, or a workload that has Pods; nothing for other kinds.

    Whether a Pod is of the runtime's class is not asked: see runtime_class().
    """
    template = template_of(body)
    if template is not None:
        yield from (Finding(rule, found) for rule in POD_RULES for found in rule.check(template))
    elif is_task(body):
        yield from (Finding(rule, found) for rule in TASK_RULES for found in rule.check(body))


def is_task(body: Mapping[str, Any]) -> bool:
    """Whether an object is a ReaperTask, or was meant to be one: whatever of its API group is no list of them."""
    kind = body.get("kind")
    return kind == KIND or (group_of(body) == GROUP and kind != f"{KIND}List")


def runtime_class(body: Mapping[str, Any]) -> str | None:
    """The RuntimeClass of a Pod or of the Pods of a workload, "" if none is named. None for other kinds."""
    template = template_of(body)
    if template is None:
        return None
    name = template.spec.get("runtimeClassName")
    return name if isinstance(name, str) else ""
