"""Which nodes a task may run on: the fields of a Pod, in the same words."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from reaper_api.fields import (
    ATOMIC,
    INT32,
    INT64,
    LabelKey,
    LabelValue,
    ShortName,
    cel_is_label_key,
    label_key,
    label_keys,
    label_values,
    of_field,
)
from reaper_api.names import DNS_LABEL, MAX_LABEL_KEY, is_label_key, is_match
from reaper_api.rules import ApiModel, Rule

_INTEGER = "^[0-9]{1,18}$"

LabelValues = Annotated[tuple[LabelValue, ...], Field(max_length=64, json_schema_extra=ATOMIC)]
Labels = Annotated[dict[str, LabelValue], Field(max_length=16, json_schema_extra={"x-kubernetes-map-type": "atomic"})]
Weight = Annotated[int, Field(strict=True, ge=1, le=100, json_schema_extra=INT32)]


class Toleration(ApiModel):
    """Lets the task run on nodes with a matching taint; the same as in a Pod."""

    key: Annotated[str, Field(max_length=MAX_LABEL_KEY)] | None = None
    """Taint key. Empty, with operator Exists: every taint."""

    operator: Literal["Exists", "Equal"] = "Equal"
    """Exists: any value of the taint. Equal: the value below."""

    value: LabelValue | None = None
    """Taint value, for operator Equal."""

    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None
    """Taint effect. Absent: every effect."""

    toleration_seconds: Annotated[int, Field(strict=True, json_schema_extra=INT64)] | None = None
    """Seconds that a NoExecute taint is tolerated. Absent: for ever."""

    RULES: ClassVar = (
        Rule(
            cel="self.operator != 'Exists' || !has(self.value) || self.value == ''",
            message="a toleration with operator Exists has no value: leave value out, or use operator Equal",
            holds=lambda t: t.operator != "Exists" or not t.value,
            field=".value",
        ),
        Rule(
            cel="self.operator == 'Exists' || (has(self.key) && self.key != '')",
            message="a toleration without a key tolerates every taint: set operator Exists, or name the key",
            holds=lambda t: t.operator == "Exists" or bool(t.key),
            field=".key",
        ),
        Rule(
            cel="!has(self.tolerationSeconds) || (has(self.effect) && self.effect == 'NoExecute')",
            message="tolerationSeconds works with effect NoExecute only: set that effect, or leave the seconds out",
            holds=lambda t: t.toleration_seconds is None or t.effect == "NoExecute",
            field=".tolerationSeconds",
        ),
        of_field(
            "key",
            f"self == '' || {cel_is_label_key('self')}",
            lambda key: key == "" or is_label_key(key),
            "the key of a toleration is written as name or prefix/name, such as example.com/dedicated",
        ),
        label_values("value", of="text"),
    )


_SELECTOR_KEY = label_key("key", "key is that of a label, written as name or prefix/name, such as example.com/pool")
_SOME_VALUES = Rule(
    cel="!(self.operator in ['In', 'NotIn']) || (has(self.values) && self.values.size() > 0)",
    message="operators In and NotIn compare with values: name at least one, or use Exists or DoesNotExist",
    holds=lambda r: r.operator not in {"In", "NotIn"} or bool(r.values),
    field=".values",
)
_NO_VALUES = Rule(
    cel="!(self.operator in ['Exists', 'DoesNotExist']) || !has(self.values) || self.values.size() == 0",
    message="operators Exists and DoesNotExist have no values: leave them out, or use In or NotIn",
    holds=lambda r: r.operator not in {"Exists", "DoesNotExist"} or not r.values,
    field=".values",
)


class NodeSelectorRequirement(ApiModel):
    """A condition on one label of a node."""

    key: LabelKey
    """Label of the node."""

    operator: Literal["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"]
    """In, NotIn: one of the values, or none of them. Exists, DoesNotExist: whatever the value. Gt, Lt: more
    or less than the one value, as a number."""

    values: LabelValues | None = None
    """What the label is compared with."""

    RULES: ClassVar = (
        _SELECTOR_KEY,
        _SOME_VALUES,
        _NO_VALUES,
        label_values("values"),
        Rule(
            cel="!(self.operator in ['Gt', 'Lt']) || (has(self.values) && self.values.size() == 1 && "
            f"self.values[0].matches('{_INTEGER}'))",
            message="operators Gt and Lt compare with one whole number: write it as the only value, such as ['8']",
            holds=lambda r: (
                r.operator not in {"Gt", "Lt"}
                or (r.values is not None and len(r.values) == 1 and is_match(_INTEGER, r.values[0]))
            ),
            field=".values",
        ),
    )


class NodeSelectorTerm(ApiModel):
    """Conditions that a node has to meet, all of them."""

    match_expressions: Annotated[
        tuple[NodeSelectorRequirement, ...], Field(min_length=1, max_length=16, json_schema_extra=ATOMIC)
    ]
    """The conditions. For a node by its name there is nodeName."""


class NodeSelector(ApiModel):
    """Terms of which a node has to meet one."""

    node_selector_terms: Annotated[
        tuple[NodeSelectorTerm, ...], Field(min_length=1, max_length=8, json_schema_extra=ATOMIC)
    ]
    """The terms: any one of them is enough."""


class PreferredSchedulingTerm(ApiModel):
    """A term that speaks for a node."""

    weight: Weight
    """How much, from 1 to 100."""

    preference: NodeSelectorTerm
    """What the node has to meet for it."""


class NodeAffinity(ApiModel):
    """Rules about the labels of nodes."""

    required_during_scheduling_ignored_during_execution: NodeSelector | None = None
    """What a node must have."""

    preferred_during_scheduling_ignored_during_execution: (
        Annotated[tuple[PreferredSchedulingTerm, ...], Field(max_length=8, json_schema_extra=ATOMIC)] | None
    ) = None
    """What a node should have."""


class LabelSelectorRequirement(ApiModel):
    """A condition on one label of a Pod."""

    key: LabelKey
    """The label."""

    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"]
    """In, NotIn: one of the values, or none of them. Exists, DoesNotExist: whatever the value."""

    values: LabelValues | None = None
    """What the label is compared with."""

    RULES: ClassVar = (_SELECTOR_KEY, _SOME_VALUES, _NO_VALUES, label_values("values"))


class LabelSelector(ApiModel):
    """Conditions that labels have to meet, all of them. None at all: everything."""

    match_labels: Labels | None = None
    """Labels with their values."""

    match_expressions: (
        Annotated[tuple[LabelSelectorRequirement, ...], Field(max_length=8, json_schema_extra=ATOMIC)] | None
    ) = None
    """Further conditions."""

    RULES: ClassVar = (
        label_keys("matchLabels", "a key of matchLabels is that of a label, written as name or prefix/name"),
        label_values("matchLabels", of="mapping"),
    )


class PodAffinityTerm(ApiModel):
    """Pods, and how near to them or far from them."""

    topology_key: LabelKey
    """Label of nodes: those with the same value are one place. kubernetes.io/hostname: one node."""

    label_selector: LabelSelector | None = None
    """Which Pods. Absent: none."""

    namespaces: Annotated[tuple[ShortName, ...], Field(max_length=16, json_schema_extra=ATOMIC)] | None = None
    """Namespaces of the Pods. Absent, without namespaceSelector: the task's own."""

    namespace_selector: LabelSelector | None = None
    """Namespaces of the Pods by their labels."""

    RULES: ClassVar = (
        label_key("topologyKey", "topologyKey is a label of nodes, such as kubernetes.io/hostname"),
        of_field(
            "namespaces",
            f"self.all(n, n.matches('{DNS_LABEL}'))",
            lambda names: all(is_match(DNS_LABEL, name) for name in names),
            "namespaces are names of namespaces, as kubectl get namespaces shows them",
        ),
    )


class WeightedPodAffinityTerm(ApiModel):
    """A term that speaks for a node."""

    weight: Weight
    """How much, from 1 to 100."""

    pod_affinity_term: PodAffinityTerm
    """The Pods."""


class PodAffinity(ApiModel):
    """Rules about the Pods that are on a node, or in a zone, already."""

    required_during_scheduling_ignored_during_execution: (
        Annotated[tuple[PodAffinityTerm, ...], Field(max_length=8, json_schema_extra=ATOMIC)] | None
    ) = None
    """What must be so."""

    preferred_during_scheduling_ignored_during_execution: (
        Annotated[tuple[WeightedPodAffinityTerm, ...], Field(max_length=8, json_schema_extra=ATOMIC)] | None
    ) = None
    """What should be so."""


class Affinity(ApiModel):
    """Where the scheduler puts the task, beyond nodeSelector; the same as in a Pod."""

    node_affinity: NodeAffinity | None = None
    """By labels of nodes."""

    pod_affinity: PodAffinity | None = None
    """Near to other Pods."""

    pod_anti_affinity: PodAffinity | None = None
    """Away from other Pods."""
