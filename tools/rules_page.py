"""docs/rules.md, from the table of rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reaper_api.ruleset import cel
from reaper_api.ruleset.rule import Admission, Rule
from reaper_api.ruleset.table import POD_RULES, TASK_RULES

if TYPE_CHECKING:
    from collections.abc import Iterator

_INTRODUCTION = """\
# Rules

<!-- Written by make generate from api/reaper_api/ruleset. Do not edit. -->

What Reaper says about a manifest, and why. One table drives [reaper-validate](reaper-validate.md), the policies of the
chart, and this page. Tests hold it to what the runtime does ([runtime.md](runtime.md#field-by-field)), and ask
a real API server for the same verdict on more than a hundred objects.

Rules for Pods hold for Pods with `runtimeClassName: reaper-v2`, and for the Pod templates of Deployments, StatefulSets,
DaemonSets, ReplicaSets, ReplicationControllers, Jobs, CronJobs and PodTemplates.

| severity | means |
| --- | --- |
| error | it cannot run as it is written |
| warning | it runs, but not in the way that somebody may count on |
| info | it runs, and this is good to know |

| admission | means |
| --- | --- |
| Deny | the chart's policy refuses it, unless `admission.rules.refusals` says otherwise |
| Deny by a policy that is named | that one refuses it, whatever `admission.rules` says, and in every namespace |
| Warn | the chart's policy warns, unless `admission.rules.warnings` says otherwise |
| None | the policy has nothing to say: the API server is there first, or it is a remark |

In the cluster the rules are asked as an object is written: [admission.md](admission.md) says of which objects, and how
to have it otherwise, for the cluster or for a namespace.

An id never changes, and is never used again for another rule. To pass over a rule:
`reaper-validate --ignore RPR006`, or a comment `# reaper: ignore=RPR006` on a line of the manifest or above it.
"""


def page() -> str:
    """The whole page."""
    parts = [_INTRODUCTION, *_part("Pods", POD_RULES), *_part("ReaperTasks", TASK_RULES), "## In CEL\n", _variables()]
    return "\n".join(parts)


def _part(title: str, rules: tuple[Rule, ...]) -> Iterator[str]:
    yield f"## {title}\n"
    yield "| rule | | severity | admission | field |\n| --- | --- | --- | --- | --- |"
    for rule in rules:
        field = rule.field.replace("|", "\\|")
        admission = f"{rule.admission} by `{rule.policy}`" if rule.policy else rule.admission
        yield f"| [{rule.id}](#{rule.anchor}) | {rule.name} | {rule.severity} | {admission} | `{field}` |"
    yield ""
    for rule in rules:
        yield from _rule(rule)


def _rule(rule: Rule) -> Iterator[str]:
    yield f"### {rule.id}\n"
    yield f"**{rule.name[:1].upper()}{rule.name[1:]}** ({_verdict(rule)}): `{rule.field}`\n"
    yield f"{rule.message}. {rule.advice}\n"
    if rule.runtime:
        fields = ", ".join(f"`{name}`" for name in rule.runtime)
        yield f"On the node this is {fields} of `config.json`: see [runtime.md](runtime.md#field-by-field).\n"
    if rule.cel is not None:
        yield f"```\n{rule.cel.holds}\n```\n"


def _verdict(rule: Rule) -> str:
    words = {Admission.DENY: "refused by the policy", Admission.WARN: "the policy warns", Admission.NONE: ""}
    named = f" `{rule.policy}`" if rule.policy else ""
    return ", ".join(filter(None, (str(rule.severity), words[rule.admission] + named)))


def _variables() -> str:
    rows = "\n".join(f"| `{each['name']}` | `{each['expression']}` |" for each in cel.variables("Pod"))
    return f"""\
The chart has the rules as ValidatingAdmissionPolicies: `helm template charts/reaper --show-only templates/rules.yaml`
shows them. The expressions above are true where a rule is kept. They stand on these variables,
here for Pods; for a workload, `object` is followed by the path of its template, such as `spec.template`. `defaulted` is
true where the chart's [defaults for Pods](security.md#defaults-for-plain-pods) are in force:

| variable | expression |
| --- | --- |
{rows}
"""
