"""The plugin with a real kubectl and a real API server. There is no operator: these tests write statuses themselves."""

import json
import os
import subprocess
import sys
import uuid
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from kubectl import program
from reaper_cli import errors
from reaper_cli.checks import may
from reaper_cli.cluster import CRDS, NODES, PODS, TASKS, Selection
from reaper_cli.converting import convert_text
from reaper_cli.kubectl import Kubectl
from reaper_cli.target import Target
from tests.integration.api import MERGE, Api

pytestmark = pytest.mark.timeout(180)

DATA = Path(__file__).parents[1] / "data" / "manifests"
MANIFESTS = sorted(DATA.glob("*.yaml"))

Body = dict[str, Any]


@pytest.fixture
def namespace(tasks: str) -> str:
    return tasks.split("/")[-2]


@pytest.fixture
def cluster(kubeconfig: str, namespace: str) -> Kubectl:
    return Kubectl(Target(kubeconfig=kubeconfig, namespace=namespace), os.environ, program("kubectl"))


@pytest.fixture
def name() -> str:
    return f"t-{uuid.uuid4().hex[:8]}"


def task(name: str, **spec: Any) -> Body:
    return {
        "apiVersion": "reaper.io/v1alpha1",
        "kind": "ReaperTask",
        "metadata": {"name": name},
        "spec": {"command": ["/bin/true"], **spec},
    }


class Operator:
    """Writes the status of tasks, as the operator would."""

    def __init__(self, api: Api, tasks: str) -> None:
        self._api = api
        self._tasks = tasks

    def says(self, name: str, **status: Any) -> None:
        """All of it: what was said before, or by the schema, and is not said again, is gone."""
        status = {"reason": None, "message": None, **status}
        self._api.request("PATCH", f"{self._tasks}/{name}/status", {"status": status}, content_type=MERGE).ok()


@pytest.fixture
def operator(api: Api, tasks: str) -> Operator:
    return Operator(api, tasks)


def test_create_and_get(cluster: Kubectl, name: str) -> None:
    created = cluster.create(TASKS, task(name))
    assert created["metadata"]["uid"]
    assert created["metadata"]["managedFields"][0]["manager"] == "kubectl-reaper"
    assert cluster.get(TASKS, name)["metadata"]["uid"] == created["metadata"]["uid"]
    with pytest.raises(errors.AlreadyExists, match="already exists"):
        cluster.create(TASKS, task(name))


def test_a_dry_run_leaves_nothing(cluster: Kubectl, name: str) -> None:
    cluster.create(TASKS, task(name), dry_run=True)
    with pytest.raises(errors.NotFound, match=f'"{name}" not found'):
        cluster.get(TASKS, name)


def test_a_generated_name(cluster: Kubectl) -> None:
    body = task("x")
    body["metadata"] = {"generateName": "gen-"}
    assert cluster.create(TASKS, body)["metadata"]["name"].startswith("gen-")


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        ({"image": "busybox"}, 'unknown field "spec.image"'),
        ({"command": ["bin/x"]}, "command\\[0\\] is an absolute path"),
    ],
)
def test_a_wrong_task_is_refused_with_the_servers_words(cluster: Kubectl, name: str, spec: Body, sentence: str) -> None:
    with pytest.raises(errors.Invalid, match=sentence):
        cluster.create(TASKS, task(name, **spec))


def test_patch_takes_what_may_change_and_refuses_the_rest(cluster: Kubectl, name: str) -> None:
    cluster.create(TASKS, task(name))
    assert cluster.patch(TASKS, name, {"spec": {"suspend": True}})["spec"]["suspend"] is True
    with pytest.raises(errors.Invalid):
        cluster.patch(TASKS, name, {"spec": {"command": ["/bin/false"]}})


def test_delete_takes_exactly_the_object_that_was_meant(cluster: Kubectl, name: str) -> None:
    created = cluster.create(TASKS, task(name))
    with pytest.raises(errors.Conflict):
        cluster.delete(TASKS, name, uid="another")
    cluster.delete(TASKS, name, uid=created["metadata"]["uid"])
    with pytest.raises(errors.NotFound):
        cluster.get(TASKS, name)


def test_a_watch_tells_what_is_there_and_what_happens(cluster: Kubectl, operator: Operator, name: str) -> None:
    created = cluster.create(TASKS, task(name))
    with closing(cluster.watch(TASKS, Selection(cluster.namespace, name=name), 20)) as changes:

        def following() -> tuple[str, str]:
            change = next(changes)
            assert change is not None, "nothing came within 20 s"
            return change.type, change.body.get("status", {}).get("phase", "")

        assert following() == ("ADDED", "Pending")
        operator.says(name, phase="Running")
        assert following() == ("MODIFIED", "Running")
        cluster.delete(TASKS, name, uid=created["metadata"]["uid"])
        assert following()[0] == "DELETED"


def test_a_silent_watch_ticks(cluster: Kubectl, name: str) -> None:
    with closing(cluster.watch(TASKS, Selection(cluster.namespace, name=name), 0.05)) as changes:
        assert next(changes) is None


def test_lists_by_label_field_and_namespace(cluster: Kubectl, operator: Operator, name: str) -> None:
    body = task(name)
    body["metadata"]["labels"] = {"job": name}
    cluster.create(TASKS, body)
    operator.says(name, phase="Running")

    def names(selection: Selection) -> list[str]:
        return [found["metadata"]["name"] for found in cluster.list(TASKS, selection)]

    assert names(Selection(cluster.namespace, labels=f"job in ({name})")) == [name]
    assert names(Selection("", labels=f"job={name}", fields="status.phase=Running")) == [name]
    assert names(Selection("", labels=f"job={name}", fields="status.phase=Failed")) == []


def test_somebody_without_rights(kubeconfig: str, namespace: str) -> None:
    jane = Kubectl(Target(kubeconfig=kubeconfig, namespace=namespace, as_user="jane"), os.environ, program("kubectl"))
    with pytest.raises(errors.Forbidden, match='User "jane" cannot list resource "pods"') as caught:
        jane.list(PODS, Selection(namespace))
    assert caught.value.next == "kubectl reaper doctor"
    assert not may(jane, namespace, "create", "reaper.io", "reapertasks", "")


def test_somebody_with_all_rights(cluster: Kubectl) -> None:
    assert may(cluster, cluster.namespace, "create", "", "pods", "exec")


def test_a_server_that_is_not_there(kubeconfig: str) -> None:
    nowhere = Kubectl(Target(kubeconfig=kubeconfig, server="https://127.0.0.1:1"), os.environ, program("kubectl"))
    with pytest.raises(errors.Unreachable, match=r"The connection to the server 127\.0\.0\.1:1 was refused"):
        nowhere.get(NODES, "x")


def test_a_context_that_is_not_there(kubeconfig: str) -> None:
    nowhere = Kubectl(Target(kubeconfig=kubeconfig, context="nope"), os.environ, program("kubectl"))
    with pytest.raises(errors.Unreachable, match="nope"):
        _ = nowhere.namespace


def test_the_namespace_of_the_context(kubeconfig: str) -> None:
    assert Kubectl(Target(kubeconfig=kubeconfig), os.environ, program("kubectl")).namespace


def test_what_is_in_no_namespace(cluster: Kubectl) -> None:
    assert cluster.get(CRDS, "reapertasks.reaper.io")["spec"]["group"] == "reaper.io"


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.stem)
def test_the_api_server_takes_what_conversion_makes(cluster: Kubectl, path: Path) -> None:
    for converted in convert_text(path.read_text(), node="worker-1"):
        if converted.conversion is not None and converted.body is not None:
            body = json.loads(json.dumps(converted.body))
            body["metadata"]["namespace"] = cluster.namespace
            assert cluster.create(TASKS, body, dry_run=True)["spec"]["command"]


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.stem)
def test_the_api_server_takes_the_pod_that_comes_of_the_task(cluster: Kubectl, path: Path) -> None:
    from reaper_api.conversion import to_pod

    for converted in convert_text(path.read_text(), node="worker-1"):
        if converted.conversion is not None and converted.body is not None:
            found = to_pod(json.loads(json.dumps(converted.body))).result
            assert found is not None
            found["metadata"]["namespace"] = cluster.namespace
            # Both have to be there before a Pod may name them; here they are not.
            for field in ("serviceAccountName", "priorityClassName"):
                found["spec"].pop(field, None)
            assert cluster.create(PODS, found, dry_run=True)["spec"]["runtimeClassName"] == "reaper-v2"


@pytest.fixture(autouse=True)
def runtime_class(api: Api) -> None:
    """A Pod may only name a RuntimeClass that is there."""
    body = {
        "apiVersion": "node.k8s.io/v1",
        "kind": "RuntimeClass",
        "metadata": {"name": "reaper-v2"},
        "handler": "reaper-v2",
    }
    if api.request("GET", "/apis/node.k8s.io/v1/runtimeclasses/reaper-v2").status == 404:
        api.request("POST", "/apis/node.k8s.io/v1/runtimeclasses", body).ok()


@pytest.fixture
def environment(kubeconfig: str, tmp_path: Path) -> dict[str, str]:
    """In which `kubectl` is the one under test."""
    (tmp_path / "kubectl").symlink_to(program("kubectl"))
    return {**os.environ, "KUBECONFIG": kubeconfig, "PATH": f"{tmp_path}:{os.environ['PATH']}"}


class Person:
    """Types `kubectl reaper`."""

    def __init__(self, environment: dict[str, str], namespace: str) -> None:
        self._environment = environment
        self._namespace = namespace

    def begins(self, *words: str) -> "subprocess.Popen[str]":
        command = [sys.executable, "-c", "from reaper_cli.main import main; main()", "-n", self._namespace, *words]
        return subprocess.Popen(
            command, env=self._environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def types(self, *words: str) -> tuple[int, str, str]:
        process = self.begins(*words)
        out, err = process.communicate(timeout=50)
        return process.returncode, out, err


@pytest.fixture
def person(environment: dict[str, str], namespace: str) -> Person:
    return Person(environment, namespace)


def test_run_and_look(person: Person, name: str) -> None:
    assert person.types("run", name, "-e", "A=b", "--", "/bin/echo", "hi")[:2] == (
        0,
        f"reapertask.reaper.io/{name} created\n",
    )
    assert person.types("get", name, "-o", "jsonpath={.spec.env[0].value}")[1] == "b"
    assert f"{name} " in person.types("get")[1]
    code, out, _ = person.types("describe", name)
    assert code == 0
    assert "Command      /bin/echo hi\n" in out
    assert person.types("run", name, "--", "x")[0] == 1


def test_wait_hears_the_end_and_passes_the_exit_code_on(person: Person, operator: Operator, name: str) -> None:
    person.types("run", name, "--", "x")
    with person.begins("wait", name, "--timeout", "40s") as waiting:
        operator.says(name, phase="Running", podName=name, nodeName="n1")
        assert waiting.stderr is not None
        assert waiting.stderr.readline() == f"{name}: Running on node n1\n"
        operator.says(name, phase="Failed", exitCode=3, reason="Error", message="it ended")
        assert waiting.wait(30) == 3
        assert waiting.stderr.read() == f"{name}: Failed: Error: it ended\n"


def test_steering(person: Person, operator: Operator, cluster: Kubectl, name: str) -> None:
    person.types("run", name, "--", "x")
    assert person.types("suspend", name)[1] == f"{name} suspended\n"
    assert cluster.get(TASKS, name)["spec"]["suspend"] is True
    assert person.types("resume", name)[1] == f"{name} resumed\n"
    assert person.types("cancel", name, "--no-wait")[1] == f"{name} cancelled\n"
    assert cluster.get(TASKS, name)["spec"]["activeDeadlineSeconds"] == 1
    operator.says(name, phase="Failed", reason="DeadlineExceeded")
    for where, remark in (("client", "dry run"), ("server", "server dry run")):
        assert person.types("retry", name, f"--dry-run={where}")[1] == f"{name}-r1 created ({remark})\n"
        assert person.types("retry", name, f"--dry-run={where}", "--replace")[1] == f"{name} created ({remark})\n"
    assert person.types("retry", name)[1] == f"{name}-r1 created\n"
    assert "activeDeadlineSeconds" not in cluster.get(TASKS, f"{name}-r1")["spec"]
    old = cluster.get(TASKS, name)["metadata"]["uid"]
    assert person.types("retry", name, "--replace")[1] == f"{name} created\n"
    assert cluster.get(TASKS, name)["metadata"]["uid"] != old


def test_the_doctor_sees_what_is_there_and_what_is_not(person: Person) -> None:
    code, out, _ = person.types("doctor", "-o", "json")
    found = {finding["subject"]: finding["status"] for finding in json.loads(out)}
    assert (found["API server"], found["CRD"], found["rights"]) == ("ok", "ok", "ok")
    assert code == (1 if "failed" in found.values() else 0)


def test_a_name_is_completed(environment: dict[str, str], person: Person, namespace: str, name: str) -> None:
    person.types("run", name, "--", "x")
    code = "from reaper_cli.completion import main; main()"
    words = [sys.executable, "-c", code, "describe", "-n", namespace, name[:6]]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == f"{name}\n:4\n"


def test_kubectl_finds_the_plugin_and_completes_it(environment: dict[str, str]) -> None:
    """By the console scripts, as they are installed."""
    scripts = Path(sys.executable).parent
    environment = {**environment, "PATH": f"{environment['PATH']}:{scripts}"}
    done = subprocess.run(["kubectl", "reaper", "--help"], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("Usage: kubectl reaper [OPTIONS] COMMAND")
    done = subprocess.run(
        ["kubectl", "__complete", "reaper", "conv"], env=environment, capture_output=True, text=True, check=True
    )
    assert "convert\tMake ReaperTasks" in done.stdout
