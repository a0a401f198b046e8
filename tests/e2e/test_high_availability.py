"""Two replicas of the operator: one leads, the other takes over, whatever ends the first; no task runs twice."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from datetime import datetime
from typing import TYPE_CHECKING

import pytest

from kubectl import RELEASE, SYSTEM, Node, ready
from manifests import shell
from waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kubectl import Done, Kubectl, Object

pytestmark = pytest.mark.timeout(240)

NAME = f"{RELEASE}-operator"
OPERATOR = ("-l", "app.kubernetes.io/component=operator")
LEASE_SECONDS = 15
SLACK = 20  # for a container that starts, and for what a loaded machine does slowly


class Replicas:
    """The operator's Pods, and the processes in them."""

    def __init__(self, system: Kubectl) -> None:
        self._system = system

    def pods(self) -> list[Object]:
        return [pod for pod in self._system.list("pods", *OPERATOR) if "deletionTimestamp" not in pod["metadata"]]

    def ready(self) -> list[str]:
        return sorted(pod["metadata"]["name"] for pod in self.pods() if ready(pod))

    def lease(self) -> Object:
        return dict(self._system.get("lease", NAME)["spec"])

    def holder(self) -> str:
        """The name of the Pod that holds the Lease, or held it when it ended."""
        return str(self.lease()["holderIdentity"].rpartition("_")[0])

    def leader(self) -> Object:
        """The Pod that leads."""
        holder = self.holder()
        (pod,) = [pod for pod in self.pods() if pod["metadata"]["name"] == holder]
        return pod

    def metrics(self, pod: str) -> str:
        return self._system.run("get", "--raw", f"/api/v1/namespaces/{SYSTEM}/pods/{pod}:9090/proxy/metrics").out

    def evict(self, pod: str) -> Done:
        body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod, "namespace": SYSTEM}}
        path = f"/api/v1/namespaces/{SYSTEM}/pods/{pod}/eviction"
        return self._system.run("create", "--raw", path, "-f", "-", stdin=json.dumps(body), check=False)

    def restarts(self, pod: str) -> int:
        return int(self._system.get("pod", pod)["status"]["containerStatuses"][0]["restartCount"])


def process_of(pod: Object) -> tuple[Node, int]:
    """The operator in a Pod, as a process of its node."""
    node = Node(pod["spec"]["nodeName"])
    name = pod["metadata"]["name"]
    for pid in node.processes("reaper_operator"):
        if f"HOSTNAME={name}" in node.sh(f"tr '\\0' '\\n' </proc/{pid}/environ", check=False).split():
            return node, pid
    raise AssertionError(f"the operator of {name} is not among the processes of {node.name}")


@pytest.fixture
def replicas(system: Kubectl) -> Iterator[Replicas]:
    """Both are ready, before and after, and at first one of them leads."""
    replicas = Replicas(system)
    eventually(lambda: len(replicas.ready()) == 2, 60, "two replicas are ready")
    eventually(lambda: replicas.holder() in replicas.ready(), 60, "one of them leads")
    yield replicas
    system.run("rollout", "status", "deployment", NAME, "--timeout=90s")
    eventually(lambda: len(replicas.ready()) == 2, 90, "two replicas are ready again")


def another_leads(replicas: Replicas, before: Object) -> Object:
    """The Lease, once another process holds it."""
    lease = replicas.lease()
    taken = lease["holderIdentity"] not in {"", before["holderIdentity"]}
    return lease if taken else {}


def run_once(kubectl: Kubectl, node: Node, folder: str, names: list[str]) -> None:
    """All tasks have succeeded, and each has run one time."""
    for name in names:
        assert kubectl.finished(name, within=LEASE_SECONDS + 60)["status"]["phase"] == "Succeeded"
    assert sorted(node.sh(f"cat {folder}/ran").split()) == sorted(names)
    assert len(kubectl.list("pods")) == len(names)


def add(kubectl: Kubectl, node: Node, folder: str, names: list[str]) -> None:
    kubectl.apply(*(shell(name, f"echo {name} >>{folder}/ran; sleep 3", nodeName=node.name) for name in names))


def started(kubectl: Kubectl, name: str) -> bool:
    return "startTime" in kubectl.get("reapertask", name).get("status", {})


def untouched(task: Object) -> float:
    """Seconds from a task's creation until an operator took it up."""
    created, taken = task["metadata"]["creationTimestamp"], task["status"]["activeSince"]
    return (datetime.fromisoformat(taken) - datetime.fromisoformat(created)).total_seconds()


def test_one_leads_and_both_are_ready(replicas: Replicas) -> None:
    names = replicas.ready()
    leader = replicas.leader()["metadata"]["name"]

    status = {name: f'leader_election_master_status{{name="{NAME}"}} 1.0' in replicas.metrics(name) for name in names}

    assert status == {name: name == leader for name in names}
    assert replicas.lease()["leaseDurationSeconds"] == LEASE_SECONDS


def test_replicas_are_on_nodes_of_their_own_where_there_are_several(system: Kubectl, replicas: Replicas) -> None:
    workers = [node for node in system.list("nodes") if not node["spec"].get("taints")]
    on = {pod["spec"]["nodeName"] for pod in replicas.pods()}

    assert len(on) == min(2, len(workers))


def test_the_metrics_tell_of_tasks(kubectl: Kubectl, replicas: Replicas) -> None:
    def count(series: str) -> float:
        lines = replicas.metrics(replicas.leader()["metadata"]["name"]).splitlines()
        return sum(float(line.split()[1]) for line in lines if line.startswith(f"{series} "))

    series = ("reaper_task_attempts_total", 'reaper_tasks_finished_total{phase="Failed"}')
    before = [count(each) for each in series]
    kubectl.apply(shell("counted", "exit 3"))
    kubectl.finished("counted")

    assert [count(each) for each in series] == [number + 1 for number in before]
    assert count("reaper_task_start_duration_seconds_count") >= 1
    assert "counted" not in replicas.metrics(replicas.leader()["metadata"]["name"])


def test_the_leader_is_killed(replicas: Replicas, kubectl: Kubectl, node: Node, folder: str) -> None:
    names = [f"task-{number}" for number in range(12)]
    before = replicas.lease()
    where, pid = process_of(replicas.leader())
    add(kubectl, node, folder, names[:6])

    where.sh(f"kill -9 {pid}")
    killed = time.monotonic()
    add(kubectl, node, folder, names[6:])

    lease = eventually(lambda: another_leads(replicas, before), LEASE_SECONDS + SLACK, "another process leads")
    print(f"from kill -9 to another holder of the Lease: {time.monotonic() - killed:.1f} s")
    assert lease["leaseTransitions"] == before["leaseTransitions"] + 1
    run_once(kubectl, node, folder, names)


def test_the_leader_is_stopped_for_30_seconds(
    system: Kubectl, replicas: Replicas, kubectl: Kubectl, node: Node, folder: str
) -> None:
    names = [f"task-{number}" for number in range(12)]
    before, pod = replicas.lease(), replicas.leader()
    name = pod["metadata"]["name"]
    restarts = replicas.restarts(name)
    where, pid = process_of(pod)
    add(kubectl, node, folder, names[:6])

    where.sh(f"kill -STOP {pid}")
    try:
        add(kubectl, node, folder, names[6:])
        time.sleep(30)
        during = replicas.lease()
    finally:
        where.sh(f"kill -CONT {pid}")

    assert during["holderIdentity"] not in {"", before["holderIdentity"]}
    run_once(kubectl, node, folder, names)
    eventually(lambda: replicas.restarts(name) == restarts + 1, SLACK, "the process that was stopped has ended")
    ended = system.get("pod", name)["status"]["containerStatuses"][0]["lastState"]["terminated"]
    assert ended["exitCode"] == 1
    last_words = system.logs(name, "--previous").splitlines()[-1]
    # Which it learns first: that its own time is over, or from its last request, that another leads.
    causes = ("not renewed for 10 s: ", f"taken over by {during['holderIdentity']}")
    assert any(f"leading no more, so this process ends: {cause}" in last_words for cause in causes), last_words
    assert replicas.lease()["holderIdentity"] == during["holderIdentity"]


def kill_api_server(system: Kubectl) -> None:
    """kubelet starts it again."""
    docker = shutil.which("docker")
    assert docker, "docker is missing: run `make cluster`"
    (plane,) = system.list("nodes", "-l", "node-role.kubernetes.io/control-plane")
    script = "kill -9 $(pidof kube-apiserver)"
    subprocess.run([docker, "exec", plane["metadata"]["name"], "sh", "-c", script], check=True, timeout=60)


def test_the_api_server_is_killed(
    system: Kubectl, replicas: Replicas, kubectl: Kubectl, node: Node, folder: str
) -> None:
    """Tasks that run go on, and nothing is lost or done twice; whoever leads then."""
    names = [f"task-{number}" for number in range(12)]
    add(kubectl, node, folder, names[:6])

    kill_api_server(system)

    eventually(lambda: system.run("get", "--raw", "/readyz", check=False).out == "ok", 90, "it answers again")
    add(kubectl, node, folder, names[6:])
    run_once(kubectl, node, folder, names)
    for pod in replicas.pods():
        assert "Traceback" not in system.logs(pod["metadata"]["name"])


def test_an_update_hands_over(system: Kubectl, replicas: Replicas, kubectl: Kubectl, node: Node, folder: str) -> None:
    """While both replicas are replaced, tasks go on being started: the Lease is released, not waited for."""
    before = replicas.lease()
    system.run("rollout", "restart", "deployment", NAME)
    names: list[str] = []
    deadline = time.monotonic() + 90
    while system.run("rollout", "status", "deployment", NAME, "--watch=false").out.startswith("Waiting"):
        assert time.monotonic() < deadline
        names.append(f"task-{len(names)}")
        add(kubectl, node, folder, names[-1:])
        eventually(lambda: started(kubectl, names[-1]), 60, f"{names[-1]} has started")

    slowest = max(map(untouched, kubectl.list("reapertasks")))
    print(
        f"slowest of {len(names)} tasks from their creation until they were taken up, during an update: {slowest:.1f} s"
    )
    assert slowest < LEASE_SECONDS
    run_once(kubectl, node, folder, names)
    assert replicas.lease()["leaseTransitions"] > before["leaseTransitions"]


def test_a_drain_takes_one_replica_at_a_time(replicas: Replicas) -> None:
    first, second = replicas.ready()

    done, refused = replicas.evict(first), replicas.evict(second)

    assert done.code == 0, done.err
    assert refused.code != 0
    assert "disruption budget" in refused.err


def test_a_lease_that_somebody_deletes_is_made_anew_by_its_holder(system: Kubectl, replicas: Replicas) -> None:
    before = replicas.lease()

    system.run("delete", "lease", NAME)

    made = eventually(lambda: system.find("lease", NAME), SLACK, "there is a Lease again")
    assert made["spec"]["holderIdentity"] == before["holderIdentity"]
