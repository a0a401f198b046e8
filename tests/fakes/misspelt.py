"""Pods and workloads with a field that does not exist."""

import json
from dataclasses import dataclass
from typing import Any

from reaper_api.ruleset.template import dotted
from tests.fakes.judged import JUDGED, Body


@dataclass(frozen=True)
class Misspelt:
    """One object."""

    body: Body
    field: str
    """As the API server names it, too."""
    advice: str

    @property
    def id(self) -> str:
        return f"{self.body['kind']}: {self.field}"


def _with(kind: str, path: tuple[str | int, ...], advice: str, value: Any = "x") -> Misspelt:
    """A good object of a kind, with a key more."""
    good = next(judged for judged in JUDGED if judged.kind == kind)
    body = json.loads(json.dumps(good.body))
    *above, key = path
    node: Any = body
    for part in above:
        node = node[part] if isinstance(part, int) else node.setdefault(part, {})
    node[key] = value
    return Misspelt(body, dotted(path), advice)


_CONTAINER = ("spec", "containers", 0)
_TEMPLATE = ("spec", "template", "spec")
MISSPELT = (
    _with("Pod", (*_CONTAINER, "volumeMount"), "Is it volumeMounts?", []),
    _with("Pod", (*_CONTAINER, "WorkingDir"), "Is it workingDir?"),
    _with("Pod", (*_CONTAINER, "volumes"), "Write it in spec.", []),
    _with("Pod", (*_CONTAINER, "privileged"), "Write it in spec.containers[].securityContext.", True),
    _with("Pod", (*_CONTAINER, "limits"), "kubectl explain pod.spec.containers shows what there is.", {}),
    _with("Pod", ("spec", "securityContext", "runAsNonroot"), "Is it runAsNonRoot?", True),
    _with("Pod", ("spec", "affinity", "nodes"), "kubectl explain pod.spec.affinity shows what there is.", {}),
    _with("Pod", ("spec", "command"), "Write it in spec.containers[].", ["/bin/true"]),
    _with("Pod", ("spec", "hostnetwork"), "Is it hostNetwork?", True),
    _with("Pod", ("spec", "labels"), "Write it in metadata.", {}),
    _with("Pod", ("metadata", "label"), "Is it labels?", {}),
    _with("Pod", ("containers",), "Write it in spec.", []),
    _with("Deployment", ("spec", "replica"), "Is it replicas?", 1),
    _with("Deployment", ("spec", "containers"), "Write it in spec.template.spec.", []),
    _with("Deployment", (*_TEMPLATE, "containers", 0, "cmd"), "Is it command?", []),
    _with("Job", ("spec", "restartPolicy"), "Write it in spec.template.spec."),
    _with("Job", ("spec", "backOffLimit"), "Is it backoffLimit?", 1),
    _with("CronJob", ("spec", "backoffLimit"), "kubectl explain cronjob.spec shows what there is.", 1),
    _with("StatefulSet", ("spec", "volumeClaimTemplate"), "Is it volumeClaimTemplates?", []),
    _with("PodTemplate", ("nodeName",), "Write it in template.spec."),
)
