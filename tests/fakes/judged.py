"""tests/data/judged.yaml: Pods and workloads, and the ids of the rules that each breaks."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from reaper_api.ruleset.template import WORKLOADS

Body = dict[str, Any]

FILE = Path(__file__).parents[1] / "data" / "judged.yaml"
LABELS = {"app": "judged"}


@dataclass(frozen=True)
class Judged:
    """One object."""

    id: str
    body: Body
    rules: list[str]
    """The ids, in order."""
    refused: bool = False
    """Whether the API server itself refuses it."""

    @property
    def kind(self) -> str:
        return str(self.body["kind"])


def _judged(entry: Body) -> Judged:
    """`spec` and `container` are laid over the least Pod (null takes a field away), `annotations` are the Pod's, `own`
    those of the workload."""
    container = {"name": "main", "image": "placeholder", "imagePullPolicy": "IfNotPresent", "command": ["/bin/true"]}
    spec = {"runtimeClassName": "reaper-v2", "containers": [_given(container | entry.get("container", {}))]}
    kind = entry.get("kind", "Pod")
    metadata: Body = {"labels": LABELS, "annotations": entry.get("annotations", {})}
    template = {"metadata": metadata, "spec": spec | entry.get("spec", {})}
    if kind in ("Job", "CronJob"):
        template["spec"]["restartPolicy"] = "Never"
    return Judged(
        entry["id"], _wrapped(kind, template, entry.get("own", {})), entry["rules"], entry.get("refused", False)
    )


def _given(fields: Body) -> Body:
    return {name: value for name, value in fields.items() if value is not None}


def _wrapped(kind: str, template: Body, own: Body) -> Body:
    workload = WORKLOADS[kind]
    head = {"apiVersion": "/".join(filter(None, (workload.group, workload.version))), "kind": kind}
    if kind == "Pod":
        return {**head, "metadata": {"name": "judged", **template["metadata"]}, "spec": template["spec"]}
    body: Any = template
    for part in reversed(workload.template):
        body = {part: body}
    result = {**head, "metadata": {"name": "judged", "annotations": own}, **body}
    if kind == "CronJob":
        result["spec"]["schedule"] = "0 0 * * *"
    elif kind == "ReplicationController":
        result["spec"]["selector"] = LABELS
    elif kind not in ("Job", "PodTemplate"):
        result["spec"]["selector"] = {"matchLabels": LABELS}
    if kind == "StatefulSet":
        result["spec"]["serviceName"] = "judged"
    return result


JUDGED = [_judged(entry) for entry in yaml.safe_load(FILE.read_text())]
