"""Manifests as people have them, in tests/data/manifests: the Pod of each, and the task that `kubectl reaper convert`
makes of it, are given the same arguments, environment, user, directory and volumes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
import yaml

import probe
from kubectl import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kubectl import Kubectl, Node, Object
    from plugin import Reaper

pytestmark = pytest.mark.timeout(300)

MANIFESTS = sorted((ROOT / "tests" / "data" / "manifests").glob("*.yaml"))
ENOUGH = 40  # tasks
AT_ONCE, SECONDS = 10, 60
Told = tuple[str, list[str]]  # a phase and an output


def bodies(text: str) -> Iterator[Object]:
    """The objects of a file, those in Lists too."""
    for document in yaml.safe_load_all(text):
        yield from document["items"] if (document or {}).get("kind", "").endswith("List") else filter(None, [document])


def _name(body: Object) -> str:
    return str(body["metadata"].get("name") or body["metadata"].get("generateName"))


def conversions(reaper: Reaper, *, namespace: str, node: str) -> dict[str, tuple[Object, Object]]:
    """By the name of each task: what it was, and the task; in this namespace. `node`: for what has to have one."""
    found = {}
    for path in MANIFESTS:
        text = re.sub(r"\bnamespace: [a-z0-9-]+", f"namespace: {namespace}", path.read_text())
        place = ["--node", node] if path.name.startswith("daemonset") else []
        converted = reaper.types("convert", "-", "--report", "none", *place, stdin=text, code=None).out
        by_name = {_name(body): body for body in bodies(text) if probe.makes_a_pod(body)}
        for task in bodies(converted):
            if task["kind"] == "ReaperTask":
                name = _name(task).rstrip("-")
                assert name not in found
                found[name] = (by_name[_name(task)], task)
    return found


def test_each_is_given_what_it_was_given_as_a_pod(
    reaper: Reaper, kubectl: Kubectl, elsewhere: Kubectl, node: Node
) -> None:
    pairs = conversions(reaper, namespace=kubectl.namespace, node=node.name)
    assert len(pairs) >= ENOUGH
    for name, (_, task) in pairs.items():
        task["metadata"]["name"] = name
    for side in (kubectl, elsewhere):
        side.apply(*probe.needed(task for _, task in pairs.values()))
    paths = sorted({path for _, task in pairs.values() for path in probe.host_paths(task)})
    node.sh(f"mkdir -p {' '.join(paths)}")

    as_pods: dict[str, Told] = {}
    as_tasks: dict[str, Told] = {}
    for names in _few(sorted(pairs)):
        elsewhere.apply(*(probe.pod(*pairs[name]) for name in names))
        as_pods |= {name: _told(elsewhere, name, elsewhere.ended(name, SECONDS)) for name in names}
        kubectl.apply(*(probe.probed(pairs[name][1]) for name in names))
        as_tasks |= {name: _told(kubectl, name, kubectl.finished(name, SECONDS)) for name in names}
    differ = {name: (as_pods[name], told) for name, told in as_tasks.items() if told != as_pods[name]}
    assert differ == {}
    assert {phase for phase, _ in as_tasks.values()} == {"Succeeded"}


def _few(names: list[str]) -> Iterator[list[str]]:
    return (names[begin : begin + AT_ONCE] for begin in range(0, len(names), AT_ONCE))


def _told(kubectl: Kubectl, name: str, ended: Object) -> Told:
    """The phase, and what the probe has printed."""
    output = kubectl.logs(name).replace(kubectl.namespace, "NAMESPACE").splitlines()
    return ended["status"]["phase"], output
