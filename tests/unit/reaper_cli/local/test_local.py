"""A task on this machine: what operator and kubelet would make of it, without running anything."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reaper_api.task import ReaperTask
from reaper_cli.errors import Problem
from reaper_cli.local.bundle import config
from reaper_cli.local.expansion import expand
from reaper_cli.local.files import Mounted, prepare
from reaper_cli.local.machine import find_runtime
from reaper_cli.local.sources import Sources, environment
from tests.fakes.kubectl import FakeCluster

if TYPE_CHECKING:
    from pathlib import Path

SECRET = {"kind": "Secret", "metadata": {"name": "s"}, "data": {"a": "QQ=="}, "stringData": {"b": "B"}}
SETTINGS = {"kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"x": "X"}, "binaryData": {"y": "WQ=="}}
SOURCES = Sources([SECRET, SETTINGS])


def spec(**fields: Any) -> Any:
    body = {"metadata": {"name": "t", "namespace": "n", "uid": "u"}, "spec": {"command": ["/x"], **fields}}
    return ReaperTask.parse(body).spec


# The table of kubernetes/third_party/forked/golang/expansion/expand_test.go, as far as it is about one level.
@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("$(VAR_A)", "A"),
        ("___$(VAR_A)___", "___A___"),
        ("$(VAR_A)$(VAR_A)", "AA"),
        ("f000-$$VAR_A", "f000-$VAR_A"),
        ("foo\\$(VAR_A)bar", "foo\\Abar"),
        ("foo$$(VAR_A)bar", "foo$(VAR_A)bar"),
        ("$$$$(FOO", "$$(FOO"),
        ("$$(EMPTY)", "$(EMPTY)"),
        ("$(EMPTY)x", "x"),
        ("$(UNKNOWN)", "$(UNKNOWN)"),
        ("$VAR", "$VAR"),
        ("$", "$"),
        ("$(", "$("),
        ("$()", "$()"),
        ("$(VAR_A", "$(VAR_A"),
    ],
)
def test_references_are_replaced_as_kubelet_does(text: str, expanded: str) -> None:
    assert expand(text, {"VAR_A": "A", "EMPTY": ""}) == expanded


@given(st.text())
def test_a_text_without_dollars_stays_as_it_is(text: str) -> None:
    assert expand(text.replace("$", ""), {"A": "b"}) == text.replace("$", "")


@pytest.mark.parametrize("field", ["data", "stringData", "binaryData"])
def test_entries_that_are_no_mapping_are_said(field: str) -> None:
    with pytest.raises(Problem, match=f"^Secret s: {field} must be a mapping$"):
        Sources([{"kind": "Secret", "metadata": {"name": "s"}, field: 5}])


def test_a_variable_without_a_value_is_wrong_usage() -> None:
    result = FakeCluster().run("local", "run", "-f", "/no/such/file", "-e", "A")
    assert result.exit_code == 2
    assert "--env A: write NAME=VALUE" in result.stderr


def test_variables_come_from_all_sources_in_the_order_of_kubernetes() -> None:
    found = environment(
        spec(
            envFrom=[{"secretRef": {"name": "s"}, "prefix": "P_"}, {"configMapRef": {"name": "c"}}],
            env=[
                {"name": "x", "value": "over"},
                {"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": "b"}}},
                {"name": "B", "value": "$(A)-$(x)-$(LATER)"},
                {"name": "LATER", "value": "1"},
                {"name": "NONE", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "z", "optional": True}}},
            ],
        ),
        SOURCES,
        {"LATER": "2"},
    )
    assert found == {"P_a": "A", "P_b": "B", "x": "over", "y": "Y", "A": "B", "B": "B-over-$(LATER)", "LATER": "2"}


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"envFrom": [{"secretRef": {"name": "q"}}]}, "Secret q, which is in none of the files"),
        (
            {"env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": "q"}}}]},
            "entry q of Secret s, which has a, b",
        ),
    ],
)
def test_what_is_missing_is_said(fields: dict[str, Any], sentence: str) -> None:
    with pytest.raises(Problem, match=sentence):
        environment(spec(**fields), SOURCES, {})


def test_what_is_optional_may_be_missing() -> None:
    assert environment(spec(envFrom=[{"secretRef": {"name": "q", "optional": True}}]), SOURCES, {}) == {}


def test_a_secret_that_is_not_base64_is_said() -> None:
    with pytest.raises(Problem, match=r"Secret s: an entry of data is not base64: .*; plain text stands in stringData"):
        Sources([{"kind": "Secret", "metadata": {"name": "s"}, "data": {"a": "plain text"}}])


def test_volumes_become_directories(tmp_path: Path) -> None:
    there = tmp_path / "there"
    volumes = [
        {"name": "host", "mountPath": "/h", "hostPath": {"path": str(there), "type": "DirectoryOrCreate"}},
        {
            "name": "file",
            "mountPath": "/f",
            "hostPath": {"path": str(there / "f"), "type": "FileOrCreate"},
            "readOnly": True,
        },
        {"name": "empty", "mountPath": "/e", "emptyDir": {}},
        {
            "name": "conf",
            "mountPath": "/c",
            "configMap": {"name": "c", "items": [{"key": "x", "path": "d/x", "mode": 0o600}]},
        },
        {"name": "secret", "mountPath": "/s", "secret": {"secretName": "s", "defaultMode": 0o400}},
        {
            "name": "both",
            "mountPath": "/b",
            "projected": {"sources": [{"secret": {"name": "s"}}, {"configMap": {"name": "c"}}]},
        },
    ]
    folder = tmp_path / "volumes"
    assert prepare(spec(volumes=volumes), SOURCES, folder) == [
        Mounted(str(there), "/h", read_only=False),
        Mounted(str(there / "f"), "/f", read_only=True),
        Mounted(str(folder / "empty"), "/e", read_only=False),
        Mounted(str(folder / "conf"), "/c", read_only=True),
        Mounted(str(folder / "secret"), "/s", read_only=True),
        Mounted(str(folder / "both"), "/b", read_only=True),
    ]
    assert (folder / "conf/d/x").read_text() == "X"
    assert (folder / "conf/d/x").stat().st_mode & 0o777 == 0o600
    assert (folder / "secret/a").stat().st_mode & 0o777 == 0o400
    assert sorted(path.name for path in (folder / "both").iterdir()) == ["a", "b", "x", "y"]
    assert (folder / "empty").stat().st_mode & 0o777 == 0o777


@pytest.mark.parametrize(
    ("volume", "sentence"),
    [
        ({"hostPath": {"path": "/no/such/path"}}, "/no/such/path is not on this machine"),
        (
            {"secret": {"secretName": "s", "items": [{"key": "q", "path": "q"}]}},
            "takes entry q, which is not there; there are a, b",
        ),
        ({"projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}}, "a token of a service account"),
    ],
)
def test_a_volume_that_cannot_be_had_is_said(tmp_path: Path, volume: dict[str, Any], sentence: str) -> None:
    with pytest.raises(Problem, match=sentence):
        prepare(spec(volumes=[{"name": "v", "mountPath": "/v", **volume}]), SOURCES, tmp_path / "volumes")


def test_the_bundle_says_what_the_pod_would() -> None:
    task = spec(
        command=["/bin/tool", "$(A)"],
        args=["$$(A)"],
        workingDir="/srv",
        terminal=True,
        user={"uid": 5, "gid": 6, "supplementalGroups": [7]},
        overlay={"name": "build"},
    )
    found = config(task, {"A": "b"}, [Mounted("/here", "/there", read_only=True)], namespace="ops", host="me")
    assert found["process"] == {
        "args": ["/bin/tool", "b", "$(A)"],
        "cwd": "/srv",
        "env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOSTNAME=me", "A=b"],
        "terminal": True,
        "user": {"uid": 5, "gid": 6, "additionalGids": [7]},
    }
    assert found["annotations"] == {
        "io.kubernetes.cri.sandbox-namespace": "ops",
        "reaper.runtime/overlay-name": "build",
    }
    assert found["mounts"] == [
        {"destination": "/there", "type": "bind", "source": "/here", "options": ["rbind", "rprivate", "ro"]}
    ]


def test_the_bundle_can_be_looked_at(tmp_path: Path) -> None:
    path = tmp_path / "task.yaml"
    path.write_text(
        "kind: ReaperTask\nmetadata: {generateName: t-}\nspec: {command: [/x], env: [{name: A, value: b}]}\n"
    )
    result = FakeCluster().run("local", "run", "-f", str(path), "--show", "-e", "A=c")
    assert json.loads(result.stdout)["process"]["env"][-1] == "A=c"


@pytest.mark.parametrize(
    ("text", "code", "sentence"),
    [
        ("kind: Pod\n", 1, "there are 0 ReaperTasks, and one is run"),
        ("kind: ReaperTask\nspec: {command: [bin/x]}\n", 1, "command[0] is an absolute path"),
        (
            "kind: ReaperTask\nspec: {command: [/x], workDir: /srv}\n",
            1,
            "error: spec.workDir does not exist and would be dropped; is it workingDir?\ntry: kubectl reaper validate ",
        ),
        ("kind: ReaperTask\nmetadata: {labels: {a: b}}\nspec: {command: [/x]}\n", 1, "metadata.name is missing"),
        ("a: [\n", 1, "line 2, column 1"),
    ],
)
def test_a_file_that_cannot_be_run_is_said(tmp_path: Path, text: str, code: int, sentence: str) -> None:
    path = tmp_path / "task.yaml"
    path.write_text(text)
    result = FakeCluster().run("local", "run", "-f", str(path), "--show")
    assert result.exit_code == code
    assert sentence in result.stderr


def test_the_runtime_that_was_named_is_taken_and_one_is_always_there() -> None:
    assert find_runtime("/some/runtime") == ["/some/runtime"]
    assert find_runtime()
