"""Manifests against the table of rules: what is found, where, and what somebody has asked to pass over. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from reaper_api.ruleset.rule import Admission, Rule, Severity
from reaper_api.ruleset.schema import fields_of
from reaper_api.ruleset.table import BY_ID, findings, is_task, runtime_class
from reaper_api.ruleset.template import template_of
from reaper_api.vocabulary import RUNTIME_CLASS
from reaper_cli.manifests import documents, items
from reaper_cli.places import place_of, places_on

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ruamel.yaml.comments import CommentedMap

_IGNORE = re.compile(r"(?:^|\s)#\s*reaper:\s*ignore=(?P<ids>\w+(?:\s*,\s*\w+)*)")


@dataclass(frozen=True)
class Scope:
    """What is looked at, and what is passed over."""

    runtime_classes: frozenset[str] = frozenset({RUNTIME_CLASS})
    everything: bool = False
    """Also Pods of any other RuntimeClass, or of none."""
    ignore: frozenset[str] = frozenset()
    """Ids of rules."""

    def covers(self, body: Mapping[str, Any]) -> bool:
        """Whether an object is looked at."""
        name = runtime_class(body)
        if name is None:
            return is_task(body)
        return self.everything or name in self.runtime_classes or self._means(body)

    def _means(self, body: Mapping[str, Any]) -> bool:
        """Whether its RuntimeClass is in a field that does not exist, such as runtimeClass."""
        template = template_of(body)
        spec = template.spec if template else {}
        return any(
            isinstance(value, str) and value in self.runtime_classes and key not in fields_of("PodSpec")
            for key, value in spec.items()
        )


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, with its place: line and column count from 1."""

    file: str
    line: int
    column: int
    rule: Rule
    text: str
    advice: str
    field: str


@dataclass(frozen=True)
class Verdict:
    """What there is to say of one object."""

    file: str
    kind: str
    name: str
    namespace: str
    line: int
    findings: tuple[Finding, ...] = ()
    passed_over: int = 0
    """How many findings somebody has asked not to hear of."""

    def count(self, severity: Severity) -> int:
        """How many findings there are of a severity."""
        return sum(finding.rule.severity is severity for finding in self.findings)

    @property
    def valid(self) -> bool:
        """Whether it can run as it is written."""
        return not self.count(Severity.ERROR)

    @property
    def refused_by(self) -> tuple[str, ...]:
        """The ids of the rules for which the chart's policy refuses it although it could run."""
        found = (f.rule.id for f in self.findings if f.rule.admission is Admission.DENY)
        return tuple(dict.fromkeys(found)) if self.valid else ()


@dataclass
class Report:
    """Everything that was looked at, in its order."""

    verdicts: list[Verdict] = field(default_factory=list)
    others: int = 0
    """Pods and workloads of other RuntimeClasses."""
    unreadable: list[tuple[str, str]] = field(default_factory=list)
    """Files, and what is wrong with them."""
    remarks: list[str] = field(default_factory=list)
    """About comments that have no effect."""

    def count(self, severity: Severity) -> int:
        """How many findings there are of a severity."""
        return sum(verdict.count(severity) for verdict in self.verdicts)


def lint(text: str, file: str, scope: Scope, report: Report) -> None:
    """Add what there is to say of the objects of a YAML stream. Raises YAMLError when it is not YAML."""
    ignored = dict(_comments(text))
    # Of all documents first: a stream that breaks off is unreadable as a whole.
    bodies = [body for document in documents(text) for body in items(document)]
    for body in bodies:
        if scope.covers(body):
            report.verdicts.append(_judge(body, file, scope, ignored))
        elif runtime_class(body) is not None:
            report.others += 1
    unknown = sorted({(line, name) for line, names in ignored.items() for name in names if name not in BY_ID})
    report.remarks += [f"{file}:{line}: there is no rule {name} to ignore" for line, name in unknown]


def _comments(text: str) -> Iterator[tuple[int, frozenset[str]]]:
    """The lines that a comment `# reaper: ignore=…` is about: its own, or the next of its document that is more than a
    comment. One before the first `---` of an object is about that object."""
    waiting: set[str] = set()
    begun = False
    for number, line in enumerate(text.splitlines(), 1):
        found = _IGNORE.search(line)
        names = set(re.split(r"\s*,\s*", found["ids"].upper())) if found else set()
        if line.startswith("---"):
            waiting = set() if begun else waiting
            begun = False
        alone = line.lstrip().startswith("#")
        if alone or not line.strip() or line.startswith("---"):
            waiting |= names
        else:
            begun = True
            if names or waiting:
                yield number, frozenset(names | waiting)
                waiting = set()


def _judge(body: CommentedMap, file: str, scope: Scope, ignored: Mapping[int, frozenset[str]]) -> Verdict:
    found, passed_over = [], 0
    for rule, violation in findings(body):
        lines = {line for line, _ in places_on(body, violation.path)}
        if rule.id in scope.ignore or any(rule.id in ignored.get(line, ()) for line in lines):
            passed_over += 1
            continue
        line, column = place_of(body, violation.path)
        advice = violation.advice or rule.advice
        where = dotted(violation.path)
        found.append(Finding(file, line, column, rule, printable(violation.text), printable(advice), where))
    found.sort(key=lambda finding: (finding.line, finding.column))
    metadata = body.get("metadata")
    of = metadata if isinstance(metadata, dict) else {}
    name = of.get("name") or of.get("generateName") or "without a name"
    return Verdict(
        file,
        printable(str(body.get("kind"))),
        printable(str(name)),
        printable(str(of.get("namespace") or "")),
        body.lc.line + 1,
        tuple(found),
        passed_over,
    )


def dotted(path: tuple[str | int, ...]) -> str:
    """A path as text: spec.containers[0].image; a key with dots in it in brackets."""
    parts = (
        f"[{part}]" if isinstance(part, int) else f"['{part}']" if re.search(r"[./]", str(part)) else f".{part}"
        for part in path
    )
    return printable("".join(parts).lstrip("."))


def printable(text: str) -> str:
    """Without what a terminal would obey and what no encoding can write."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)
