"""What reaper-validate has found, as text for people, JSON, SARIF, or annotations of GitHub. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reaper_api.ruleset.rule import PAGE, Rule, Severity, Subject
from reaper_api.ruleset.table import TABLE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reaper_cli.linting import Finding, Report, Verdict

SARIF_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_SIGNS = {Severity.ERROR: "❌ Error", Severity.WARNING: "⚠️  Warning", Severity.INFO: "💡 Note"}
_COLOURS = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.INFO: "cyan"}
_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}  # of SARIF
_COMMANDS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "notice"}  # of GitHub
_STANDARD_INPUT = "stdin"


def as_text(report: Report) -> Iterator[str]:
    """A line for each finding, what to do below those that need it, and a verdict for each object."""
    import click

    for verdict in report.verdicts:
        for number, finding in enumerate(verdict.findings):
            sign = click.style(f"{_SIGNS[finding.rule.severity]}:", fg=_COLOURS[finding.rule.severity])
            yield f"{finding.file}:{finding.line}:{finding.column}: {sign} {finding.text} ({finding.rule.id})"
            following = verdict.findings[number + 1 : number + 2]
            same = [(next_.rule.id, next_.advice) for next_ in following] == [(finding.rule.id, finding.advice)]
            if finding.rule.about is Subject.POD and not same:  # of a task, the text has it
                yield f"    {finding.advice}"
        yield f"{verdict.file}: {_verdict(verdict)}"


def as_github(report: Report) -> Iterator[str]:
    """Annotations of a workflow's log, and the verdicts."""
    for verdict in report.verdicts:
        for finding in verdict.findings:
            properties = {
                "file": finding.file,
                "line": finding.line,
                "col": finding.column,
                "title": f"{finding.rule.id} {finding.rule.name}",
            }
            yield _command(_COMMANDS[finding.rule.severity], properties, message(finding))
        yield f"{verdict.file}: {_verdict(verdict)}"
    for file, problem in report.unreadable:
        yield _command("error", {"file": file}, problem)


def as_json(report: Report) -> dict[str, Any]:
    """For programs. Fields may be added, none is taken away."""
    return {
        "objects": [
            {
                "file": verdict.file,
                "line": verdict.line,
                "kind": verdict.kind,
                "name": verdict.name,
                "namespace": verdict.namespace,
                "valid": verdict.valid,
                "ignored": verdict.passed_over,
                "findings": [
                    {
                        "rule": finding.rule.id,
                        "severity": str(finding.rule.severity),
                        "admission": str(finding.rule.admission),
                        "line": finding.line,
                        "column": finding.column,
                        "field": finding.field,
                        "message": finding.text,
                        "advice": finding.advice,
                        "documentation": finding.rule.link,
                    }
                    for finding in verdict.findings
                ],
            }
            for verdict in report.verdicts
        ],
        "unreadable": [{"file": file, "message": problem} for file, problem in report.unreadable],
        "summary": {f"{severity}s": report.count(severity) for severity in Severity},
    }


def as_sarif(report: Report, version: str) -> dict[str, Any]:
    """SARIF 2.1.0, as code scanning reads it."""
    order = {rule.id: number for number, rule in enumerate(TABLE)}
    notifications = [
        {"level": "error", "message": {"text": problem}, "locations": [_location(file)]}
        for file, problem in report.unreadable
    ]
    return {
        "$schema": SARIF_SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "reaper-validate",
                        "semanticVersion": version,
                        "informationUri": PAGE,
                        "rules": [_descriptor(rule) for rule in TABLE],
                    }
                },
                "columnKind": "unicodeCodePoints",
                "invocations": [
                    {
                        "executionSuccessful": not report.unreadable,
                        "toolExecutionNotifications": notifications,
                    }
                ],
                "results": [
                    {
                        "ruleId": finding.rule.id,
                        "ruleIndex": order[finding.rule.id],
                        "level": _LEVELS[finding.rule.severity],
                        "message": {"text": message(finding)},
                        "locations": [
                            {
                                **_location(finding.file, finding),
                                "logicalLocations": [{"fullyQualifiedName": f"{verdict.kind}/{verdict.name}"}],
                            }
                        ],
                    }
                    for verdict in report.verdicts
                    for finding in verdict.findings
                ],
            }
        ],
    }


def explain(rule: Rule) -> Iterator[str]:
    """All that the table says of a rule."""
    yield f"{rule.id}: {rule.name} ({rule.severity})"
    yield ""
    yield f"{rule.message}."
    yield rule.advice
    yield ""
    yield f"Applies to:  {rule.about}s" + (", and the Pod templates of workloads" if rule.about is Subject.POD else "")
    yield f"Field:       {rule.field}"
    yield f"Admission:   {f'the policy {rule.policy} refuses it' if rule.policy else _ADMISSION[rule.admission]}"
    if rule.runtime:
        yield f"On the node: {', '.join(rule.runtime)} of config.json"
    yield f"More:        {rule.link}"
    if rule.cel is not None:
        yield ""
        yield "In CEL, true where the rule is kept:"
        yield f"    {rule.cel.holds}"


_ADMISSION = {
    "Deny": "the chart's policy refuses it, unless it is told to warn",
    "Warn": "the chart's policy warns about it",
    "None": "the chart's policy has nothing to say about it",
}


def message(finding: Finding) -> str:
    """Finding and advice as one text."""
    return finding.text if finding.rule.about is Subject.TASK else f"{finding.text}. {finding.advice}"


def _verdict(verdict: Verdict) -> str:
    told = _counts(verdict)
    ignored = f" ({verdict.passed_over} ignored)" if verdict.passed_over else ""
    who = f"{verdict.kind} {verdict.name}"
    if not verdict.valid:
        return f"❌ {who} is not valid for Reaper runtime: {told}{ignored}"
    if verdict.refused_by:
        rules = ", ".join(verdict.refused_by)
        return f"✅ {who} is valid for Reaper runtime: {told}{ignored}; the chart's policy refuses {rules}"
    return f"✅ {who} is valid for Reaper runtime{f': {told}' if told else ''}{ignored}"


def summary(report: Report) -> str:
    """One line about all objects."""
    return f"{len(report.verdicts)} objects: {_counts(report) or 'nothing found'}"


def _counts(found: Verdict | Report) -> str:
    words = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}
    counts = {word: found.count(severity) for severity, word in words.items()}
    return ", ".join(f"{count} {word}{'' if count == 1 else 's'}" for word, count in counts.items() if count)


def _descriptor(rule: Rule) -> dict[str, Any]:
    return {
        "id": rule.id,
        "name": "".join(word.capitalize() for word in rule.name.replace("-", " ").split()),
        "shortDescription": {"text": rule.name},
        "fullDescription": {"text": f"{rule.message}."},
        "help": {"text": f"{rule.message}. {rule.advice}"},
        "helpUri": rule.link,
        "defaultConfiguration": {"level": _LEVELS[rule.severity]},
    }


def _location(file: str, finding: Finding | None = None) -> dict[str, Any]:
    from urllib.parse import quote

    path = _STANDARD_INPUT if file == "-" else quote(file.removeprefix("./"))
    physical: dict[str, Any] = {"artifactLocation": {"uri": f"file://{path}" if path.startswith("/") else path}}
    if finding is not None:
        physical["region"] = {"startLine": finding.line, "startColumn": finding.column}
    return {"physicalLocation": physical}


def _command(name: str, properties: dict[str, Any], text: str) -> str:
    """A workflow command, as actions/toolkit escapes it."""
    pairs = ",".join(f"{key}={_escaped(str(value), ':,')}" for key, value in properties.items())
    return f"::{name} {pairs}::{_escaped(text)}"


def _escaped(text: str, more: str = "") -> str:
    for character in f"%\r\n{more}":
        text = text.replace(character, f"%{ord(character):02X}")
    return text
