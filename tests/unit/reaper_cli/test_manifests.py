"""YAML as kubectl reads and writes it."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
import yaml as pyyaml
from ruamel.yaml.error import YAMLError

from reaper_cli.errors import Problem
from reaper_cli.manifests import checked, documents, dump, load

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    "text",
    ["yes", "no", "on", "off", "y", "n", "true", "null", "~", "1", "1.5", "0644", "2026-11-25", "", "a: b", "# x"],
)
def test_a_text_is_read_again_as_a_text_by_us_and_by_yaml_1_1(text: str) -> None:
    written = dump({"a": text})
    (again,) = documents(written)
    assert again == {"a": text}
    assert pyyaml.safe_load(written) == {"a": text}


@pytest.mark.parametrize(
    ("text", "value"), [("0644", 0o644), ("0o644", 0o644), ("644", 644), ("0", 0), ("yes", True), ("n", False)]
)
def test_numbers_and_booleans_are_read_as_kubectl_reads_them(text: str, value: object) -> None:
    (found,) = documents(f"a: {text}\n")
    assert found == {"a": value}


def test_octal_numbers_are_written_as_they_were_read() -> None:
    (found,) = documents("a: 0644\nb: [0400]\n")
    assert dump(found) == "a: 0644\nb: [0400]\n"


def test_several_objects_are_several_documents() -> None:
    assert dump({"a": 1}, {"b": [{"c": 2}]}) == "a: 1\n---\nb:\n  - c: 2\n"


def test_the_items_of_lists_are_objects_too(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text("kind: List\nitems: [{kind: A}, {kind: BList, items: [{kind: B}]}]\n---\n---\nkind: C\n")
    assert [body["kind"] for body in load(str(path))] == ["A", "B", "C"]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"a: [1\nb: 2\n", "line 2, column 2: "),
        (b"\xff\xfe", "x.yaml: "),
        (b"a: 1\na: 2\n", "line 2, column 1: "),
    ],
)
def test_what_cannot_be_read_is_said_with_its_place(tmp_path: Path, content: bytes, sentence: str) -> None:
    path = tmp_path / "x.yaml"
    path.write_bytes(content)
    with pytest.raises(Problem, match=r"x\.yaml: ") as caught:
        load(str(path))
    assert sentence in caught.value.message


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "a: 1\nb:\n  name: {{ .Values.name }}\n",
            "line 3: a mapping or a list is a key: if this is a template, render",
        ),
        ("[a]: b\n", "line 1: a mapping or a list is a key"),
        ("&a [*a]\n", "line 1: an anchor refers to itself"),
        (
            "a: &a [x,x,x,x,x,x,x,x,x,x]\n"
            + "".join(f"{n}: &{n} [{','.join([f'*{m}'] * 10)}]\n" for m, n in pairwise("abcdefgh")),
            "aliases make 123456789 values of it: write it out",
        ),
    ],
)
def test_what_no_object_can_hold_is_said_at_once(text: str, sentence: str) -> None:
    with pytest.raises(YAMLError, match=f"^{re.escape(sentence)}"):
        list(documents(text))


def test_aliases_as_people_use_them_are_read() -> None:
    (found,) = documents("a: &a {x: [1, 2]}\nb: [*a, *a]\nc: {<<: *a, z: 1}\n")
    assert found == {"a": {"x": [1, 2]}, "b": [{"x": [1, 2]}] * 2, "c": {"x": [1, 2], "z": 1}}


@pytest.mark.parametrize(
    "metadata", ["", "{}", "{name: a, labels: , annotations: {a: 1}}", "{generateName: a-}", "{labels: {1: a}}"]
)
def test_metadata_that_can_be_read(metadata: str) -> None:
    (body,) = documents(f"kind: Pod\nmetadata: {metadata}\n")
    assert checked(body) is body


@pytest.mark.parametrize(
    ("metadata", "sentence"),
    [
        ("3", "metadata must be a mapping"),
        ("[a]", "metadata must be a mapping"),
        ("{labels: 5}", "metadata.labels must be a mapping"),
        ("{labels: {on: x}}", "metadata.labels: the key true is no text, as kubectl reads it: put quotes around it"),
        ("{annotations: {y: x}}", "metadata.annotations: the key true is no text"),
        ("{1: x}", "metadata: the key 1 is no text"),
        ("{name: 5}", "metadata.name must be text"),
        ("{name: {a: b}}", "metadata.name must be text"),
        ("{namespace: yes}", "metadata.namespace must be text"),
    ],
)
def test_metadata_that_cannot_be_read_is_said_with_its_line(tmp_path: Path, metadata: str, sentence: str) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(f"kind: Pod\nmetadata: {metadata}\n")
    with pytest.raises(Problem, match=re.escape(f"x.yaml: line 2: {sentence}")):
        load(str(path))


def test_metadata_that_a_merge_key_brings_is_read_too() -> None:
    text = "base: &base\n  metadata: {NAME}\nitem:\n  <<: *base\n  kind: ConfigMap\n"
    (document,) = documents(text.replace("{NAME}", "{name: a}"))
    assert checked(document["item"])["metadata"]["name"] == "a"
    (document,) = documents(text.replace("{NAME}", "3"))
    with pytest.raises(YAMLError, match=r"^metadata must be a mapping"):
        checked(document["item"])


def test_a_file_that_is_not_there_is_said() -> None:
    with pytest.raises(Problem, match=r"^/no/such/file: No such file or directory$"):
        load("/no/such/file")
