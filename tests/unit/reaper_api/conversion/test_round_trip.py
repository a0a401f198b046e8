"""From task to Pod and back nothing changes, and no Pod whatever makes the conversion forget a field."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from reaper_api.conversion import Verdict, to_pod, to_task
from reaper_api.conversion.report import leaves
from reaper_api.task import ReaperTask
from reaper_api.vocabulary import API_VERSION, KIND

NAMES = st.from_regex(r"[a-z]([-a-z0-9]{0,8}[a-z0-9])?", fullmatch=True)
VALUES = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=12)
PATHS = st.builds("/{}/{}".format, NAMES, NAMES)
IDS = st.integers(0, 2147483647)
MODES = st.integers(0, 0o777)


def fields(**known: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """A mapping with any of these fields."""
    return st.fixed_dictionaries({}, optional=known)


def some(each: st.SearchStrategy[Any], key: str) -> st.SearchStrategy[list[Any]]:
    """A list in which no two have the same value of a key."""
    return st.lists(each, max_size=3, unique_by=lambda one: one[key])


REFERENCE = st.fixed_dictionaries({"name": NAMES, "key": NAMES}, optional={"optional": st.just(True)})
VARIABLE = st.one_of(
    st.fixed_dictionaries({"name": NAMES, "value": VALUES}),
    st.fixed_dictionaries({"name": NAMES, "valueFrom": st.fixed_dictionaries({"secretKeyRef": REFERENCE})}),
    st.fixed_dictionaries({"name": NAMES, "valueFrom": st.fixed_dictionaries({"configMapKeyRef": REFERENCE})}),
)
ITEMS = st.lists(st.fixed_dictionaries({"key": NAMES, "path": NAMES}, optional={"mode": MODES}), min_size=1, max_size=2)
SOURCE = st.one_of(
    st.fixed_dictionaries(
        {"hostPath": st.fixed_dictionaries({"path": PATHS}, optional={"type": st.just("Directory")})}
    ),
    st.fixed_dictionaries(
        {"configMap": st.fixed_dictionaries({"name": NAMES}, optional={"items": ITEMS, "defaultMode": MODES})}
    ),
    st.fixed_dictionaries(
        {"secret": st.fixed_dictionaries({"secretName": NAMES}, optional={"optional": st.just(True)})}
    ),
    st.fixed_dictionaries({"emptyDir": fields(medium=st.just("Memory"), sizeLimit=st.just("64Mi"))}),
)
VOLUME = st.builds(
    lambda name, path, source, read_only: {"name": name, "mountPath": path, **source, **read_only},
    NAMES,
    PATHS,
    SOURCE,
    fields(readOnly=st.just(True)),
)
TOLERATION = fields(key=NAMES, operator=st.just("Exists"), effect=st.sampled_from(["NoSchedule", "NoExecute"])).filter(
    lambda one: "operator" in one
)
TERM = st.fixed_dictionaries(
    {
        "matchExpressions": st.lists(
            st.fixed_dictionaries(
                {"key": NAMES, "operator": st.just("In"), "values": st.lists(NAMES, min_size=1, max_size=2)}
            ),
            min_size=1,
            max_size=2,
        )
    }
)
AFFINITY = st.fixed_dictionaries(
    {
        "nodeAffinity": st.fixed_dictionaries(
            {
                "requiredDuringSchedulingIgnoredDuringExecution": st.fixed_dictionaries(
                    {"nodeSelectorTerms": st.lists(TERM, min_size=1, max_size=2)}
                )
            }
        )
    }
)
SPECS = st.fixed_dictionaries(
    {"command": st.lists(VALUES, max_size=3).map(lambda words: ["/bin/tool", *words])},
    optional={
        "args": st.lists(VALUES, min_size=1, max_size=3),
        "env": some(VARIABLE, "name"),
        "envFrom": st.lists(
            st.fixed_dictionaries({"configMapRef": st.fixed_dictionaries({"name": NAMES})}, optional={"prefix": NAMES}),
            max_size=2,
        ),
        "workingDir": PATHS,
        "user": st.fixed_dictionaries(
            {"uid": IDS, "gid": IDS},
            optional={"supplementalGroups": st.lists(IDS, min_size=1, max_size=3, unique=True)},
        ),
        "terminal": st.booleans(),
        "stdin": st.booleans(),
        "volumes": st.lists(VOLUME, max_size=3, unique_by=(lambda one: one["name"], lambda one: one["mountPath"])),
        "overlay": st.fixed_dictionaries({"name": NAMES}),
        "dnsMode": st.sampled_from(["host", "kubernetes"]),
        "restartPolicy": st.sampled_from(["Never", "OnFailure", "Always"]),
        "nodeName": NAMES,
        "nodeSelector": st.dictionaries(NAMES, NAMES, max_size=2),
        "tolerations": st.lists(TOLERATION, max_size=2),
        "affinity": AFFINITY,
        "priorityClassName": NAMES,
        "serviceAccountName": NAMES,
        "activeDeadlineSeconds": st.integers(1, 10**6),
        "terminationGracePeriodSeconds": st.integers(1, 10**6),  # 0 comes back as 1
    },
)


def task(spec: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": API_VERSION, "kind": KIND, "metadata": {"name": "t", "namespace": "n"}, "spec": spec}


def parsed(body: dict[str, Any]) -> ReaperTask:
    return ReaperTask.parse({**body, "metadata": {"name": "t", "namespace": "n", "uid": "u"}})


@given(SPECS)
def test_a_task_becomes_a_pod_and_the_same_task_again(spec: dict[str, Any]) -> None:
    there = to_pod(task(spec))
    assert there.faithful
    assert there.result is not None
    back = to_task(there.result)
    assert back.faithful, [str(field) for field in back.of(Verdict.LOST, Verdict.REFUSED)]
    assert back.result is not None
    assert parsed(back.result).spec == parsed(task(spec)).spec


@given(SPECS)
def test_every_field_of_a_task_is_accounted_for(spec: dict[str, Any]) -> None:
    body = task(spec)
    accounted = [field.source for field in to_pod(body).fields]
    assert sorted(map(str, accounted)) == sorted(str(path) for path, _ in leaves(body))


ANYTHING: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | VALUES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)
CONTEXT = fields(
    runAsUser=IDS,
    runAsGroup=IDS,
    runAsNonRoot=st.booleans(),
    fsGroup=IDS,
    privileged=st.booleans(),
    capabilities=fields(add=st.lists(NAMES, max_size=2), drop=st.lists(NAMES, max_size=2)),
    allowPrivilegeEscalation=st.booleans(),
    readOnlyRootFilesystem=st.booleans(),
    seccompProfile=st.just({"type": "RuntimeDefault"}),
)
MOUNT = st.fixed_dictionaries(
    {"name": st.sampled_from(["a", "b", "c"]), "mountPath": PATHS},
    optional={
        "subPath": NAMES,
        "readOnly": st.booleans(),
        "mountPropagation": st.sampled_from(["None", "HostToContainer"]),
        "subPathExpr": NAMES,
    },
)
PODS = fields(
    restartPolicy=st.sampled_from(["Never", "OnFailure", "Always"]),
    securityContext=CONTEXT,
    hostNetwork=st.booleans(),
    hostPID=st.booleans(),
    dnsPolicy=st.sampled_from(["Default", "ClusterFirst", "None"]),
    serviceAccountName=NAMES,
    automountServiceAccountToken=st.booleans(),
    volumes=some(st.builds(lambda name, source: {"name": name, **source}, st.sampled_from(["a", "b"]), SOURCE), "name"),
    unheardOf=ANYTHING,
    affinity=AFFINITY,
    containers=st.lists(
        st.fixed_dictionaries(
            {"name": NAMES},
            optional={
                "image": NAMES,
                "command": st.lists(PATHS, max_size=2),
                "securityContext": CONTEXT,
                "env": st.lists(VARIABLE, max_size=2),
                "volumeMounts": st.lists(MOUNT, max_size=3),
                "ports": st.just([{"containerPort": 80}]),
                "resources": fields(limits=st.dictionaries(NAMES, NAMES, max_size=2), requests=st.just({})),
                "unheardOf": ANYTHING,
            },
        ),
        max_size=2,
    ),
)


@given(PODS, st.sampled_from(["Pod", "Job", "Deployment", "CronJob", "DaemonSet", "PodTemplate"]))
def test_every_field_of_a_pod_is_accounted_for_once_whatever_it_is(spec: dict[str, Any], kind: str) -> None:
    body: dict[str, Any] = {"kind": kind, "metadata": {"name": "t"}}
    match kind:
        case "Pod":
            body["spec"] = spec
        case "PodTemplate":
            body["template"] = {"spec": spec}
        case "CronJob":
            body["spec"] = {"jobTemplate": {"spec": {"template": {"spec": spec}}}}
        case _:
            body["spec"] = {"template": {"spec": spec}}
    there = {path for path, _ in leaves(body)}
    found = to_task(body, node="worker")
    accounted = [field.source for field in found.fields if field.source in there]
    assert sorted(map(str, accounted)) == sorted(map(str, there))
    assert all(field.verdict is Verdict.REFUSED for field in found.fields if field.source and field.source not in there)
    if found.result is not None:
        parsed(found.result)
