"""The cluster as the commands see it: a port. `kubectl.py` is its one implementation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn, Protocol

from reaper_api.vocabulary import GROUP, PLURAL, VERSION

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

Body = dict[str, Any]


class Resource(NamedTuple):
    """A kind of object, by the beginning of its path in the API."""

    prefix: str
    plural: str
    namespaced: bool = True

    def path(self, namespace: str, name: str = "") -> str:
        """Of one object; without a name, of all in a namespace; without a namespace, of all."""
        place = f"/namespaces/{namespace}" if self.namespaced and namespace else ""
        return f"{self.prefix}{place}/{self.plural}" + (f"/{name}" if name else "")


TASKS = Resource(f"/apis/{GROUP}/{VERSION}", PLURAL)
PODS = Resource("/api/v1", "pods")
EVENTS = Resource("/api/v1", "events")
NODES = Resource("/api/v1", "nodes", namespaced=False)
NAMESPACES = Resource("/api/v1", "namespaces", namespaced=False)
DEPLOYMENTS = Resource("/apis/apps/v1", "deployments")
DAEMON_SETS = Resource("/apis/apps/v1", "daemonsets")
LEASES = Resource("/apis/coordination.k8s.io/v1", "leases")
RUNTIME_CLASSES = Resource("/apis/node.k8s.io/v1", "runtimeclasses", namespaced=False)
CRDS = Resource("/apis/apiextensions.k8s.io/v1", "customresourcedefinitions", namespaced=False)
POLICIES = Resource("/apis/admissionregistration.k8s.io/v1", "validatingadmissionpolicies", namespaced=False)
BINDINGS = Resource("/apis/admissionregistration.k8s.io/v1", "validatingadmissionpolicybindings", namespaced=False)
WEBHOOKS = Resource("/apis/admissionregistration.k8s.io/v1", "validatingwebhookconfigurations", namespaced=False)
POD_METRICS = Resource("/apis/metrics.k8s.io/v1beta1", "pods")


class Selection(NamedTuple):
    """Which objects of a kind: of a namespace ("" is all of them), by name, labels and fields."""

    namespace: str
    name: str = ""
    labels: str = ""
    fields: str = ""


class Change(NamedTuple):
    """What happened to an object: ADDED (also: was there at the beginning), MODIFIED or DELETED."""

    type: str
    body: Body


class Lines(Protocol):
    """The output of a kubectl that runs beside us, line by line."""

    def __iter__(self) -> Iterator[str]:
        """Lines without their ends, until the program ends."""

    def close(self) -> int:
        """End the program if it still runs; its exit code."""

    @property
    def complaint(self) -> str:
        """What it wrote to standard error; complete once it has ended."""


class Cluster(Protocol):
    """Calls raise a Problem: a ClusterError with the API server's words, Unreachable, NoReaper, NoKubectl."""

    @property
    def namespace(self) -> str:
        """The namespace of -n, else of the context."""

    def get(self, resource: Resource, name: str, namespace: str = "") -> Body:
        """One object; NotFound if it is not there. Without a namespace, in that of the context."""

    def list(self, resource: Resource, selection: Selection) -> list[Body]:
        """All that the selection names."""

    def watch(self, resource: Resource, selection: Selection, tick: float) -> Generator[Change | None]:
        """What is there, then what changes, without an end; None when `tick` seconds brought nothing."""

    def create(self, resource: Resource, body: Body, *, dry_run: bool = False) -> Body:
        """Create an object in the namespace that it names, else in that of the context. Unknown fields are errors."""

    def patch(self, resource: Resource, name: str, change: Body, *, dry_run: bool = False) -> Body:
        """Merge a change into an object."""

    def delete(self, resource: Resource, name: str, *, uid: str, dry_run: bool = False) -> None:
        """Begin to delete exactly this object. Conflict if the name belongs to another one by now."""

    def ask(self, path: str) -> Body:
        """GET a path of the API."""

    def post(self, path: str, body: Body) -> Body:
        """POST to a path of the API: a review, which leaves nothing behind."""

    def call(self, *words: str, quiet: bool = False) -> int:
        """Run kubectl on this terminal to its end; its exit code. With quiet, what it prints is thrown away."""

    def lines(self, *words: str) -> Lines:
        """Run kubectl beside this program and read what it prints."""

    def hand_over(self, *words: str) -> NoReturn:
        """Become kubectl."""
