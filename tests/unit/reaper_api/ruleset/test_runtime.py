"""The rules, against what the runtime on a node does: it imports nothing of ours, so both are held together here."""

from __future__ import annotations

import itertools
import json
import re
from typing import TYPE_CHECKING

import pytest

from reaper_api.ruleset.annotations import KNOWN
from reaper_api.ruleset.rule import Rule, Severity
from reaper_api.ruleset.schema import fields_of
from reaper_api.ruleset.table import POD_RULES, findings
from reaper_runtime.annotations import parse
from reaper_runtime.errors import FailedPrecondition, ReaperError
from reaper_runtime.oci import bundle, fields, mounts
from tests.fakes.configs import DEFAULT_APPARMOR, configs
from tests.fakes.judged import JUDGED, Judged

if TYPE_CHECKING:
    from pathlib import Path

# Kubernetes has no field for these: only other clients of containerd can ask for them.
NOT_OF_A_POD = {
    "process.execCPUAffinity",
    "linux.timeOffsets",
    "linux.intelRdt",
    "linux.maskedPaths",
    "linux.memoryPolicy",
    "linux.netDevices",
    "linux.readonlyPaths",
}
FIELDS = {field.name: field for field in fields.FIELDS}
SAME_FIELDS = [rule for rule in POD_RULES if rule.runtime]


def test_everything_that_the_runtime_does_not_honour_has_a_rule() -> None:
    unheeded = {field.name for field in fields.FIELDS if field.verdict in (fields.WARNED, fields.REFUSED)}
    assert unheeded - NOT_OF_A_POD == unheeded & {name for rule in SAME_FIELDS for name in rule.runtime}
    assert unheeded >= NOT_OF_A_POD


@pytest.mark.parametrize("rule", SAME_FIELDS, ids=lambda rule: rule.id)
def test_a_rule_is_as_severe_as_the_runtime(rule: Rule) -> None:
    verdicts = {FIELDS[name].verdict for name in rule.runtime}
    severity = {
        fields.REFUSED: {Severity.ERROR},
        fields.WARNED: {Severity.WARNING},
        fields.IGNORED: {Severity.INFO, Severity.WARNING},
        fields.APPLIED: {Severity.WARNING},  # only with an annotation
    }
    (verdict,) = verdicts
    assert rule.severity in severity[verdict]


@pytest.mark.parametrize("rule", SAME_FIELDS, ids=lambda rule: rule.id)
def test_a_rule_gives_the_runtimes_reason(rule: Rule) -> None:
    reasons = [FIELDS[name].why.partition(";")[0] for name in rule.runtime]
    said = f"{rule.message} {rule.advice}".lower()
    if FIELDS[rule.runtime[0]].verdict in (fields.WARNED, fields.REFUSED):
        assert any(reason in said for reason in reasons), reasons
    else:
        assert any(word in said for reason in reasons for word in ("the node", "reaper.runtime/cgroup: pod"))


# Fields of a Pod that mean for a host process what they mean for a container, by who sees to it.
HONOURED = {
    "scheduler and controllers": "affinity evictionResponders nodeName nodeSelector overhead preemptionPolicy priority "
    "priorityClassName resourceClaims runtimeClassName schedulerName schedulingGates schedulingGroup tolerations "
    "topologySpreadConstraints requests claims",
    "kubelet": "activeDeadlineSeconds automountServiceAccountToken enableServiceLinks env envFrom hostAliases "
    "initContainers lifecycle name readinessGates resizePolicy restartPolicy restartPolicyRules serviceAccount "
    "serviceAccountName stdinOnce terminationGracePeriodSeconds terminationMessagePath terminationMessagePolicy "
    "fsGroup fsGroupChangePolicy subPath subPathExpr volumes",
    "the runtime": "allowPrivilegeEscalation args bindMountOptions capabilities privileged readOnly "
    "readOnlyRootFilesystem runAsGroup runAsUser stdin supplementalGroups supplementalGroupsPolicy tty",
    "nobody, since it is always so": "hostIPC hostNetwork hostPID",
    "nobody, since it is nothing without a field that has a rule": "seLinuxChangePolicy windowsOptions",
}
LOOKED_AT = ("PodSpec", "Container", "PodSecurityContext", "SecurityContext", "ResourceRequirements", "VolumeMount")


@pytest.mark.parametrize("kind", LOOKED_AT)
def test_every_field_of_a_pod_is_honoured_or_has_a_rule(kind: str) -> None:
    """What a new version of Kubernetes brings has to be thought about."""
    named = {word for rule in POD_RULES for word in re.findall(r"\w+", rule.field)}
    assert set(fields_of(kind)) - named - {word for words in HONOURED.values() for word in words.split()} == set()


def test_what_is_honoured_exists() -> None:
    there = {field for kind in LOOKED_AT for field in fields_of(kind)}
    assert {word for words in HONOURED.values() for word in words.split()} <= there


VALUES = (
    "",
    " ",
    "host",
    "HOST ",
    "pod",
    "none",
    "kubernetes",
    "k8s",
    "discard",
    "true",
    "build-7",
    "-x",
    "a" * 64,
    "ü",
)


@pytest.mark.parametrize(("name", "value"), list(itertools.product((*KNOWN, "nonsense"), VALUES)))
def test_an_annotation_is_taken_by_both_or_by_neither(name: str, value: str) -> None:
    given = {f"reaper.runtime/{name}": value}
    pod = {"kind": "Pod", "metadata": {"annotations": given}}
    ids = {found.rule.id for found in findings(pod)}
    try:
        warnings = parse(given).warnings
    except FailedPrecondition:
        assert "RPR024" in ids
    else:
        assert "RPR024" not in ids
        assert bool(warnings) == ("RPR023" in ids)


def test_the_runtime_warns_of_the_same_images() -> None:
    for judged in JUDGED:
        if judged.kind == "Pod" and "initContainers" not in judged.body["spec"]:
            image = judged.body["spec"]["containers"][0].get("image", "")
            warning = fields.ignored_image({"io.kubernetes.cri.image-name": image}, "container c")
            assert bool(warning) == ("RPR001" in judged.rules)


def test_the_runtime_refuses_the_same_propagation() -> None:
    mount = {"destination": "/mnt", "type": "bind", "source": "/mnt", "options": ["rbind", "rshared"]}
    with pytest.raises(FailedPrecondition, match="Bidirectional"):
        mounts.parse([mount], "config.json")
    (rule,) = (rule for rule in POD_RULES if rule.id == "RPR019")
    assert "Bidirectional" in rule.message


PODS = [judged for judged in JUDGED if judged.kind == "Pod"]
APPARMOR = "RPR015"
REFUSED = {rule.id for rule in SAME_FIELDS if FIELDS[rule.runtime[0]].verdict == fields.REFUSED}
REFUSED_AT_ONCE = {"RPR019", "RPR020", "RPR024"}  # an option of a mount, a value of an annotation
NO_PROGRAM = "RPR002"  # refused too, unless the image has a program
WARNED = {rule.id for rule in SAME_FIELDS if FIELDS[rule.runtime[0]].verdict == fields.WARNED}


def _loaded(judged: Judged, folder: Path) -> list[bundle.Bundle]:
    """The bundles of a Pod, as the runtime reads them. Raises ReaperError for what it refuses at once."""
    found = []
    for number, config in enumerate(configs(judged.body)):
        (folder / str(number)).mkdir()
        (folder / str(number) / "config.json").write_text(json.dumps(config))
        found.append(bundle.load(str(folder / str(number))))
        parse(found[-1].annotations)
    return found


def _says(bundles: list[bundle.Bundle]) -> set[str]:
    """The fields that Create refuses or warns of: of a sandbox only what containers do not have."""
    each = (fields.of_the_pod(b.unsupported) if b.is_sandbox else b.unsupported for b in bundles)
    return {field.name for found in each for field in found}


def _only_containerds_own_profile(judged: Judged) -> bool:
    """Somebody asks for the profile that containerd would give anyway: the runtime cannot tell, and is silent."""
    profiles = {config["process"]["apparmorProfile"] for config in configs(judged.body)}
    return profiles == {DEFAULT_APPARMOR}


@pytest.mark.parametrize("judged", PODS, ids=lambda judged: judged.id)
def test_a_judged_pod_fares_on_a_node_as_the_rules_say(judged: Judged, tmp_path: Path) -> None:
    """The config.json that containerd makes of it, against each rule that has a field of the runtime's."""
    broken = set(judged.rules)
    try:
        loaded = _loaded(judged, tmp_path)
    except ReaperError:
        assert broken & {*REFUSED_AT_ONCE, NO_PROGRAM}
        return
    assert not broken & REFUSED_AT_ONCE
    said = _says(loaded)
    expected = broken & (REFUSED | WARNED)
    if _only_containerds_own_profile(judged):
        expected -= {APPARMOR}
    assert {rule.id for rule in SAME_FIELDS if said & set(rule.runtime)} == expected
    verdicts = {FIELDS[name].verdict for name in said}
    assert (fields.REFUSED in verdicts) == bool(broken & REFUSED)


@pytest.mark.parametrize("judged", PODS, ids=lambda judged: judged.id)
def test_limits_are_applied_where_no_rule_says_otherwise(judged: Judged, tmp_path: Path) -> None:
    """RPR006 is broken exactly where the runtime reads no limits of a container that has some."""
    asked = [c for c in configs(judged.body) if {"quota", "limit"} & {*_limits(c, "cpu"), *_limits(c, "memory")}]
    if not asked or set(judged.rules) & REFUSED_AT_ONCE:
        return
    loaded = [b for b in _loaded(judged, tmp_path) if not b.is_sandbox]
    assert any(b.resources is None for b in loaded) == ("RPR006" in judged.rules)


def _limits(config: dict[str, dict[str, dict[str, dict[str, int]]]], kind: str) -> dict[str, int]:
    return config["linux"].get("resources", {}).get(kind, {})


def test_the_judged_pods_break_each_rule_that_the_runtime_knows() -> None:
    broken = {rule for judged in PODS for rule in judged.rules}
    assert broken >= REFUSED | REFUSED_AT_ONCE | WARNED
