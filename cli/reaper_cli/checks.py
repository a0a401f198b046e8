"""The checks of `doctor`: each asks one thing of the cluster and says what to do where the answer is no."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from reaper_api.vocabulary import (
    ALLOWED,
    COMPONENT_ACCESS,
    GROUP,
    LABEL_ALLOW,
    LABEL_COMPONENT,
    LABEL_PART_OF,
    LABEL_RUNTIME,
    NODE_READY,
    PLURAL,
    PRODUCT,
    RESOURCE_ACCESS,
    RUNTIME_CLASS,
    VERB_USE,
    VERSION,
)
from reaper_cli.cluster import (
    BINDINGS,
    CRDS,
    LEASES,
    NAMESPACES,
    NODES,
    POLICIES,
    RUNTIME_CLASSES,
    Body,
    Cluster,
    Selection,
)
from reaper_cli.errors import ClusterError, NotFound, Problem
from reaper_cli.installation import Node, installers, operators
from reaper_cli.table import duration
from reaper_cli.task import moment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

OK, WARNING, FAILED, UNKNOWN = "ok", "warning", "failed", "unknown"
_INSTALL = "helm upgrade --install reaper charts/reaper -n reaper-system --create-namespace"

_SKEW = 60  # seconds that the clock here may be off
_ROLE = "reaper-tasks"  # in the advice
_ACCESS = "-access-tasks"  # the end of the name of the chart's policy that asks; before it is the release's

# What a person who works with tasks needs in a namespace: verb, group, resource, subresource, and what for.
RIGHTS = (
    ("create", GROUP, PLURAL, "", "run"),
    ("get", GROUP, PLURAL, "", "describe, wait"),
    ("list", GROUP, PLURAL, "", "get"),
    ("watch", GROUP, PLURAL, "", "wait, logs -f"),
    ("patch", GROUP, PLURAL, "", "cancel, suspend, resume"),
    ("delete", GROUP, PLURAL, "", "run --rm"),
    ("list", "", "pods", "", "logs, describe"),
    ("get", "", "pods", "log", "logs, run --wait"),
    ("create", "", "pods", "exec", "exec, cp"),
    ("create", "", "pods", "attach", "attach, run -it"),
)


@dataclass(frozen=True)
class Finding:
    """One line of the report."""

    subject: str
    status: str  # ok, warning, failed or unknown: unknown is what the caller may not read
    message: str
    fix: str = ""


def check(cluster: Cluster, now: datetime) -> Iterator[Finding]:
    """All checks, in the order in which one needs the other. Stops where the API server does not answer."""
    try:
        version = cluster.ask("/version")
    except Problem as error:
        yield Finding("API server", FAILED, error.message, "kubectl cluster-info; kubectl config get-contexts")
        return
    yield _server(version)
    for subject, look in (
        ("CRD", _crd),
        ("RuntimeClass", _runtime_class),
        ("operator", _operator),
        ("leader", partial(_leader, now=now)),
        ("installer", _installer),
        ("nodes", _nodes),
        ("admission", _admission),
        ("access", _access),
        ("rights", _rights),
    ):
        yield from _asked(subject, look, cluster)


def _asked(subject: str, look: Callable[[Cluster], Iterator[Finding]], cluster: Cluster) -> Iterator[Finding]:
    try:
        yield from look(cluster)
    except ClusterError as error:
        yield Finding(subject, UNKNOWN, error.message, "ask somebody who may read it, or log in as such")


def _server(version: Body) -> Finding:
    text = str(version.get("gitVersion", "?"))
    numbers = [int("".join(filter(str.isdecimal, str(version.get(part) or "0"))) or 0) for part in ("major", "minor")]
    if numbers < [1, 31]:
        return Finding("API server", FAILED, f"Kubernetes {text}", "Reaper needs Kubernetes 1.31 or later")
    return Finding("API server", OK, f"Kubernetes {text}")


def _crd(cluster: Cluster) -> Iterator[Finding]:
    try:
        found = cluster.get(CRDS, f"{PLURAL}.{GROUP}")
    except NotFound:
        yield Finding("CRD", FAILED, f"{PLURAL}.{GROUP} is not there", _INSTALL)
        return
    conditions = {c["type"]: c for c in (found.get("status") or {}).get("conditions") or ()}
    established = conditions.get("Established") or {}
    version = next((v for v in found["spec"]["versions"] if v["name"] == VERSION), None)
    if established.get("status") != "True":
        yield Finding(
            "CRD", FAILED, established.get("message") or "is not established", f"kubectl describe crd {PLURAL}.{GROUP}"
        )
    elif version is None or not version["served"]:
        yield Finding(
            "CRD",
            FAILED,
            f"{VERSION} is not served, which this plugin speaks",
            "upgrade the chart, or take another plugin",
        )
    elif _differs(version):
        yield Finding(
            "CRD",
            WARNING,
            f"{VERSION} is served, with other fields than this plugin knows: they are of different versions",
            "kubectl reaper version; kubectl apply --server-side -f crds/reapertask.yaml",
        )
    else:
        yield Finding("CRD", OK, f"{PLURAL}.{GROUP} {VERSION} is served")


def _differs(version: Body) -> bool:
    from reaper_api.crd import crd

    ours = next(v for v in crd()["spec"]["versions"] if v["name"] == VERSION)
    return _fields(version["schema"]["openAPIV3Schema"]) != _fields(ours["schema"]["openAPIV3Schema"])


def _fields(schema: Body) -> list[str]:
    spec: Body = schema["properties"]["spec"]["properties"]
    return sorted(spec)


def _runtime_class(cluster: Cluster) -> Iterator[Finding]:
    try:
        found = cluster.get(RUNTIME_CLASSES, RUNTIME_CLASS)
    except NotFound:
        yield Finding("RuntimeClass", FAILED, f"{RUNTIME_CLASS} is not there: no Pod can ask for the runtime", _INSTALL)
        return
    selector = (found.get("scheduling") or {}).get("nodeSelector") or {}
    if found["handler"] != RUNTIME_CLASS:
        fix = f"kubectl delete runtimeclass {RUNTIME_CLASS}; {_INSTALL}"
        yield Finding("RuntimeClass", FAILED, f"its handler is {found['handler']}, which is not Reaper's", fix)
    elif selector.get(LABEL_RUNTIME) != NODE_READY:
        yield Finding(
            "RuntimeClass",
            WARNING,
            f"does not select nodes by {LABEL_RUNTIME}={NODE_READY}: Pods may land where the runtime is not",
            _INSTALL,
        )
    else:
        yield Finding("RuntimeClass", OK, f"{RUNTIME_CLASS}, on nodes with {LABEL_RUNTIME}={NODE_READY}")


def _operator(cluster: Cluster) -> Iterator[Finding]:
    found = operators(cluster)
    if not found:
        yield Finding("operator", FAILED, "there is none: nobody looks at tasks", _INSTALL)
    for each in found:
        text = f"{each.name} in {each.namespace}, version {each.version or '?'}, {each.ready} of {each.wanted} ready"
        place = f"deployment/{each.name} -n {each.namespace}"
        fix = f"kubectl describe {place}; kubectl logs {place}"
        status = OK if each.ready >= each.wanted > 0 else WARNING if each.ready else FAILED
        yield Finding("operator", status, text, "" if status == OK else fix)
    if len(found) > 1:
        yield Finding(
            "operator", WARNING, f"{len(found)} releases in one cluster meet each other's writes", "helm list -A"
        )


def _leader(cluster: Cluster, *, now: datetime) -> Iterator[Finding]:
    """Which replica works: the one that holds the Lease with the Deployment's name."""
    for each in operators(cluster):
        place = f"lease {each.name} -n {each.namespace}"
        try:
            spec = cluster.get(LEASES, each.name, each.namespace)["spec"]
        except NotFound:
            yield Finding(
                "leader", WARNING, "no replica has led yet", f"kubectl logs deployment/{each.name} -n {each.namespace}"
            )
            continue
        renewed, seconds = moment(spec.get("renewTime")), spec.get("leaseDurationSeconds") or 0
        if not spec.get("holderIdentity") or renewed is None:
            yield Finding("leader", WARNING, "no replica leads just now", f"kubectl describe {place}")
        elif (now - renewed).total_seconds() > seconds + _SKEW:
            text = f"{spec['holderIdentity']} has not renewed its Lease for {duration(now - renewed)}"
            yield Finding("leader", WARNING, f"{text}, by this machine's clock", f"kubectl describe {place}")
        else:
            yield Finding("leader", OK, spec["holderIdentity"])


def _installer(cluster: Cluster) -> Iterator[Finding]:
    found = installers(cluster)
    if not found:
        yield Finding("installer", FAILED, "there is no DaemonSet that puts the runtime on nodes", _INSTALL)
    for each in found:
        text = f"{each.name} in {each.namespace}, {each.ready} of {each.wanted} nodes done"
        if each.wanted == 0:
            yield Finding(
                "installer",
                FAILED,
                f"{text}: it selects no node",
                "compare node.nodeSelector of the chart with: kubectl get nodes --show-labels",
            )
        elif each.ready < each.wanted:
            yield Finding("installer", WARNING, text, f"kubectl logs daemonset/{each.name} -n {each.namespace}")
        else:
            yield Finding("installer", OK, text)


def _nodes(cluster: Cluster) -> Iterator[Finding]:
    nodes = [Node.read(body) for body in cluster.list(NODES, Selection(""))]
    usable = [node for node in nodes if node.usable]
    if not usable:
        yield Finding("nodes", FAILED, f"none of {len(nodes)} can run a task", "kubectl reaper nodes")
    else:
        yield Finding("nodes", OK, f"{len(usable)} of {len(nodes)} can run tasks")
    for node in nodes:
        if node.error:
            yield Finding(
                "nodes", WARNING, f"{node.name}: {node.error}", "docs/nodes.md, section When something is wrong"
            )
    versions = sorted({node.version for node in usable if node.version})
    if len(versions) > 1:
        yield Finding(
            "nodes",
            WARNING,
            f"different versions of the runtime: {', '.join(versions)}",
            "kubectl reaper nodes; the installer changes them one by one",
        )


def _admission(cluster: Cluster) -> Iterator[Finding]:
    labels = f"{LABEL_PART_OF}={PRODUCT}"
    policies = cluster.list(POLICIES, Selection("", labels=labels))
    bound = {binding["spec"]["policyName"] for binding in cluster.list(BINDINGS, Selection(""))}
    if not policies:
        yield Finding("admission", WARNING, "no policy of Reaper is installed", _INSTALL)
        return
    good = []
    for policy in policies:
        name = policy["metadata"]["name"]
        warnings = ((policy.get("status") or {}).get("typeChecking") or {}).get("expressionWarnings")
        if name not in bound:
            yield Finding("admission", WARNING, f"policy {name} has no binding, and so no effect", _INSTALL)
        elif warnings:
            yield Finding(
                "admission",
                WARNING,
                f"policy {name}: {warnings[0].get('warning')}",
                f"kubectl describe validatingadmissionpolicy {name}",
            )
        else:
            good.append(name)
    if good:
        found = f"{len(good)} policies are" if len(good) > 1 else f"policy {good[0]} is"
        yield Finding("admission", OK, f"{found} in force")


def _access(cluster: Cluster) -> Iterator[Finding]:
    """Whether the caller's next task would be let in, as far as namespace and user go."""
    labels = f"{LABEL_PART_OF}={PRODUCT},{LABEL_COMPONENT}={COMPONENT_ACCESS}"
    names = [policy["metadata"]["name"] for policy in cluster.list(POLICIES, Selection("", labels=labels))]
    releases = [name.removesuffix(_ACCESS) for name in names if name.endswith(_ACCESS)]
    if not releases:
        message = "nobody is asked who may run host processes: whoever may create Pods or tasks may"
        yield Finding("access", WARNING, message, "helm upgrade with admission.access.enabled=true; docs/security.md")
        return
    namespace = cluster.namespace
    found = cluster.get(NAMESPACES, namespace)["metadata"].get("labels") or {}
    allowed = found.get(LABEL_ALLOW) == ALLOWED
    if not allowed:
        fix = f"kubectl label namespace {namespace} {LABEL_ALLOW}={ALLOWED} --overwrite"
        yield Finding("access", WARNING, f"namespace {namespace} does not allow host processes", fix)
    if not may(cluster, namespace, VERB_USE, GROUP, RESOURCE_ACCESS, ""):
        fix = f"kubectl create rolebinding host-processes --clusterrole={releases[0]}-host-processes"
        message = f"you may not run host processes in namespace {namespace}"
        yield Finding("access", WARNING, message, f"{fix} --user=YOU -n {namespace}")
    elif allowed:
        yield Finding("access", OK, f"you may run host processes in namespace {namespace}")


def _rights(cluster: Cluster) -> Iterator[Finding]:
    namespace = cluster.namespace
    missing = [right for right in RIGHTS if not may(cluster, namespace, *right[:4])]
    if not missing:
        yield Finding("rights", OK, f"you may do all that the plugin does in namespace {namespace}")
    for verb, group, resource, sub, use in missing:
        what = f"{resource}{'.' + group if group else ''}{'/' + sub if sub else ''}"
        yield Finding(
            "rights",
            WARNING,
            f"you may not {verb} {what} in namespace {namespace}: needed for {use}",
            f"kubectl create role {_ROLE} --verb={verb} --resource={what} -n {namespace}; "
            f"kubectl create rolebinding {_ROLE} --role={_ROLE} --user=YOU -n {namespace}",
        )


def may(cluster: Cluster, namespace: str, verb: str, group: str, resource: str, sub: str) -> bool:
    """Whether the caller has a right in a namespace."""
    attributes = {"namespace": namespace, "verb": verb, "group": group, "resource": resource, "subresource": sub}
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": attributes},
    }
    answer = cluster.post("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", review)
    return bool(answer["status"]["allowed"])
