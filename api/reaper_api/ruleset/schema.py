"""Fields that Pods and workloads do not have, by the table in pod_fields.py."""

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any, NamedTuple

from reaper_api.ruleset.pod_fields import FIELDS, RELEASE
from reaper_api.ruleset.rule import Path, Rule, Severity, Violation
from reaper_api.ruleset.template import Template, dotted, sequence, shown

# Where a field belongs that is not where somebody wrote it.
_PLACES = (
    ("PodSpec", ("spec",)),
    ("Container", ("spec", "containers[]")),
    ("ObjectMeta", ("metadata",)),
    ("SecurityContext", ("spec", "containers[]", "securityContext")),
)
# Between the top of an object and its containers: deeper, one name can mean many things.
_LEVELS = ("PodTemplateSpec", "PodSpec", "Container", "JobTemplateSpec", "JobSpec")


class _Strange(NamedTuple):
    """A key that a type does not have."""

    kind: str
    path: Path
    key: Any


def _unknown(template: Template) -> Iterator[Violation]:
    for found in _strange(template.body, str(template.body.get("kind")), ()):
        text = f"{dotted((*found.path, shown(found.key)))} does not exist and would be dropped"
        yield Violation((*found.path, found.key), text, _instead(found, template))


def _strange(value: Any, kind: str, path: Path) -> Iterator[_Strange]:
    for number, item in enumerate(sequence(value)):
        yield from _strange(item, kind, (*path, number))
    if not isinstance(value, Mapping):
        return
    fields = fields_of(kind)
    for key, inner in value.items():
        if key not in fields:
            yield _Strange(kind, path, key)
        elif fields[key]:
            yield from _strange(inner, fields[key], (*path, key))


def fields_of(kind: str) -> dict[str, str]:
    """The fields of a type, each with its own type; "" where there are no fields below it."""
    pairs = (word.partition(":") for word in FIELDS[kind].split())
    return {name: inner for name, _, inner in pairs}


def _instead(found: _Strange, template: Template) -> str:
    key, names = str(found.key), {name.lower(): name for name in fields_of(found.kind)}
    if key.lower() in names:
        return f"Is it {names[key.lower()]}?"
    if len(found.path) <= len(template.at) or found.kind in _LEVELS:
        for kind, place in _PLACES:
            if key in fields_of(kind):
                return f"Write it in {'.'.join((*map(str, template.at), *place))}."
    alike = get_close_matches(key.lower(), names, n=1)
    if alike:
        return f"Is it {names[alike[0]]}?"
    words = (str(template.body["kind"]).lower(), *(str(part) for part in found.path if not isinstance(part, int)))
    return f"kubectl explain {'.'.join(words)} shows what there is."


RULES = (
    Rule(
        id="RPR031",
        name="unknown field",
        severity=Severity.ERROR,
        field="any",
        message=f"A field that Kubernetes {RELEASE} does not have is refused where kubectl sends it, and dropped by "
        "the API server where another client does",
        advice="Correct its name, or leave it out; kubectl explain shows what there is.",
        check=_unknown,
    ),
)
