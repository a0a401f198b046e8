"""Twenty tasks at once: each runs exactly once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from manifests import shell
from waiting import eventually

if TYPE_CHECKING:
    from kubectl import Kubectl, Node

COUNT = 20


def test_each_of_many_tasks_runs_exactly_once(kubectl: Kubectl, node: Node) -> None:
    folder = f"/run/{kubectl.namespace}"  # shared with the node, where /tmp is the overlay's
    node.sh(f"mkdir {folder}")
    try:
        names = [f"task-{number}" for number in range(COUNT)]
        kubectl.apply(*(shell(name, f"echo ran >>{folder}/{name}; exit 7", nodeName=node.name) for name in names))

        def finished() -> bool:
            tasks = kubectl.list("reapertasks")
            return [t.get("status", {}).get("phase") for t in tasks] == ["Failed"] * COUNT

        eventually(finished, 120, f"all {COUNT} tasks are over")

        tasks = kubectl.list("reapertasks")
        pods = kubectl.list("pods")
        assert [t["status"]["exitCode"] for t in tasks] == [7] * COUNT
        assert sorted(pod["metadata"]["name"] for pod in pods) == sorted(names)
        owners = {pod["metadata"]["ownerReferences"][0]["uid"] for pod in pods}
        assert owners == {t["metadata"]["uid"] for t in tasks}
        assert node.sh(f"cat {folder}/*").split() == ["ran"] * COUNT
        assert node.sh(f"ls {folder} | wc -l").strip() == str(COUNT)
    finally:
        node.sh(f"rm -rf {folder}")
