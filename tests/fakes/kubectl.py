"""A cluster as the plugin sees it, in memory: objects, watches that a script moves on, a kubectl that is only noted."""

from __future__ import annotations

import itertools
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NoReturn

from click.testing import CliRunner, Result

from reaper_api.vocabulary import API_VERSION, KIND, LABEL_ATTEMPT, LABEL_TASK, LABEL_TASK_UID
from reaper_cli.cluster import NODES, PODS, TASKS, Body, Change, Resource, Selection
from reaper_cli.errors import AlreadyExists, Conflict, NotFound, Problem
from reaper_cli.main import plugin
from reaper_cli.session import Screen, Session
from reaper_cli.target import Target

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

START = datetime(2026, 11, 25, 12, 0, 0, tzinfo=UTC)
_ENOUGH = 2000  # ticks after which a watch that nothing ends is a mistake of the test


class FakeTime:
    """Implements reaper_cli.session.Clock; each tick of a watch moves it on."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> datetime:
        return START + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds


class HandedOver(SystemExit):
    """Where the real one becomes kubectl."""


class FakeLines:
    """Implements reaper_cli.cluster.Lines."""

    def __init__(self, lines: list[str], complaint: str = "", code: int = 0) -> None:
        self._lines = lines
        self.complaint = complaint
        self._code = code

    def __iter__(self) -> Iterator[str]:
        return iter(self._lines)

    def close(self) -> int:
        return self._code


class FakeCluster:
    """Implements reaper_cli.cluster.Cluster."""

    def __init__(self, namespace: str = "default") -> None:
        self.namespace = namespace
        self.time = FakeTime()
        self.objects: dict[tuple[str, str, str], Body] = {}
        self.script: list[Callable[[], None]] = []
        """What happens while somebody watches: one step each tick."""
        self.handed_over: list[str] | None = None
        self.called: list[tuple[str, ...]] = []
        self.call_codes: dict[str, int] = {}
        """Exit codes of `call`, by kubectl's verb."""
        self.on_call: Callable[[tuple[str, ...]], None] = lambda _: None
        self.output: dict[str, list[str]] = {}
        """What `kubectl logs` prints, by Pod."""
        self.answers: dict[str, Body] = {"/version": {"gitVersion": "v1.36.3", "major": "1", "minor": "36"}}
        self.denied: set[tuple[str, str]] = set()
        """Verb and resource that SelfSubjectAccessReviews deny."""
        self.faults: dict[str, Problem] = {}  # by resource, or by "delete" and resource
        """Errors of list and get, by plural."""
        self.patches: list[tuple[str, Body]] = []
        self.pruned: set[str] = set()
        """Fields of a spec that the CRD does not have."""
        self.aimed = Target()
        self._numbers = itertools.count(1)

    # The port

    def get(self, resource: Resource, name: str, namespace: str = "") -> Body:
        self._fault(resource)
        place = (namespace or self.namespace) if resource.namespaced else ""
        found = self.objects.get((resource.plural, place, name))
        if found is None:
            raise NotFound(f'{resource.plural} "{name}" not found')
        return deepcopy(found)

    def list(self, resource: Resource, selection: Selection) -> list[Body]:
        self._fault(resource)
        return [deepcopy(body) for body in self._selected(resource, selection)]

    def watch(self, resource: Resource, selection: Selection, tick: float) -> Generator[Change | None]:
        self._fault(resource)
        known: dict[str, Body] = {}
        for _ in range(_ENOUGH):
            yield from self._changes(known, resource, selection)
            self.time.seconds += tick
            if self.script:
                self.script.pop(0)()
            else:
                yield None
        raise AssertionError("the watch was never left")

    def create(self, resource: Resource, body: Body, *, dry_run: bool = False) -> Body:
        body = deepcopy(body)
        metadata = body["metadata"]
        if "name" not in metadata:
            metadata["name"] = f"{metadata['generateName']}x{next(self._numbers)}"
        place = metadata.setdefault("namespace", self.namespace)
        if (resource.plural, place, metadata["name"]) in self.objects:
            raise AlreadyExists(f'{resource.plural} "{metadata["name"]}" already exists')
        if dry_run:
            metadata["uid"] = "dry"
            return body
        return deepcopy(self.put(resource, body))

    def patch(self, resource: Resource, name: str, change: Body, *, dry_run: bool = False) -> Body:
        body = self.get(resource, name)
        if not dry_run:
            self.patches.append((name, change))
            body = self.objects[resource.plural, self.namespace, name]
            self._touch(body)
        taken = {key: value for key, value in change.get("spec", {}).items() if key not in self.pruned}
        _merge(body, {**change, "spec": taken})
        return deepcopy(body)

    def delete(self, resource: Resource, name: str, *, uid: str, dry_run: bool = False) -> None:
        body = self.get(resource, name)
        if f"delete {resource.plural}" in self.faults:
            raise self.faults[f"delete {resource.plural}"]
        if body["metadata"]["uid"] != uid:
            raise Conflict("the UID in the precondition does not match")
        if not dry_run:
            del self.objects[resource.plural, self.namespace, name]

    def ask(self, path: str) -> Body:
        found = self.answers.get(path)
        if found is None:
            raise NotFound("the server could not find the requested resource")
        return found

    def post(self, path: str, body: Body) -> Body:
        wish = body["spec"]["resourceAttributes"]
        resource = "/".join(filter(None, (wish["resource"], wish["subresource"])))
        return {**body, "status": {"allowed": (wish["verb"], resource) not in self.denied}}

    def call(self, *words: str, quiet: bool = False) -> int:
        self.called.append(words)
        self.on_call(words)
        return self.call_codes.get(words[0], 0)

    def lines(self, *words: str) -> FakeLines:
        self.called.append(words)
        return FakeLines(self.output.get(words[1], []))

    def hand_over(self, *words: str) -> NoReturn:
        self.handed_over = list(words)
        raise HandedOver(0)

    # What a test does

    def put(self, resource: Resource, body: Body) -> Body:
        """Have an object there."""
        metadata = body["metadata"]
        metadata.setdefault("uid", f"uid-{next(self._numbers)}")
        metadata.setdefault("creationTimestamp", _time(self.time.now()))
        self._touch(body)
        place = metadata.get("namespace", "") if resource.namespaced else ""
        self.objects[resource.plural, place, metadata["name"]] = body
        return body

    def add_task(self, name: str = "hello", namespace: str = "default", **status: Any) -> Body:
        """A task, with a status if there is one."""
        spec = status.pop("spec", {})
        metadata: Body = {"name": name, "namespace": namespace, **status.pop("metadata", {})}
        body: Body = {
            "apiVersion": API_VERSION,
            "kind": KIND,
            "metadata": metadata,
            "spec": {"command": ["/bin/true"], **spec},
        }
        if status:
            body["status"] = status
        return self.put(TASKS, body)

    def add_pod(self, task: Body, attempt: int = 1, **status: Any) -> Body:
        """A Pod of a task."""
        name = task["metadata"]["name"] + ("" if attempt == 1 else f"-{attempt}")
        labels = {
            LABEL_TASK: task["metadata"]["name"],
            LABEL_TASK_UID: task["metadata"]["uid"],
            LABEL_ATTEMPT: str(attempt),
        }
        metadata = {"name": name, "namespace": task["metadata"]["namespace"], "labels": labels}
        return self.put(
            PODS, {"kind": "Pod", "metadata": metadata, "spec": {}, "status": {"phase": "Running", **status}}
        )

    def add_node(self, name: str, *, ready: bool = True, **metadata: Any) -> Body:
        """A node."""
        condition = {"type": "Ready", "status": "True" if ready else "False"}
        body: Body = {"metadata": {"name": name, **metadata}, "spec": {}, "status": {"conditions": [condition]}}
        return self.put(NODES, body)

    def becomes(self, task: Body, **status: Any) -> Callable[[], None]:
        """A step of the script: the task's status becomes this."""

        def step() -> None:
            body = self.objects["reapertasks", task["metadata"]["namespace"], task["metadata"]["name"]]
            body["status"] = status
            self._touch(body)

        return step

    def session(self, *, live: bool = False, typing: bool = False) -> Session:
        """Surroundings with this cluster in them."""

        def connect(target: Target) -> FakeCluster:
            self.aimed = target
            self.namespace = target.namespace or self.namespace
            return self

        return Session(connect, self.time, Screen(live, typing, 100, 30))

    def run(self, *words: str, stdin: str | None = None, colour: bool = False, live: bool = False) -> Result:
        """kubectl reaper with these words."""
        return CliRunner().invoke(plugin, list(words), obj=self.session(live=live), input=stdin, color=colour)

    def _selected(self, resource: Resource, selection: Selection) -> Iterator[Body]:
        for (plural, namespace, name), body in list(self.objects.items()):
            if plural != resource.plural or (resource.namespaced and selection.namespace not in ("", namespace)):
                continue
            if selection.name in ("", name) and _matches(body, selection):
                yield body

    def _changes(self, known: dict[str, Body], resource: Resource, selection: Selection) -> Iterator[Change]:
        found = {body["metadata"]["uid"]: body for body in self._selected(resource, selection)}
        for uid in [uid for uid in known if uid not in found]:
            yield Change("DELETED", known.pop(uid))
        for uid, body in found.items():
            old = known.get(uid)
            if old is None or old["metadata"]["resourceVersion"] != body["metadata"]["resourceVersion"]:
                known[uid] = deepcopy(body)
                yield Change("MODIFIED" if old else "ADDED", deepcopy(body))

    def _touch(self, body: Body) -> None:
        body["metadata"]["resourceVersion"] = str(next(self._numbers))

    def _fault(self, resource: Resource) -> None:
        if resource.plural in self.faults:
            raise self.faults[resource.plural]


def _matches(body: Body, selection: Selection) -> bool:
    labels = body["metadata"].get("labels") or {}
    for term in filter(None, selection.labels.split(",")):
        key, equals, value = term.partition("=")
        if (equals and labels.get(key) != value) or (not equals and key not in labels):
            return False
    for term in filter(None, selection.fields.split(",")):
        path, _, value = term.partition("=")
        found: Any = body
        for part in path.split("."):
            found = (found or {}).get(part)
        if str(found) != value:
            return False
    return True


def _merge(body: Body, change: Body) -> None:
    for key, value in change.items():
        if isinstance(value, dict):
            _merge(body.setdefault(key, {}), value)
        else:
            body[key] = value


def _time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
