"""Rules that a schema cannot say: written once in CEL for the API server and once in Python for everything
else."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, model_validator
from pydantic.alias_generators import to_camel


@dataclass(frozen=True)
class Rule:
    """One rule over one model. `cel` and `holds` say the same; an integration test compares them on bad
    examples."""

    cel: str
    message: str
    """What a person reads who broke it: what is wrong and what to write instead."""
    holds: Callable[[Any], bool] | None = None
    """None for a transition rule (`oldSelf`), which only the API server can check."""
    field: str | None = None
    """JSON path below the model that the error should point at, such as `.gid`."""

    def as_schema(self) -> dict[str, str]:
        """The entry for `x-kubernetes-validations`."""
        entry = {"rule": self.cel, "message": self.message}
        return entry if self.field is None else {**entry, "fieldPath": self.field}


class ApiModel(BaseModel):
    """Base of everything that appears in the API: camelCase outside, frozen, and checked against its
    RULES."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        frozen=True,
        extra="ignore",
        use_attribute_docstrings=True,
    )

    RULES: ClassVar[tuple[Rule, ...]] = ()

    @model_validator(mode="after")
    def _obey_rules(self) -> Self:
        broken = [rule.message for rule in self.RULES if rule.holds is not None and not rule.holds(self)]
        if broken:
            raise ValueError("; ".join(broken))
        return self
