"""The cluster behind kubectl: what it is asked, and what its answers mean. kubectl is a script here; the real one is in
tests/integration."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from reaper_cli import errors
from reaper_cli.cluster import CRDS, PODS, TASKS, Selection
from reaper_cli.kubectl import Kubectl, problem
from reaper_cli.target import Target


class Script:
    """A program that notes what it is asked and answers by what is in the words."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "kubectl"
        self.log = folder / "log"
        self.cases: list[str] = []

    def on(self, pattern: str, out: str = "", err: str = "", code: int = 0) -> None:
        number = len(self.cases)
        files = [self.path.parent / f"{number}.{kind}" for kind in ("out", "err")]
        for file, text in zip(files, (out, err), strict=True):
            file.write_text(text)
        self.cases.append(f"{pattern}) cat {files[0]}; cat {files[1]} >&2; exit {code};;")
        cases = "\n".join(self.cases)
        self.path.write_text(
            f'#!/bin/sh\nprintf "%s\\n" "$*" >> {self.log}\ncase "$*" in *" -f -") cat >> {self.log};; esac\n'
            f'case "$*" in\n{cases}\nesac\necho "nobody expected $*" >&2; exit 9\n'
        )
        self.path.chmod(0o755)

    @property
    def asked(self) -> list[str]:
        return self.log.read_text().splitlines()


@pytest.fixture
def script(tmp_path: Path) -> Script:
    return Script(tmp_path)


def kubectl(script: Script, environment: dict[str, str] | None = None, **target: Any) -> Kubectl:
    return Kubectl(Target(**target), environment or {}, str(script.path))


def listed(*names: str, version: str = "7", more: str = "") -> str:
    items = [{"metadata": {"name": name, "uid": name, "resourceVersion": "1"}} for name in names]
    return json.dumps({"metadata": {"resourceVersion": version, "continue": more}, "items": items})


def test_flags_of_the_target_go_first(script: Script) -> None:
    script.on("*", "{}")
    cluster = kubectl(
        script, namespace="ops", context="c", kubeconfig="k", as_user="jane", as_group=("a", "b"), request_timeout="3s"
    )
    cluster.get(TASKS, "hello")
    assert script.asked == [
        (
            "--namespace=ops --context=c --kubeconfig=k --as=jane --as-group=a --as-group=b --request-timeout=3s "
            "get --raw /apis/reaper.io/v1alpha1/namespaces/ops/reapertasks/hello"
        )
    ]


def test_what_is_not_in_a_namespace_is_asked_for_without_one(script: Script) -> None:
    script.on("*", "{}")
    kubectl(script).get(CRDS, "x")
    assert script.asked == ["get --raw /apis/apiextensions.k8s.io/v1/customresourcedefinitions/x"]


def test_a_list_is_read_page_by_page_with_its_selectors(script: Script) -> None:
    script.on("*continue=more*", listed("b"))
    script.on("*", listed("a", more="more"))
    found = kubectl(script).list(PODS, Selection("ops", name="x", labels="a in (b,c)", fields="status.phase=Running"))
    assert [body["metadata"]["name"] for body in found] == ["a", "b"]
    assert script.asked[0] == (
        "get --raw /api/v1/namespaces/ops/pods?labelSelector=a+in+%28b%2Cc%29&"
        "fieldSelector=status.phase%3DRunning%2Cmetadata.name%3Dx&limit=500"
    )


def test_a_list_of_all_namespaces(script: Script) -> None:
    script.on("*", listed())
    assert kubectl(script).list(PODS, Selection("")) == []
    assert script.asked == ["get --raw /api/v1/pods?limit=500"]


def event(kind: str, name: str, version: str) -> str:
    return (
        json.dumps({"type": kind, "object": {"metadata": {"name": name, "uid": name, "resourceVersion": version}}})
        + "\n"
    )


def seen(cluster: Kubectl, number: int) -> list[tuple[str, str] | None]:
    found: list[tuple[str, str] | None] = []
    with closing(cluster.watch(TASKS, Selection("d"), 5)) as changes:
        for change in changes:
            found.append(None if change is None else (change.type, change.body["metadata"]["name"]))
            if len(found) == number:
                return found
    raise AssertionError


def test_a_watch_begins_with_what_is_there_and_goes_on_where_the_last_request_ended(script: Script) -> None:
    script.on("*watch=1?resourceVersion=7?*", event("ADDED", "b", "8") + event("MODIFIED", "a", "9"))
    script.on("*watch=1?resourceVersion=9?*", event("BOOKMARK", "-", "11") + event("DELETED", "a", "12"))
    script.on("*", listed("a"))
    assert seen(kubectl(script), 4) == [("ADDED", "a"), ("ADDED", "b"), ("MODIFIED", "a"), ("DELETED", "a")]


def test_a_watch_whose_version_is_forgotten_lists_anew_and_tells_what_is_gone(script: Script, tmp_path: Path) -> None:
    script.on("*watch=1?resourceVersion=7?*", json.dumps({"type": "ERROR", "object": {"code": 410}}) + "\n")
    script.on("*watch=1?resourceVersion=8?*", event("ADDED", "c", "9"))
    flag = tmp_path / "second"
    first, second = tmp_path / "first.json", tmp_path / "second.json"
    first.write_text(listed("a", "b"))
    second.write_text(listed("b", version="8"))
    script.cases.append(f"*) if [ -e {flag} ]; then cat {second}; else cat {first}; : > {flag}; fi; exit 0;;")
    script.on("never", "")
    assert seen(kubectl(script), 4) == [("ADDED", "a"), ("ADDED", "b"), ("DELETED", "a"), ("ADDED", "c")]


def test_a_silent_watch_says_so_and_ends_its_kubectl(script: Script, tmp_path: Path) -> None:
    script.on("*limit*", listed("a"))
    pid = tmp_path / "pid"
    script.cases.append(f"*) echo $$ > {pid}; exec sleep 60;;")
    script.on("never", "")
    with closing(kubectl(script).watch(TASKS, Selection("d"), 0.01)) as changes:
        assert next(changes) is not None
        assert next(changes) is None
        while not pid.exists() or not pid.read_text():
            assert next(changes) is None
    assert not Path(f"/proc/{pid.read_text().strip()}").exists()


def test_a_watch_that_is_refused_is_the_servers_word(script: Script) -> None:
    script.on("*watch*", err="Error from server (Forbidden): you may not watch", code=1)
    script.on("*", listed())
    with pytest.raises(errors.Forbidden, match="you may not watch"):
        seen(kubectl(script), 1)


def test_a_watch_lives_through_an_api_server_that_is_away_for_a_while(script: Script, tmp_path: Path) -> None:
    script.on("*watch=1?resourceVersion=7?*", err="The connection to the server h was refused", code=1)
    script.on("*watch=1?resourceVersion=9?*", event("ADDED", "b", "10"))
    count = tmp_path / "count"
    files = [tmp_path / f"list{number}" for number in range(3)]
    for file, text in zip(files, (listed("a"), "", listed("a", version="9")), strict=True):
        file.write_text(text)
    script.cases.append(
        f"*) echo x >> {count}; case $(wc -l < {count}) in 1) cat {files[0]};; 2) echo refused >&2; exit 1;; "
        f"*) cat {files[2]};; esac; exit 0;;"
    )
    script.on("never", "")
    slept: list[float] = []
    cluster = Kubectl(Target(namespace="d"), {}, str(script.path), slept.append)
    assert seen(cluster, 4) == [("ADDED", "a"), None, None, ("ADDED", "b")]
    assert slept == [5, 5]


def test_a_watch_gives_up_in_the_end(script: Script, tmp_path: Path) -> None:
    once = tmp_path / "once"
    (tmp_path / "list").write_text(listed("a"))
    script.cases.append(f"*limit*) if [ ! -e {once} ]; then : > {once}; cat {tmp_path / 'list'}; exit 0; fi;;")
    script.on("never", "")
    script.path.write_text(script.path.read_text().replace("nobody expected $*", "Unable to connect to the server"))
    slept: list[float] = []
    with pytest.raises(errors.Unreachable, match="Unable to connect to the server"):
        seen(Kubectl(Target(namespace="d"), {}, str(script.path), slept.append), 100)
    assert sum(slept) == 60


def test_a_watch_that_cannot_begin_is_said_at_once(script: Script) -> None:
    script.on("*", err="The connection to the server h was refused", code=1)
    with pytest.raises(errors.Unreachable, match="h was refused"):
        seen(kubectl(script), 1)


def test_create_is_strict_and_in_the_namespace_of_the_object(script: Script) -> None:
    script.on("*", '{"metadata": {"name": "x"}}')
    cluster = kubectl(script, namespace="d")
    cluster.create(TASKS, {"metadata": {"namespace": "ops"}}, dry_run=True)
    cluster.create(TASKS, {"metadata": {}})
    query = "fieldManager=kubectl-reaper&fieldValidation=Strict"
    assert script.asked == [
        f"--namespace=d create --raw /apis/reaper.io/v1alpha1/namespaces/ops/reapertasks?{query}&dryRun=All -f -",
        (
            '{"metadata": {"namespace": "ops"}}'
            f"--namespace=d create --raw /apis/reaper.io/v1alpha1/namespaces/d/reapertasks?{query} -f -"
        ),
        '{"metadata": {}}',
    ]


def test_patch_and_delete(script: Script) -> None:
    script.on("*", "{}")
    cluster = kubectl(script, namespace="d")
    cluster.patch(TASKS, "x", {"spec": {"suspend": True}})
    cluster.patch(TASKS, "x", {}, dry_run=True)
    cluster.delete(TASKS, "x", uid="u")
    cluster.delete(TASKS, "x", uid="u", dry_run=True)
    assert script.asked == [
        (
            "--namespace=d patch reapertasks.reaper.io x --namespace=d --type=merge "
            '--patch={"spec": {"suspend": true}} --field-manager=kubectl-reaper -o json'
        ),
        (
            "--namespace=d patch reapertasks.reaper.io x --namespace=d --type=merge "
            "--patch={} --dry-run=server --field-manager=kubectl-reaper -o json"
        ),
        "--namespace=d delete --raw /apis/reaper.io/v1alpha1/namespaces/d/reapertasks/x -f -",
        (
            '{"preconditions": {"uid": "u"}, "propagationPolicy": "Background"}'
            "--namespace=d delete --raw /apis/reaper.io/v1alpha1/namespaces/d/reapertasks/x -f -"
        ),
        '{"preconditions": {"uid": "u"}, "propagationPolicy": "Background", "dryRun": ["All"]}',
    ]


@pytest.mark.parametrize(
    ("out", "err", "code", "environment", "namespace"),
    [
        ("ops", "", 0, {}, "ops"),
        ("", "", 0, {}, "default"),
        ("", "error: current-context must exist in order to minify", 1, {}, "default"),
        ("", "error: current-context must exist", 1, {"KUBERNETES_SERVICE_HOST": "x", "POD_NAMESPACE": "mine"}, "mine"),
    ],
)
def test_the_namespace_of_the_context(
    script: Script, out: str, err: str, code: int, environment: dict[str, str], namespace: str
) -> None:
    script.on("*config*view*", out, err, code)
    assert kubectl(script, environment).namespace == namespace


def test_a_context_that_is_not_there(script: Script) -> None:
    script.on("*", err="error: cannot locate context nope", code=1)
    with pytest.raises(errors.Unreachable, match=r"^cannot locate context nope$"):
        _ = kubectl(script, context="nope").namespace


@pytest.mark.parametrize(
    ("text", "kind", "message"),
    [
        ('Error from server (NotFound): pods "x" not found\n', errors.NotFound, 'pods "x" not found'),
        ("Error from server (AlreadyExists): taken", errors.AlreadyExists, "taken"),
        ("Error from server (Conflict): other", errors.Conflict, "other"),
        ("Error from server (BadRequest): strict decoding error", errors.Invalid, "strict decoding error"),
        ("Error from server (Timeout): slow", errors.Unreachable, "slow"),
        ("Error from server (Gone): old", errors.ClusterError, "old"),
        ("Error from server: odd", errors.ClusterError, "odd"),
        ('The ReaperTask "x" is invalid: spec: no\n* two', errors.Invalid, "ReaperTask x: spec: no\n* two"),
        (
            "The connection to the server h was refused - did you?",
            errors.Unreachable,
            "The connection to the server h was",
        ),
        ("E1125 12:00:00.1 memcache.go] retry\nerror: no", errors.Unreachable, "no"),
        ("", errors.Unreachable, "kubectl failed without a word"),
        (
            f"Error from server (NotFound): {'the server could not find the requested resource'}",
            errors.NoReaper,
            "Reaper",
        ),
    ],
)
def test_what_kubectl_complains_of(text: str, kind: type[errors.Problem], message: str) -> None:
    found = problem(text, TASKS)
    assert type(found) is kind
    assert message in found.message


@pytest.mark.parametrize(
    "text",
    ["Error from server (Forbidden): no", "Unable to connect to the server: x", "Error from server (Timeout): x"],
)
def test_a_right_that_is_missing_and_a_cluster_out_of_reach_point_at_the_doctor(text: str) -> None:
    assert problem(text).next == "kubectl reaper doctor"


def test_an_answer_that_is_no_object(script: Script) -> None:
    script.on("*", "<html>")
    with pytest.raises(errors.ClusterError, match="not an object of Kubernetes: '<html>"):
        kubectl(script).ask("/version")


def test_reviews_are_posted(script: Script) -> None:
    script.on("*", '{"status": {"allowed": true}}')
    assert kubectl(script).post("/apis/x", {"a": 1}) == {"status": {"allowed": True}}
    assert script.asked == ["create --raw /apis/x -f -", '{"a": 1}']


def test_calls_give_their_exit_code_and_lines_come_one_by_one(script: Script) -> None:
    script.on("logs*", "one\ntwo\n", "a complaint", 3)
    cluster = kubectl(script)
    assert cluster.call("logs", "x", quiet=True) == 3
    lines = cluster.lines("logs", "x")
    assert list(lines) == ["one", "two"]
    assert (lines.close(), lines.complaint) == (3, "a complaint")


def test_without_kubectl_everything_says_so() -> None:
    cluster = Kubectl(Target(namespace="d"), {}, "/no/such/kubectl")
    for ask in (
        lambda: cluster.ask("/"),
        lambda: cluster.call("x"),
        lambda: cluster.lines("x"),
        lambda: cluster.hand_over("x"),
    ):
        with pytest.raises(errors.NoKubectl, match="/no/such/kubectl is not in the PATH") as caught:
            ask()
        assert caught.value.exit_code == 127
