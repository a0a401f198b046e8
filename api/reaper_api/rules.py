"""Rules that a schema cannot say: written once in CEL for the API server and once in Python for everything
else."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, model_validator
from pydantic.alias_generators import to_camel
from pydantic.fields import FieldInfo

from reaper_api.problems import broken_rules

DEFAULTS = (str, int, bool)
"""Types of what a schema has as a default: an absent list is an empty list already."""


@dataclass(frozen=True)
class Rule:
    """One rule over one model. `cel` and `holds` say the same; an integration test compares them on bad
    examples."""

    cel: str
    """About the model as `self`, or about the value of `field` if it is `of_value`."""
    message: str
    """What a person reads who broke it: what is wrong and what to write instead."""
    holds: Callable[[Any], bool] | None = None
    """None for a transition rule (`oldSelf`), which only the API server can check."""
    field: str | None = None
    """JSON path below the model that the error should point at, such as `.gid`."""
    of_value: bool = False
    """It is a rule of the field itself, and silent where the field is not there. For `self.x` the API server copies the
    schemas of all fields beside x, each time: what can be said of the value alone costs it a tenth."""

    def as_schema(self) -> dict[str, str]:
        """The entry for `x-kubernetes-validations`."""
        entry = {"rule": self.cel, "message": self.message}
        return entry if self.field is None or self.of_value else {**entry, "fieldPath": self.field}


class ApiModel(BaseModel):
    """Base of everything that appears in the API: camelCase outside, frozen, and checked against its
    RULES."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        frozen=True,
        extra="ignore",
        defer_build=True,  # a validator is built when it is used: reaper-validate has to answer at once
    )

    RULES: ClassVar[tuple[Rule, ...]] = ()
    MUTABLE: ClassVar[tuple[str, ...] | None] = None
    """Names in YAML of the fields that may be changed later. None: all."""

    def value_of(self, field: str) -> Any:
        """A field by its name in YAML. KeyError if there is none."""
        return getattr(self, names_in_yaml(type(self))[field])

    def as_manifest(self) -> dict[str, Any]:
        """As it stands in YAML, without what was not given."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True, exclude_unset=True)

    @model_validator(mode="after")
    def _obey_rules(self) -> Self:
        broken = [
            (rule.field or "", rule.message) for rule in self.RULES if rule.holds is not None and not rule.holds(self)
        ]
        if broken:
            raise broken_rules(broken)
        return self


@cache
def names_in_yaml(model: type[BaseModel]) -> dict[str, str]:
    """The name of each field in YAML, and the one in Python."""
    return {field.alias or name: name for name, field in model.model_fields.items()}


def rules_of(model: type[BaseModel]) -> tuple[Rule, ...]:
    """What the API server checks of a model: its RULES, and that what cannot be changed is not."""
    if not issubclass(model, ApiModel):
        return ()
    if model.MUTABLE is None:
        return model.RULES
    fixed = [name for name in names_in_yaml(model) if name not in model.MUTABLE]
    return (*(rule for name in fixed for rule in _unchanged(model, name)), *model.RULES)


def always_there(field: FieldInfo) -> bool:
    """Whether every object has it: it is required, or the schema has a default for it."""
    return field.is_required() or isinstance(field.default, DEFAULTS)


def _unchanged(model: type[ApiModel], field: str) -> Iterator[Rule]:
    """A rule of the field itself does not see it come or go."""
    mutable = model.MUTABLE or ()
    message = (
        f"{field} cannot be changed, only {', '.join(mutable[:-1])} and {mutable[-1]} can: delete the task and "
        "create it anew, as kubectl replace --force does"
    )
    yield Rule(cel="self == oldSelf", message=message, field=f".{field}", of_value=True)
    if not always_there(model.model_fields[names_in_yaml(model)[field]]):
        yield Rule(cel=f"has(self.{field}) == has(oldSelf.{field})", message=message, field=f".{field}")
