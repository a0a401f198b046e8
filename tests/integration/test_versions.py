"""From one release to the next, and from one version of the API to the next, with Helm and a real API server.

What the first published operator left on its API server is in data/: tasks and Pods in every state, some of which only
its schema allowed. They live through `helm upgrade`, are taken up by this checkout's operator without a second Pod, and
are read and stored in the next version of the API.
"""

from __future__ import annotations

import shutil
import subprocess
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from reaper_api.crd import NOT_SEEN, crd
from tests.integration import kubelet
from tests.integration.api import MERGE, Api
from tests.integration.charts import CHART, ROOT, program
from tests.integration.planes import CRD, PATIENCE, install, install_crd, make_namespace, running
from tests.integration.replicas import Replica, eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.integration.control_plane import ControlPlane

pytestmark = pytest.mark.timeout(180)

DATA = ROOT / "tests" / "integration" / "data"
OLD_CRD, OLD_TASKS = DATA / "crd-v0.1.0-first.yaml", DATA / "tasks-v0.1.0-first.yaml"
OPERATOR, GROUP = "replica-1", "reaper-operators"
NAMESPACE = "old"
TASKS = "/apis/reaper.io/{version}/namespaces/old/reapertasks"
V1ALPHA1, PODS = TASKS.format(version="v1alpha1"), "/api/v1/namespaces/old/pods"
FINAL = ("Succeeded", "Failed")
WARNING = "reaper.io/v1alpha1 is deprecated: use reaper.io/v1beta1"
ROLES: list[tuple[str, str, dict[str, str]]] = [  # what the chart binds to the operator's service account
    ("ClusterRole", "reaper-operator", {}),
    ("ClusterRole", "reaper-host-processes", {}),
    ("Role", "reaper-operator", {"namespace": "reaper-system"}),
]
SINCE = {"backoffLimit": 0, "suspend": False}  # fields with defaults that have come since

Body = dict[str, Any]


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """With the previous release, and its objects."""
    with running(tmp_path_factory.mktemp("plane"), {OPERATOR: GROUP}) as plane:
        api = Api(str(plane.kubeconfig()))
        make_namespace(api, "reaper-system")
        previous = tmp_path_factory.mktemp("previous") / "reaper"
        shutil.copytree(CHART, previous)
        shutil.copy(OLD_CRD, previous / "files" / "reapertask.yaml")
        helm(plane, "install", "reaper", str(previous))
        install_crd_is_served(api, yaml.safe_load(OLD_CRD.read_text()))
        make_namespace(api, NAMESPACE)
        for item in yaml.safe_load(OLD_TASKS.read_text()):
            restore(api, item)
        for kind, name, where in ROLES:
            subject = {"kind": "Group", "apiGroup": "rbac.authorization.k8s.io", "name": GROUP}
            role = {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name}
            binding = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": f"{kind}Binding"}
            metadata = {"name": f"test-{name}", **where}
            install(api, binding | {"metadata": metadata, "subjects": [subject], "roleRef": role})
        yield plane


def helm(plane: ControlPlane, *words: str) -> None:
    """Nothing but the API server's word is waited for: there are no nodes."""
    place = ["--namespace", "reaper-system", "--kubeconfig", str(plane.kubeconfig())]
    done = subprocess.run([program("helm"), *words, *place], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def install_crd_is_served(api: Api, wanted: Body) -> None:
    """Helm has written it, and the API server follows it."""

    def served() -> bool:
        found = api.request("GET", CRD).ok()
        conditions = {c["type"]: c["status"] for c in found["status"].get("conditions") or ()}
        return conditions.get("Established") == "True" and bool(
            found["spec"]["versions"][0]["schema"] == wanted["spec"]["versions"][0]["schema"]
        )

    eventually("the CRD is the release's", PATIENCE, served)


def restore(api: Api, item: Body) -> None:
    """An object as it was, under new UIDs."""
    name, status, pod = item["name"], item["status"], item.get("pod")
    head = {"apiVersion": "reaper.io/v1alpha1", "kind": "ReaperTask"}
    body = {**head, "metadata": {"name": name, **item["metadata"]}, "spec": item["spec"]}
    uid = api.request("POST", V1ALPHA1, body, fieldValidation="Strict").ok()["metadata"]["uid"]
    if pod is not None:
        if "nodeName" in pod["spec"]:
            kubelet.add_node(api, pod["spec"]["nodeName"])
        labels = {**pod["metadata"]["labels"], "reaper.io/task-uid": uid}
        owner = {**head, "name": name, "uid": uid, "controller": True, "blockOwnerDeletion": True}
        metadata = {**pod["metadata"], "name": status["podName"], "labels": labels, "ownerReferences": [owner]}
        made = api.request("POST", PODS, {"metadata": metadata, "spec": pod["spec"]}).ok()
        status = {**status, "podUID": made["metadata"]["uid"]}
        tell(api, status["podName"], pod["status"])
    if status:
        api.request("PATCH", f"{V1ALPHA1}/{name}/status", {"status": status}, content_type=MERGE).ok()


def tell(api: Api, pod: str, status: Body) -> None:
    """kubelet's word."""
    api.request("PATCH", f"{PODS}/{pod}/status", {"status": status}, content_type=MERGE).ok()


@pytest.fixture(scope="module")
def api(plane: ControlPlane) -> Api:
    return Api(str(plane.kubeconfig()))


def tasks(api: Api, version: str = "v1alpha1") -> dict[str, Body]:
    """All of them by name."""
    items = api.request("GET", TASKS.format(version=version)).ok()["items"]
    return {item["metadata"]["name"]: item for item in items}


def content(found: dict[str, Body], **defaults: Any) -> dict[str, tuple[Body, Body]]:
    """What people and operators have said, without what the API server keeps for itself."""
    return {name: ({**defaults, **item["spec"]}, item.get("status", NOT_SEEN)) for name, item in found.items()}


def pods(api: Api) -> dict[str, str]:
    """UIDs by name."""
    items = api.request("GET", PODS).ok()["items"]
    return {item["metadata"]["name"]: item["metadata"]["uid"] for item in items}


def test_the_objects_are_in_every_state_and_one_has_what_only_the_old_schema_allowed(api: Api) -> None:
    before = tasks(api)
    phases = {item.get("status", {}).get("phase") for item in before.values()}

    assert len(before) >= 10
    assert phases == {None, "Pending", "Running", "Succeeded", "Failed"}
    assert before["odd-variable"]["spec"]["env"][0]["name"] == "..A"
    assert all("attempts" not in item.get("status", {}) for item in before.values())


@pytest.fixture(scope="module")
def upgraded(plane: ControlPlane, api: Api) -> tuple[dict[str, Body], dict[str, str]]:
    """`helm upgrade`; gives tasks and Pods of before."""
    before = tasks(api), pods(api)
    helm(plane, "upgrade", "reaper", str(CHART))
    install_crd_is_served(api, crd())
    return before


Upgraded = tuple[dict[str, Body], dict[str, str]]


def test_helm_upgrades_the_crd_and_every_object_is_as_it_was(api: Api, upgraded: Upgraded) -> None:
    assert content(tasks(api)) == content(upgraded[0], **SINCE)
    assert pods(api) == upgraded[1]
    metadata = api.request("GET", CRD).ok()["metadata"]
    assert metadata["annotations"]["helm.sh/resource-policy"] == "keep"


def test_every_object_can_be_written_again(api: Api, upgraded: Upgraded) -> None:
    """Also the one that could not be created any more. The first write stores the new defaults, no more."""
    refused = deepcopy(upgraded[0]["odd-variable"])
    new = {k: refused[k] for k in ("apiVersion", "kind", "spec")} | {"metadata": {"name": "odd-variable-2"}}
    assert api.request("POST", V1ALPHA1, new).status == 422
    for name, item in tasks(api).items():
        path = f"{V1ALPHA1}/{name}"
        first = api.request("PUT", path, item, fieldValidation="Strict").ok()
        assert first["metadata"]["generation"] == item["metadata"]["generation"], name
        same = api.request("PUT", path, first, fieldValidation="Strict").ok()
        assert same["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"], name
        labels: Body = {"metadata": {"labels": {"upgraded": "yes"}}}
        api.request("PATCH", path, labels, content_type=MERGE).ok()
        for message in ("looked at", item.get("status", {}).get("message")):
            status = {"status": {"message": message}}
            answer = api.request("PATCH", f"{path}/status", status, content_type=MERGE)
            assert answer.status == 200, (name, answer.message)
    assert content(tasks(api)) == content(upgraded[0], **SINCE)


def test_the_new_operator_goes_on_with_the_same_pods(
    plane: ControlPlane, api: Api, upgraded: Upgraded, tmp_path: Path
) -> None:
    old_tasks, old_pods = upgraded
    over = {name for name, item in old_tasks.items() if item.get("status", {}).get("phase") in FINAL}
    operator = Replica(tmp_path, OPERATOR, plane.kubeconfig(OPERATOR)).start()
    try:
        eventually("all are taken up", PATIENCE, lambda: _attempts(api).keys() >= old_tasks.keys() - over)
        assert set(_attempts(api).values()) == {1}
        assert pods(api).items() >= old_pods.items()
        assert pods(api).keys() - old_pods.keys() == {"fresh"}
        running = [name for name, item in old_tasks.items() if item.get("status", {}).get("phase") == "Running"]
        assert len(running) >= 5
        for name in running:
            end = {"exitCode": 0, "reason": "Completed", "finishedAt": "2026-11-26T12:00:00Z"}
            kubelet.tell(api, PODS, old_tasks[name]["status"]["podName"], "Succeeded", {"terminated": end})
        eventually("they are over", PATIENCE, lambda: _over(api) >= over | set(running))
    finally:
        operator.end()
    made = [w for w in plane.writes(OPERATOR) if w.resource == "pods" and w.verb == "create" and w.done]
    assert len(made) == 1
    after = tasks(api)
    assert {name: after[name]["status"] for name in over} == {name: old_tasks[name]["status"] for name in over}
    assert "Traceback" not in operator.log


def _attempts(api: Api) -> dict[str, int]:
    found = {name: item.get("status", {}).get("attempts") for name, item in tasks(api).items()}
    return {name: number for name, number in found.items() if number is not None}


def _over(api: Api) -> set[str]:
    return {name for name, item in tasks(api).items() if item.get("status", {}).get("phase") in FINAL}


def next_version(*, storage: str, deprecated: bool = False) -> Body:
    """The CRD with a second version of the same schema, as docs/decisions/0011-versions-and-phases.md has it."""
    wanted = crd()
    (v1alpha1,) = wanted["spec"]["versions"]
    v1beta1 = {**deepcopy(v1alpha1), "name": "v1beta1"}
    for version in (v1alpha1, v1beta1):
        version["storage"] = version["name"] == storage
    if deprecated:
        v1alpha1 |= {"deprecated": True, "deprecationWarning": WARNING}
    wanted["spec"] |= {"versions": [v1alpha1, v1beta1], "conversion": {"strategy": "None"}}
    return wanted


def without_version(found: dict[str, Body]) -> dict[str, Body]:
    """Objects as they are, but for the version that they were read in."""
    return {
        name: {k: v for k, v in item.items() if k != "apiVersion"}
        | {"metadata": {k: v for k, v in item["metadata"].items() if k != "managedFields"}}
        for name, item in found.items()
    }


def test_one_version_is_served_and_stored(api: Api, upgraded: Upgraded) -> None:
    found = api.request("GET", CRD).ok()

    assert [(v["name"], v["served"], v["storage"]) for v in found["spec"]["versions"]] == [("v1alpha1", True, True)]
    assert found["status"]["storedVersions"] == ["v1alpha1"]


def test_the_way_to_v1beta1(api: Api, upgraded: Upgraded) -> None:
    """Served beside v1alpha1, then stored, then all objects rewritten: nothing is lost on the way, and no webhook."""
    before = without_version(tasks(api))
    beta = TASKS.format(version="v1beta1")

    assert install_crd(api, next_version(storage="v1alpha1"))["status"]["storedVersions"] == ["v1alpha1"]
    eventually("v1beta1 is served", PATIENCE, lambda: api.request("GET", beta).status == 200)
    assert without_version(tasks(api, "v1beta1")) == before == without_version(tasks(api))
    assert {item["apiVersion"] for item in tasks(api, "v1beta1").values()} == {"reaper.io/v1beta1"}
    new: Body = {"apiVersion": "reaper.io/v1beta1", "kind": "ReaperTask", "metadata": {"name": "beta"}}
    api.request("POST", beta, new | {"spec": {"command": ["/bin/true"]}}, fieldValidation="Strict").ok()
    assert api.request("GET", f"{V1ALPHA1}/beta").ok()["spec"]["restartPolicy"] == "Never"

    install_crd(api, next_version(storage="v1beta1", deprecated=True))
    eventually(
        "both are stored",
        PATIENCE,
        lambda: set(api.request("GET", CRD).ok()["status"]["storedVersions"]) == {"v1alpha1", "v1beta1"},
    )
    for name, item in tasks(api, "v1beta1").items():  # the storage migration: a write that changes nothing
        api.request("PUT", f"{beta}/{name}", item).ok()
    stored = {"status": {"storedVersions": ["v1beta1"]}}
    api.request("PATCH", f"{CRD}/status", stored, content_type=MERGE).ok()
    assert api.request("GET", CRD).ok()["status"]["storedVersions"] == ["v1beta1"]
    after = without_version(tasks(api))
    assert {name: (item["spec"], item.get("status")) for name, item in after.items() if name != "beta"} == {
        name: (item["spec"], item.get("status")) for name, item in before.items()
    }
    assert {i["metadata"]["uid"] for n, i in after.items() if n != "beta"} == {
        i["metadata"]["uid"] for i in before.values()
    }


def test_a_client_of_v1alpha1_works_on_and_is_warned(api: Api, plane: ControlPlane, upgraded: Upgraded) -> None:
    install_crd(api, next_version(storage="v1beta1", deprecated=True))
    words = ["--kubeconfig", str(plane.kubeconfig()), "--namespace", NAMESPACE]

    def asked() -> subprocess.CompletedProcess[str]:
        command = [program("kubectl"), *words, "get", "reapertasks.v1alpha1.reaper.io", "done", "--output=name"]
        return subprocess.run(command, capture_output=True, text=True, check=True)

    eventually("the warning is there", PATIENCE, lambda: "is deprecated" in asked().stderr)
    assert asked().stdout == "reapertask.reaper.io/done\n"
    assert WARNING in asked().stderr
    done = tasks(api)["done"]
    status = {"status": {"message": done["status"].get("message")}}
    api.request("PATCH", f"{V1ALPHA1}/done/status", status, content_type=MERGE).ok()
