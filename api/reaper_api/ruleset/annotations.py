"""The annotations reaper.runtime/…: known, with a value that the runtime takes, and where it reads them."""

import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches

from reaper_api.ruleset import cel
from reaper_api.ruleset.rule import Admission, Cel, Rule, Severity, Violation
from reaper_api.ruleset.template import Template, get, mapping, shown
from reaper_api.vocabulary import RUNTIME_PREFIX

# As in reaper_runtime.annotations, which imports nothing of ours; a test holds them together.
CHOICES: Mapping[str, tuple[str, ...]] = {
    "dns-mode": ("host", "kubernetes", "k8s"),
    "network": ("host", "pod"),
    "cgroup": ("none", "pod"),
    "stdout": ("discard",),
    "stderr": ("discard",),
}
OVERLAY = "overlay-name"
KNOWN = (*CHOICES, OVERLAY)
TASK = "task"  # the operator's own, on the Pods of tasks
_LABEL = "[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
_PREFIX = f"{RUNTIME_PREFIX}/"


def _ours(template: Template) -> Iterator[tuple[str, str]]:
    for key, value in template.annotations.items():
        if key.startswith(_PREFIX):
            yield key.removeprefix(_PREFIX), value


def _unknown(template: Template) -> Iterator[Violation]:
    for name, _ in _ours(template):
        if name not in (*KNOWN, TASK):
            close = get_close_matches(name, KNOWN, 1)
            advice = f"Is it {_PREFIX}{close[0]}?" if close else ""
            path = template.path("metadata", "annotations", _PREFIX + name)
            yield Violation(path, f"The runtime does not know the annotation {_PREFIX}{shown(name)}", advice)


def _values(template: Template) -> Iterator[Violation]:
    for name, value in _ours(template):
        folded = value.strip().lower()
        if name in CHOICES and folded not in ("", *CHOICES[name]):
            yield _wrong(template, name, value, f"It takes {' or '.join(CHOICES[name])}.")
        if name == OVERLAY and folded and not re.fullmatch(_LABEL, folded):
            yield _wrong(template, name, value, "It takes 1 to 63 of a-z, 0-9 and -, neither first nor last a -.")


def _wrong(template: Template, name: str, value: str, advice: str) -> Violation:
    path = template.path("metadata", "annotations", _PREFIX + name)
    return Violation(path, f"The annotation {_PREFIX}{name} has the value '{shown(value)}', which is refused", advice)


def _misplaced(template: Template) -> Iterator[Violation]:
    if template.at:
        for key in mapping(get(template.body, "metadata", "annotations")):
            if isinstance(key, str) and key.startswith(_PREFIX):
                where = ".".join((*map(str, template.at), "metadata.annotations"))
                text = f"The annotation {shown(key)} has no effect here: the runtime reads {where}"
                yield Violation(("metadata", "annotations", key), text)


_ALL = cel.ANNOTATIONS
_GOOD_VALUES = {
    **{
        name: f"{cel.asks(name)} in [{', '.join(repr(value) for value in ('', *choices))}]"
        for name, choices in CHOICES.items()
    },
    OVERLAY: f"{cel.asks(OVERLAY)}.matches('^({_LABEL})?$')",
}
_SAYS_VALUES = " + ".join(
    f"({good} ? [] : [\"The annotation {_PREFIX}{name} has the value '\" + {_ALL}['{_PREFIX}{name}'] "
    '+ "\', which is refused"])'
    for name, good in _GOOD_VALUES.items()
)
_STRANGE = f"k, k.startsWith('{_PREFIX}') && !(k in [{', '.join(repr(_PREFIX + name) for name in (*KNOWN, TASK))}])"

RULES = (
    Rule(
        id="RPR023",
        name="unknown annotation",
        severity=Severity.WARNING,
        admission=Admission.WARN,
        field="metadata.annotations",
        message=f"The runtime does not know every annotation {_PREFIX}… that is here",
        advice=f"There are {', '.join(_PREFIX + name for name in KNOWN)}.",
        check=_unknown,
        cel=Cel(
            f"!{_ALL}.exists({_STRANGE})",
            f"{_ALL}.filter({_STRANGE}).map(k, 'The runtime does not know the annotation ' + k).join('; ')",
        ),
    ),
    Rule(
        id="RPR024",
        name="value of an annotation",
        severity=Severity.ERROR,
        admission=Admission.DENY,
        field="metadata.annotations",
        message=f"The runtime refuses a wrong value of an annotation {_PREFIX}…",
        advice="; ".join(f"{name} takes {' or '.join(choices)}" for name, choices in CHOICES.items())
        + f"; {OVERLAY} takes 1 to 63 of a-z, 0-9 and -.",
        check=_values,
        cel=Cel(" && ".join(_GOOD_VALUES.values()), f"({_SAYS_VALUES}).join('; ')"),
    ),
    Rule(
        id="RPR025",
        name="annotation of the workload",
        severity=Severity.WARNING,
        admission=Admission.WARN,
        field="metadata.annotations of the workload",
        message=f"An annotation {_PREFIX}… of a workload has no effect: the runtime reads those of its Pods",
        advice="Move it to metadata.annotations of the template.",
        check=_misplaced,
        cel=Cel(
            f"object.kind == 'Pod' || !object.?metadata.?annotations.orValue({{}}).exists(k, k.startsWith('{_PREFIX}'))"
        ),
    ),
)
