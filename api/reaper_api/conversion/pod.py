"""The fields of a Pod's spec beside its containers and volumes, and what they become."""

from collections.abc import Mapping
from typing import Any

from reaper_api.conversion.draft import Draft
from reaper_api.conversion.handlers import USUAL, Handler, carry, drop, lose, unless
from reaper_api.conversion.report import Path
from reaper_api.translate import MIN_GRACE
from reaper_api.vocabulary import RUNTIME_CLASS

_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_GRACE = ("spec", "terminationGracePeriodSeconds")
_NETWORK = "the process has the node's network: its names, its address, its ports"


def _runtime_class(draft: Draft, path: Path, value: Any) -> None:
    if value == RUNTIME_CLASS:
        draft.drop(path, value, "a ReaperTask always runs on it")
    else:
        draft.change(path, value, f"it runs as a process of the node, not on the runtime {value}")


def _host_network(draft: Draft, path: Path, value: Any) -> None:
    if value:
        draft.drop(path, value, "always so")
    else:
        draft.change(path, value, _NETWORK)


def _own_namespace(draft: Draft, path: Path, value: Any) -> None:
    if value:
        draft.drop(path, value, "always so")
    else:
        draft.change(path, value, "the process sees, and is seen by, all processes of the node")


def _affinity(draft: Draft, path: Path, value: Any) -> None:
    """A node that is named in each required term is the nodeName of a task."""
    required = ((value or {}).get("nodeAffinity") or {}).get(_REQUIRED) or {}
    terms = required.get("nodeSelectorTerms") or ()
    names = {_named_node(term) for term in terms}
    name = names.pop() if len(names) == 1 else None
    if name is None:
        draft.carry(path, value, ("spec", "affinity"))
        return
    place = (*path, "nodeAffinity", _REQUIRED, "nodeSelectorTerms")
    rest = [{key: inner for key, inner in term.items() if key != "matchFields"} for term in terms]
    without = {**value, "nodeAffinity": {**value["nodeAffinity"], _REQUIRED: {**required, "nodeSelectorTerms": rest}}}
    if not any(rest):
        del without["nodeAffinity"][_REQUIRED]
        without = {key: inner for key, inner in without.items() if inner}
    for number, term in enumerate(terms):
        draft.change((*place, number, "matchFields"), term["matchFields"], "a field", ("spec", "nodeName"), name)
    if without:
        draft.carry(path, without, ("spec", "affinity"))


def _named_node(term: Mapping[str, Any]) -> str | None:
    match term.get("matchFields"):
        case [{"key": "metadata.name", "operator": "In", "values": [str(name)]}]:
            return name
    return None


def _dns_policy(draft: Draft, path: Path, value: Any) -> None:
    if value == "Default":
        draft.drop(path, value, "the node's resolver, as is usual for a task")
    elif value in ("ClusterFirst", "ClusterFirstWithHostNet"):
        draft.change(path, value, "the cluster's DNS, which knows Services", ("spec", "dnsMode"), "kubernetes")
    else:
        draft.lose(path, value, "a ReaperTask uses the node's resolver or the cluster's DNS: spec.dnsMode")


def _termination(draft: Draft, path: Path, value: Any) -> None:
    if value == 30:
        draft.drop(path, value, USUAL)
    elif value == 0:
        draft.change(path, value, "1 second, so that the task is not gone before its process is", _GRACE, MIN_GRACE)
    else:
        draft.carry(path, value, _GRACE)


POD: Mapping[str, Handler] = {
    "nodeName": carry("nodeName"),
    "nodeSelector": carry("nodeSelector"),
    "tolerations": carry("tolerations"),
    "affinity": _affinity,
    "priorityClassName": carry("priorityClassName"),
    "activeDeadlineSeconds": carry("activeDeadlineSeconds"),
    "terminationGracePeriodSeconds": _termination,
    "runtimeClassName": _runtime_class,
    "hostNetwork": _host_network,
    "hostPID": _own_namespace,
    "hostIPC": _own_namespace,
    "shareProcessNamespace": drop("the process sees all processes of the node"),
    "hostUsers": unless((True,), "a process of the node has no user namespace: what is root inside is root outside"),
    "hostname": lose(_NETWORK),
    "subdomain": lose(_NETWORK),
    "setHostnameAsFQDN": unless((False,), _NETWORK),
    "hostAliases": lose(
        "the process reads the node's /etc/hosts; a plain Pod on runtimeClassName reaper-v2 has hostAliases"
    ),
    "dnsPolicy": _dns_policy,
    "dnsConfig": lose("the process uses the node's resolver or the cluster's DNS as they are: spec.dnsMode"),
    "enableServiceLinks": drop("a ReaperTask has no variables for Services"),
    "imagePullSecrets": drop("no image is pulled"),
    "priority": drop("follows from priorityClassName"),
    "preemptionPolicy": drop("follows from priorityClassName"),
    "schedulerName": unless(("default-scheduler",), "the cluster's usual scheduler places a ReaperTask"),
    "schedulingGates": lose("use spec.suspend to hold a ReaperTask back"),
    "readinessGates": lose("a ReaperTask is not ready or unready: it runs or it is over"),
    "topologySpreadConstraints": lose("write podAntiAffinity or nodeSelector instead"),
    "overhead": drop("follows from the RuntimeClass"),
    "os": unless(({"name": "linux"},), "nodes run Linux"),
    "resources": lose("no limits are set for a ReaperTask, and nothing is reserved"),
    "resourceClaims": lose("no devices are allocated to a ReaperTask: the process sees those of the node"),
    "ephemeralContainers": drop("those of a debugging session"),
}
