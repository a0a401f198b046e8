"""What the webhooks say about an object: refused, warned about, or filled in. Pure."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from reaper_api.ruleset.image import PLACEHOLDERS
from reaper_api.ruleset.rule import Admission, Path
from reaper_api.ruleset.table import Finding, findings
from reaper_api.ruleset.template import mapping, sequence, template_of
from reaper_api.vocabulary import PLACEHOLDER_IMAGE, RUNTIME_PREFIX

Body = dict[str, Any]


class Verdict(NamedTuple):
    """Sentences of the table of rules."""

    refused: list[str]
    warned: list[str]


def judge(body: Mapping[str, Any], action: Admission) -> Verdict:
    """What the table of rules says about an object, by its id, field by field. `action`: what becomes of what it
    refuses, DENY or WARN."""
    verdict = Verdict([], [])
    for finding in findings(body):
        if finding.rule.admission is not Admission.NONE:
            refused = action is finding.rule.admission is Admission.DENY
            (verdict.refused if refused else verdict.warned).append(_sentence(finding))
    return verdict


def defaulted(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """An object as its Pods will be where filled() is applied to them. Without it, a template that says nothing about
    pulling would be blamed for the `Always` that Kubernetes has written into it."""
    template = template_of(body)
    if template is None:
        return body
    spec = {**template.spec, **filled(template.spec, template.annotations)}
    return _replaced(body, (*template.at, "spec"), spec)


def _replaced(value: Mapping[str, Any], path: Path, new: Any) -> Body:
    (first, *rest) = map(str, path)
    return {**value, first: _replaced(mapping(value.get(first)), tuple(rest), new) if rest else new}


def _sentence(finding: Finding) -> str:
    return f"{finding.rule.id}: {finding.violation.text}. {finding.advice}"


def filled(spec: Mapping[str, Any], annotations: Mapping[str, Any]) -> Body:
    """The fields of a Pod's spec that differ once what its author left open has its meaning, as in the chart's
    MutatingAdmissionPolicy (templates/defaults.yaml)."""
    result: Body = {}
    for field in ("containers", "initContainers"):
        before = list(sequence(spec.get(field)))
        after = [_container(container) for container in before]
        if after != before:
            result[field] = after
    network = mapping(annotations).get(f"{RUNTIME_PREFIX}/network")
    if isinstance(network, str) and network.lower() == "host" and spec.get("hostNetwork") is not True:
        result["hostNetwork"] = True
    return result


def _container(container: Body) -> Body:
    """Another image is its author's. Of names without a tag Kubernetes has made `Always` already."""
    image = container.get("image") or ""
    if image not in ("", *PLACEHOLDERS):
        return container
    policy = "Never" if container.get("imagePullPolicy") == "Never" else "IfNotPresent"
    return {**container, "image": image or PLACEHOLDER_IMAGE, "imagePullPolicy": policy}
