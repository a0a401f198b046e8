"""The Cluster behind kubectl: whatever kubectl reaches, this reaches, with the same configuration and credentials."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import urlencode

from reaper_cli import errors
from reaper_cli.beside import Beside
from reaper_cli.cluster import TASKS, Body, Change, Resource, Selection
from reaper_cli.listing import Listing

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

    from reaper_cli.target import Target

PROGRAM = "kubectl"
MANAGER = "kubectl-reaper"  # the field manager of what is created here
_PAGE = 500  # objects in one answer of a list
_WATCH_SECONDS = 300  # one watch request; another follows it
_PATIENCE = 60.0  # seconds without an API server until a watch gives up
_ACCOUNT_NAMESPACE = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"
_SERVER = re.compile(r"Error from server(?: \((?P<reason>\w+)\))?: (?P<message>.*)", re.DOTALL)
_INVALID = re.compile(r'The (?P<kind>[\w.]+) "(?P<name>.*?)" is invalid: (?P<message>.*)', re.DOTALL)
_DOCTOR = "kubectl reaper doctor"
_NO_RESOURCE = "the server could not find the requested resource"
_REASONS = {
    "NotFound": errors.NotFound,
    "AlreadyExists": errors.AlreadyExists,
    "Conflict": errors.Conflict,
    "Forbidden": errors.Forbidden,
    "Invalid": errors.Invalid,
    "BadRequest": errors.Invalid,
    **dict.fromkeys(("InternalError", "ServerTimeout", "ServiceUnavailable", "Timeout"), errors.Unreachable),
}


Words = list[str]
Bodies = list[Body]


class Kubectl:
    """Implements reaper_cli.cluster.Cluster."""

    def __init__(
        self,
        target: Target,
        environment: Mapping[str, str],
        program: str = PROGRAM,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._command = [program, *target.words()]
        self._environment = environment
        self._namespace = target.namespace
        self._sleep = sleep

    @property
    def namespace(self) -> str:
        if not self._namespace:
            self._namespace = self._namespace_of_context()
        return self._namespace

    def _namespace_of_context(self) -> str:
        done = self._run(["config", "view", "--minify", "-o", "jsonpath={..namespace}"])
        if done.returncode == 0:
            return done.stdout.strip() or "default"
        if "current-context" not in done.stderr or "KUBERNETES_SERVICE_HOST" not in self._environment:
            if "must exist" in done.stderr:  # no kubeconfig at all: the first real call says it better
                return "default"
            raise problem(done.stderr)
        return self._environment.get("POD_NAMESPACE") or _read(_ACCOUNT_NAMESPACE) or "default"

    def get(self, resource: Resource, name: str, namespace: str = "") -> Body:
        return self._answer(resource, ["get", "--raw", resource.path(self._place(resource, namespace), name)])

    def list(self, resource: Resource, selection: Selection) -> Bodies:
        return self._list(resource, selection)[0]

    def _list(self, resource: Resource, selection: Selection) -> tuple[Bodies, str]:
        items: Bodies = []
        token = ""
        while True:
            path = _url(resource, selection, limit=_PAGE, **({"continue": token} if token else {}))
            page = self._answer(resource, ["get", "--raw", path])
            items += page["items"] or ()
            token = page["metadata"].get("continue") or ""
            if not token:
                return items, page["metadata"]["resourceVersion"]

    def watch(self, resource: Resource, selection: Selection, tick: float) -> Generator[Change | None]:
        listing = Listing()
        begun, silent = False, 0.0
        while True:
            try:
                items, version = self._list(resource, selection)
                begun, silent = True, 0.0
                yield from listing.replace(items)
                while version:
                    path = _url(resource, selection, watch="1", resourceVersion=version, timeoutSeconds=_WATCH_SECONDS)
                    version = yield from self._stream(resource, path, listing, version, tick)
            except errors.Unreachable:
                # An API server restarts, a laptop sleeps: whoever waits for hours does not want to hear of it.
                if not begun or silent >= _PATIENCE:
                    raise
                silent += tick
                self._sleep(tick)
                yield None

    def _stream(
        self, resource: Resource, path: str, listing: Listing, version: str, tick: float
    ) -> Generator[Change | None, None, str]:
        """One watch request; the version to go on from, empty if the server has forgotten it."""
        request = Beside([*self._command, "get", "--raw", path])
        try:
            for line in request.lines(tick):
                if line is None:
                    yield None
                    continue
                event = json.loads(line)
                if event["type"] == "ERROR":
                    return ""
                version = event["object"]["metadata"]["resourceVersion"]
                yield from listing.take(Change(event["type"], event["object"]))
        finally:
            code = request.close()
        if code != 0:
            raise problem(request.complaint, resource)
        return version

    def create(self, resource: Resource, body: Body, *, dry_run: bool = False) -> Body:
        query = {"fieldManager": MANAGER, "fieldValidation": "Strict", **({"dryRun": "All"} if dry_run else {})}
        path = resource.path(self._place(resource, body["metadata"].get("namespace") or ""))
        return self._answer(resource, ["create", "--raw", f"{path}?{urlencode(query)}", "-f", "-"], body)

    def patch(self, resource: Resource, name: str, change: Body, *, dry_run: bool = False) -> Body:
        kind = ".".join([resource.plural, *_group(resource)])
        words = ["patch", kind, name, f"--namespace={self.namespace}", "--type=merge", f"--patch={json.dumps(change)}"]
        words += ["--dry-run=server"] if dry_run else []
        return self._answer(resource, [*words, f"--field-manager={MANAGER}", "-o", "json"])

    def delete(self, resource: Resource, name: str, *, uid: str, dry_run: bool = False) -> None:
        options: Body = {"preconditions": {"uid": uid}, "propagationPolicy": "Background"}
        options |= {"dryRun": ["All"]} if dry_run else {}
        path = resource.path(self._place(resource, ""), name)
        self._answer(resource, ["delete", "--raw", path, "-f", "-"], options)

    def ask(self, path: str) -> Body:
        return self._answer(None, ["get", "--raw", path])

    def post(self, path: str, body: Body) -> Body:
        return self._answer(None, ["create", "--raw", path, "-f", "-"], body)

    def call(self, *words: str, quiet: bool = False) -> int:
        sink = subprocess.DEVNULL if quiet else None
        try:
            return subprocess.run([*self._command, *words], stdout=sink, stderr=sink, check=False).returncode
        except FileNotFoundError:
            raise errors.NoKubectl(self._command[0]) from None

    def lines(self, *words: str) -> Beside:
        return Beside([*self._command, *words])

    def hand_over(self, *words: str) -> NoReturn:
        sys.stdout.flush()
        sys.stderr.flush()
        try:
            os.execvp(self._command[0], [*self._command, *words])
        except FileNotFoundError:
            raise errors.NoKubectl(self._command[0]) from None

    def _place(self, resource: Resource, namespace: str) -> str:
        return (namespace or self.namespace) if resource.namespaced else ""

    def _answer(self, resource: Resource | None, words: Words, body: Body | None = None) -> Body:
        done = self._run(words, "" if body is None else json.dumps(body))
        if done.returncode != 0:
            raise problem(done.stderr, resource)
        try:
            answer = json.loads(done.stdout)
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise errors.ClusterError(f"the answer is not an object of Kubernetes: {done.stdout[:80]!r}")
        return answer

    def _run(self, words: Words, stdin: str = "") -> subprocess.CompletedProcess[str]:
        try:
            return subprocess.run(
                [*self._command, *words], input=stdin, capture_output=True, encoding="utf-8", check=False
            )
        except FileNotFoundError:
            raise errors.NoKubectl(self._command[0]) from None


def problem(complaint: str, resource: Resource | None = None) -> errors.Problem:
    """What kubectl's standard error says, as one of our errors."""
    text = complaint.strip()
    found, invalid = _SERVER.search(text), _INVALID.search(text)
    if invalid is not None:
        return errors.Invalid(f"{invalid['kind']} {invalid['name']}: {invalid['message'].strip()}")
    if found is None:
        return errors.Unreachable(_last_sentence(text), _DOCTOR)
    message = found["message"].strip()
    if resource is TASKS and found["reason"] == "NotFound" and message == _NO_RESOURCE:
        return errors.NoReaper()
    kind = _REASONS.get(found["reason"] or "", errors.ClusterError)
    return kind(message, _DOCTOR if kind in (errors.Forbidden, errors.Unreachable) else "")


def _last_sentence(text: str) -> str:
    """kubectl logs its retries before it says what is wrong."""
    lines = [line for line in text.splitlines() if line and not re.match(r"[EWI]\d{4} ", line)]
    return (lines[-1] if lines else text or "kubectl failed without a word").removeprefix("error: ")


def _url(resource: Resource, selection: Selection, **query: Any) -> str:
    fields = [selection.fields] if selection.fields else []
    fields += [f"metadata.name={selection.name}"] if selection.name else []
    selectors = {"labelSelector": selection.labels, "fieldSelector": ",".join(fields)}
    words = urlencode({**{key: value for key, value in selectors.items() if value}, **query})
    return f"{resource.path(selection.namespace)}?{words}"


def _group(resource: Resource) -> list[str]:
    parts = resource.prefix.split("/")
    return [parts[2]] if parts[1] == "apis" else []


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError:
        return ""
