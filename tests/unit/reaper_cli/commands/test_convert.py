"""convert: files in, manifests out, and a report beside them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.fakes.kubectl import FakeCluster

if TYPE_CHECKING:
    from pathlib import Path

POD = """\
kind: Pod
metadata: {name: p}
spec:
  restartPolicy: Never
  containers: [{name: c, image: i, command: [/x]}]
"""
BAD = "kind: Pod\nmetadata: {name: bad}\nspec: {containers: []}\n"
LOSSY = POD.replace("command: [/x]", "command: [/x], lifecycle: {preStop: {}}, livenessProbe: {periodSeconds: 5}")


def test_standard_input_to_standard_output() -> None:
    result = FakeCluster().run("convert", stdin=POD)
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "apiVersion: reaper.io/v1alpha1",
        "kind: ReaperTask",
        "metadata:",
        "  name: p",
        "spec:",
        "  restartPolicy: Never",
        "  command: [/x]",
    ]
    assert result.stderr.startswith("Pod p: 3 carried, 2 changed, 1 dropped\n")


def test_several_files_and_kinds(tmp_path: Path) -> None:
    for name, text in (("a.yaml", POD), ("b.yaml", "kind: ConfigMap\nmetadata: {name: c}\n---\n" + POD)):
        (tmp_path / name).write_text(text)
    result = FakeCluster().run("convert", str(tmp_path / "a.yaml"), "-f", str(tmp_path / "b.yaml"), "--report", "none")
    assert result.stdout.count("kind: ReaperTask\n") == 2
    assert result.stdout.count("---\n") == 2
    assert "kind: ConfigMap\n" in result.stdout
    assert result.stderr == ""


def test_a_kind_of_the_same_name_in_another_api_is_passed_on() -> None:
    result = FakeCluster().run(
        "convert", stdin="apiVersion: batch.volcano.sh/v1alpha1\nkind: Job\nmetadata: {name: j}\n"
    )
    assert (result.exit_code, result.stderr) == (0, "Job j: passed on as it is\n")


@pytest.mark.parametrize("metadata", ["3", "{name: {{ .Values.name }}}", "{name: p, labels: {on: x}}"])
def test_an_object_that_cannot_be_read_is_wrong_usage(metadata: str) -> None:
    result = FakeCluster().run("convert", stdin=POD.replace("{name: p}", metadata))
    assert (result.exit_code, result.stdout) == (2, "")
    assert "-: line 2: " in result.stderr


TASK = """\
# licence
# of this
---
# a head
apiVersion: reaper.io/v1alpha1
kind: ReaperTask
# about metadata
metadata:
  # about the name
  name: t # the name
  labels: {a: b} # labels
# about spec
spec:
  # above command
  command: [/bin/a, b] # beside command
  # dir
  workingDir: /tmp # beside dir
  env:
    # first
    - name: A # name A
      value: "1"
    # second
    - {name: B, value: x} # B
  # who
  user: {uid: 1, gid: 2} # user
  # vols
  volumes:
    # v1
    - name: v # vn
      mountPath: /x # mp
      # hp
      hostPath: {path: /y}
  backoffLimit: 3 # thrice
# end
"""
LIST = """\
# head of list
apiVersion: v1
kind: List
items:
  # above the first
  - kind: Pod # first
    metadata: {name: p}
    spec:
      restartPolicy: Never
      containers: [{name: c, command: [/x]}]
  # between
  - kind: ConfigMap
    # inside
    metadata: {name: c} # cm
  # above the third
  - kind: Pod
    metadata: {name: q}
    spec:
      restartPolicy: Never
      containers:
        # the container
        - name: c
          command: [/y] # y
  # at the end
# very end
"""


def comments_in(text: str) -> list[str]:
    return [line.partition("#")[2].strip() for line in text.splitlines() if "#" in line]


def test_comments_of_a_task_stay_with_what_is_in_its_pod_too() -> None:
    result = FakeCluster().run("convert", stdin=TASK)
    assert result.exit_code == 0
    assert sorted(comments_in(result.stdout)) == sorted(each for each in comments_in(TASK) if each != "thrice")
    assert result.stdout.startswith("# licence\n# of this\n# a head\napiVersion: v1\n")
    for text in (
        "  # about the name\n  name: t # the name\n",
        "# about spec\nspec:\n",
        "      # above command\n      command:\n        - /bin/a\n        - b # beside command\n",
        "        # first\n        - name: A # name A\n",
        "      # dir\n      workingDir: /tmp # beside dir\n",
        "        # who\n        runAsUser: 1\n        runAsGroup: 2 # user\n",
        "    # v1\n    - name: v # vn\n",
    ):
        assert text in result.stdout
    assert result.stdout.endswith("# end\n")
    assert result.stderr.startswith("ReaperTask t: 13 carried, 2 changed, 1 lost\n")
    assert "comments that went with their fields: 1 lines\n" in result.stderr


def test_comments_of_a_list_stay_with_its_items() -> None:
    result = FakeCluster().run("convert", "--report", "none", stdin=LIST)
    assert comments_in(result.stdout) == comments_in(LIST)
    first, second, third = result.stdout.split("---\n")
    assert first.startswith("# head of list\n# above the first\napiVersion: ")
    assert second == "# between\nkind: ConfigMap\n# inside\nmetadata: {name: c} # cm\n"
    assert third.startswith("# above the third\napiVersion: ")
    assert third.endswith("  command: [/y] # y\n# at the end\n# very end\n")


@pytest.mark.parametrize("kind", ["Pod", "ConfigMap"])
def test_what_stands_before_the_first_document_stays_there(kind: str) -> None:
    result = FakeCluster().run("convert", "--report", "none", stdin=f"# one\n\n# two\n---\n{POD}".replace("Pod", kind))
    assert result.stdout.startswith("# one\n# two\n")
    assert comments_in(result.stdout) == ["one", "two"]


def test_json_is_one_object_or_a_list() -> None:
    one = json.loads(FakeCluster().run("convert", "-o", "json", stdin=POD).stdout)
    assert one["kind"] == "ReaperTask"
    two = json.loads(FakeCluster().run("convert", "-o", "json", stdin=POD + "---\n" + POD).stdout)
    assert (two["kind"], len(two["items"])) == ("List", 2)


def test_what_cannot_be_converted_is_left_out_and_is_a_failure() -> None:
    result = FakeCluster().run("convert", stdin=BAD + "---\n" + POD)
    assert result.exit_code == 1
    assert result.stdout.count("kind: ") == 1
    assert "Pod bad: cannot be converted\n  refused  spec.containers\n           there is no container" in result.stderr


@pytest.mark.parametrize(("text", "code"), [(POD, 0), (LOSSY, 1), (BAD, 1), ("kind: Service\n", 0)])
def test_a_check_writes_no_manifest_and_fails_where_something_is_lost(text: str, code: int) -> None:
    result = FakeCluster().run("convert", "--check", stdin=text)
    assert result.exit_code == code
    assert "apiVersion" not in result.stdout
    assert result.stdout
    assert result.stderr == ""


def test_a_full_report_has_every_field_and_json_for_programs() -> None:
    full = FakeCluster().run("convert", "--report", "full", stdin=POD).stderr
    assert "  carried  spec.containers[0].command\n" in full
    assert "  dropped  spec.containers[0].name\n           the container of a task is called task\n" in full
    (found,) = json.loads(FakeCluster().run("convert", "--check", "--report", "json", stdin=LOSSY).stdout)
    assert (found["object"], found["converted"], found["faithful"]) == ("Pod p", True, False)
    assert {field["verdict"] for field in found["fields"]} == {"carried", "changed", "dropped", "lost"}


@pytest.mark.parametrize(
    ("words", "stdin", "code", "sentence"),
    [
        (["/no/such/file"], "", 2, "/no/such/file: No such file or directory"),
        (["-"], "a: [\n", 2, "-: line 2, column 1"),
        (["-"], "", 1, "-: there is no object in it"),
    ],
)
def test_what_cannot_be_read_is_said(words: list[str], stdin: str, code: int, sentence: str) -> None:
    result = FakeCluster().run("convert", *words, stdin=stdin)
    assert result.exit_code == code
    assert sentence in result.stderr
