"""What a rule is, and what it finds."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from reaper_api.vocabulary import KIND

Path = tuple[str | int, ...]
PAGE = "https://github.com/reaper-project/reaper/blob/main/docs/rules.md"


class Severity(StrEnum):
    """How much a finding matters."""

    ERROR = "error"  # it cannot run as it is written
    WARNING = "warning"  # it runs, but not in the way that somebody may count on
    INFO = "info"  # it runs, and this is good to know


class Admission(StrEnum):
    """What the chart's policy does about it unless it is told otherwise. The first two are validationActions."""

    DENY = "Deny"
    WARN = "Warn"
    NONE = "None"


class Subject(StrEnum):
    """What a rule is about."""

    POD = "Pod"  # and the Pod templates of workloads
    TASK = KIND


@dataclass(frozen=True)
class Violation:
    """One place where a rule is broken."""

    path: Path
    """From the top of the object. Where nothing stands, as with a field that is missing, the place where it would."""

    text: str
    """What is wrong, without a full stop."""

    advice: str = ""
    """What to do about this one; empty: the rule's own advice."""


@dataclass(frozen=True)
class Cel:
    """A rule in the language of policies: for Pods over the variables of cel.variables(), for tasks over object."""

    holds: str
    """True where the rule is kept."""

    says: str | None = None
    """What is wrong with this very object: one line of text. None: the rule's message says it."""

    advises: bool = False
    """Whether `says` also says what to do."""


@dataclass(frozen=True)
class Rule:
    """One row of the table. `check` and `cel` say the same; an integration test compares them on many Pods."""

    id: str
    """RPR and three digits. It never changes and is never used again for something else."""

    name: str
    """Two or three words for a heading."""

    severity: Severity
    field: str
    """Path of the field, [] for any item. Of a Pod: below the Pod or the template."""

    message: str
    """What is wrong, in general, and why: one sentence without a full stop."""

    advice: str
    """What to do about it: whole sentences."""

    check: Callable[[Any], Iterator[Violation]]
    """Of a Pod rule: on a Template. Of a task rule: on the manifest as a mapping. Takes whatever YAML can hold."""

    about: Subject = Subject.POD
    admission: Admission = Admission.NONE
    policy: str | None = None
    """The policy of the chart that decides it, as a release `reaper` calls it; None: those made from this table."""

    cel: Cel | None = None
    """None where the API server or another policy is there first, or CEL cannot say it."""

    runtime: tuple[str, ...] = ()
    """The fields of config.json by which the runtime on a node meets the same (docs/runtime.md, "Field by field")."""

    @property
    def anchor(self) -> str:
        """Of the rule in docs/rules.md."""
        return self.id.lower()

    @property
    def link(self) -> str:
        """To the rule in the documentation."""
        return f"{PAGE}#{self.anchor}"

    def as_validation(self) -> dict[str, str]:
        """An entry for `validations` of a ValidatingAdmissionPolicy. ValueError for a rule that has no CEL."""
        if self.cel is None:
            raise ValueError(f"{self.id} has no CEL")
        message = f"{self.id}: {self.message}. {self.advice}"
        entry = {"expression": self.cel.holds, "message": message, "reason": "Invalid"}
        if self.cel.says is not None:
            advice = "." if self.cel.advises else f". {self.advice}"
            entry["messageExpression"] = f'"{self.id}: " + {self.cel.says} + "{advice}"'
        return entry
