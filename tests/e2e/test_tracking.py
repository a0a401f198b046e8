"""Processes that leave their session, what containers use, and the limits of those that ask for them."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from manifests import container, long_sleep, pod
from waiting import eventually

if TYPE_CHECKING:
    from kubectl import Kubectl, Node

Object = dict[str, Any]

CGROUP = {"reaper.runtime/cgroup": "pod"}
EATEN = 48 << 20  # bytes
_EATS = 'my $x = "a" x ($ARGV[0] << 20); print "eaten\\n"; $| = 1; while ((times)[0] < $ARGV[1]) {} sleep 600'


def eats(megabytes: int, busy: int) -> tuple[str, ...]:
    """A program that takes megabytes, and computes for so many seconds of CPU time; then it sleeps."""
    return ("perl", "-e", _EATS, str(megabytes), str(busy))


def limited(name: str, limits: Object, *command: str) -> Object:
    manifest = pod(
        name, container("main", *command, resources={"limits": limits, "requests": {"cpu": "10m"}}),
        terminationGracePeriodSeconds=1,
    )  # fmt: skip
    manifest["metadata"]["annotations"] = CGROUP
    return manifest


def test_daemons_end_with_their_container_while_its_neighbour_runs(kubectl: Kubectl, node: Node) -> None:
    """A double fork and a session of its own; started by the container, and by an exec in it."""
    by_init, by_exec, neighbour = long_sleep(), long_sleep(), long_sleep()
    daemon = "(setsid sh -c 'setsid sleep {0} >/dev/null 2>&1 &' &)"
    waits = f"{daemon.format(by_init)}; while ! [ -e /tmp/go ]; do sleep 0.1; done; exit 3"
    two = (container("ends", "/bin/sh", "-c", waits), container("stays", "/bin/sleep", neighbour))
    kubectl.apply(pod("pair", *two, nodeName=node.name, terminationGracePeriodSeconds=1))
    kubectl.in_phase("pod", "pair", "Running")
    kubectl.execute("pair", "sh", "-c", daemon.format(by_exec), container="ends")
    eventually(lambda: node.processes(by_init) and node.processes(by_exec), 10, "both daemons run")

    kubectl.execute("pair", "touch", "/tmp/go", container="ends")

    def code() -> int | None:
        statuses = {each["name"]: each["state"] for each in kubectl.get("pod", "pair")["status"]["containerStatuses"]}
        return statuses["ends"].get("terminated", {}).get("exitCode")  # type: ignore[no-any-return]

    assert eventually(code, 20, "the container has ended") == 3
    assert node.processes(by_init) == []
    assert node.processes(by_exec) == []
    assert len(node.processes(neighbour)) == 1


def test_cpu_and_memory_of_containers_are_seen(kubectl: Kubectl, node: Node) -> None:
    """By kubelet's summary, and by the metrics that kubectl top is made of.

    Of a Pod as a whole kubelet knows what is in the cgroup that it made: the container that asks for that is there.
    """
    for name, asks in (("free", {}), ("counted", CGROUP)):
        manifest = pod(name, container("main", *eats(EATEN >> 20, 2)), nodeName=node.name)
        manifest["metadata"]["annotations"] = asks
        manifest["spec"]["terminationGracePeriodSeconds"] = 1
        kubectl.apply(manifest)
    base = f"/api/v1/nodes/{node.name}/proxy"

    def summary() -> list[Object]:
        pods: list[Object] = json.loads(kubectl.run("get", "--raw", f"{base}/stats/summary").out)["pods"]
        return [each for each in pods if each["podRef"]["namespace"] == kubectl.namespace]

    def of_pod(name: str) -> int:
        (found,) = (each for each in summary() if each["podRef"]["name"] == name)
        return int(found.get("memory", {}).get("workingSetBytes", 0))

    def used() -> dict[str, tuple[float, int]]:
        ours = summary()
        rows = {each["podRef"]["name"]: each["containers"][0] for each in ours if each.get("containers")}
        return {
            name: (row["cpu"].get("usageCoreNanoSeconds", 0) / 1e9, row["memory"].get("workingSetBytes", 0))
            for name, row in rows.items()
            if "cpu" in row and "memory" in row
        }

    def enough() -> bool:
        figures = used()
        return len(figures) == 2 and all(cpu > 1 and memory > EATEN for cpu, memory in figures.values())

    eventually(enough, 45, "the summary shows what both use")
    assert all(cpu < 60 and memory < 4 * EATEN for cpu, memory in used().values())
    eventually(lambda: of_pod("counted") > EATEN, 45, "the summary shows what the Pod uses")
    assert of_pod("counted") < 4 * EATEN
    assert of_pod("free") < EATEN
    metrics = kubectl.run("get", "--raw", f"{base}/metrics/resource").out
    where = f'container="main",namespace="{kubectl.namespace}",pod="free"'
    assert re.search(rf"^container_memory_working_set_bytes{{{where}}} [\d.e+]{{5,}}", metrics, re.MULTILINE)
    assert re.search(rf"^container_cpu_usage_seconds_total{{{where}}} [1-9]", metrics, re.MULTILINE)


def test_limits_apply_where_a_pod_asks_for_them(kubectl: Kubectl) -> None:
    quota = r"""
        cpu=$(sed -nE 's/^[0-9]+:(.*,)?cpu(,.*)?:(.*)/\3/p' /proc/self/cgroup)
        unified=$(sed -n 's/^0:://p' /proc/self/cgroup)
        if [ "$cpu" ]; then cat "/sys/fs/cgroup/cpu$cpu/cpu.cfs_quota_us"
        else cut -d' ' -f1 "/sys/fs/cgroup$unified/cpu.max"; fi
        timeout 2 sh -c 'while :; do :; done'; times
    """
    hungry = eats(256, 0)
    kubectl.apply(
        limited("hungry", {"memory": "64Mi"}, *hungry),
        limited("slow", {"cpu": "200m"}, "/bin/bash", "-c", quota),
        pod("free", container("main", *hungry, resources={"limits": {"memory": "64Mi"}})),
    )
    # The kernel's log says it at once; containerd's own reason must not come later than the end.
    (status,) = kubectl.ended("hungry")["status"]["containerStatuses"]
    assert (status["state"]["terminated"]["reason"], status["state"]["terminated"]["exitCode"]) == ("OOMKilled", 137)

    assert kubectl.ended("slow")["status"]["phase"] == "Succeeded"
    lines = kubectl.logs("slow").split()
    minutes, seconds = re.findall(r"(\d+)m([\d.]+)s", lines[-2])[0]  # user time of the children
    assert lines[0] == "20000"
    assert 60 * int(minutes) + float(seconds) < 1.2  # of 2 seconds; without a limit, nearly all of them

    kubectl.in_phase("pod", "free", "Running")  # no annotation, no limit
    eventually(lambda: "eaten" in kubectl.logs("free"), 20, "a Pod that does not ask takes what it wants")
    kubectl.run("delete", "pod", "free", "--grace-period=1", "--wait=false")
