"""reaper-validate: what the API server would say of a ReaperTask, and what it would drop without a word."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click
from pydantic import BaseModel
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from reaper_api.task import InvalidTask, ReaperTask
from reaper_api.vocabulary import API_VERSION, KIND

if TYPE_CHECKING:
    from collections.abc import Iterator

VALID, INVALID, UNREADABLE = 0, 1, 2  # exit codes


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, with its place: line and column count from 1."""

    file: str
    line: int
    column: int
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: {self.message}"


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.version_option(version("reaper-k8s"))
def main(files: tuple[str, ...]) -> None:
    """Check the ReaperTasks in YAML files ("-" is standard input), without a cluster.

    Other kinds are passed over. Exit codes: 0 all valid, 1 something is wrong, 2 a file cannot be read.
    """
    worst = VALID
    for name in files:
        try:
            text = sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")
            tasks = list(read_tasks(text))
        except (OSError, UnicodeDecodeError, YAMLError) as error:
            click.echo(f"{name}: {_one_line(error)}", err=True)
            worst = max(worst, UNREADABLE)
            continue
        for task in tasks:
            findings = list(check(task, name))
            for finding in findings:
                click.echo(finding)
            worst = max(worst, INVALID if findings else VALID)
            if not findings:
                click.echo(f"{name}: {KIND} {_name(task)} is valid")
        if not tasks:
            click.echo(f"{name}: no {KIND} in it", err=True)
    sys.exit(worst)


def read_tasks(text: str) -> Iterator[CommentedMap]:
    """The ReaperTasks among the documents of a YAML stream. Raises YAMLError when it is not YAML."""
    for document in YAML(typ="rt").load_all(text):
        if isinstance(document, CommentedMap) and document.get("kind") == KIND:
            yield document


def check(task: CommentedMap, file: str) -> Iterator[Finding]:
    """What is wrong with one task: fields that do not exist first, since they may explain the rest."""
    if task.get("apiVersion") != API_VERSION:
        yield Finding(file, *_place(task, "apiVersion"), f"apiVersion must be {API_VERSION}")
    if "spec" in task:
        yield from _unknown(task["spec"], ReaperTask.model_fields["spec"].annotation, "spec", file)
    body = {**task, "metadata": {"namespace": "default", "uid": "-", "generation": 1, **(task.get("metadata") or {})}}
    try:
        ReaperTask.parse(body)
    except InvalidTask as error:
        for message in str(error).split("; "):
            yield Finding(file, *_locate(task, message.partition(":")[0]), message)


def _unknown(value: Any, model: Any, path: str, file: str) -> Iterator[Finding]:
    """Fields that no model has: the API server prunes them, and the user never hears of it."""
    if isinstance(value, CommentedSeq):
        for number, item in enumerate(value):
            yield from _unknown(item, model, f"{path}[{number}]", file)
    found = _model_in(model)
    if not isinstance(value, CommentedMap) or found is None:
        return
    fields = {field.alias or name: field.annotation for name, field in found.model_fields.items()}
    for key in value:
        if key not in fields:
            known = ", ".join(sorted(fields))
            yield Finding(
                file, *_place(value, key), f"{path}.{key} does not exist and would be dropped; there are {known}"
            )
        else:
            yield from _unknown(value[key], fields[key], f"{path}.{key}", file)


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The model inside list[Model], Model | None and the like."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := _model_in(part))), None)


def _locate(task: CommentedMap, path: str) -> tuple[int, int]:
    """The place of a path such as spec.env[0].name, or of the nearest thing above it that is there."""
    place, node = (1, 1), task
    for part in path.replace("[", ".").replace("]", "").split("."):
        key: Any = int(part) if part.isdigit() else part
        if isinstance(node, CommentedMap) and key in node:
            place = _place(node, key)
        elif isinstance(node, CommentedSeq) and isinstance(key, int) and key < len(node):
            line, column = node.lc.item(key)
            place = line + 1, column + 1
        else:
            break
        node = node[key]
    return place


def _place(node: CommentedMap, key: str) -> tuple[int, int]:
    line, column = node.lc.key(key) if key in node else (node.lc.line, node.lc.col)
    return line + 1, column + 1


def _name(task: CommentedMap) -> str:
    metadata = task.get("metadata") or {}
    return str(metadata.get("name") or metadata.get("generateName") or "without a name")


def _one_line(error: Exception) -> str:
    if isinstance(error, MarkedYAMLError) and error.problem_mark is not None:
        mark = error.problem_mark
        return f"line {mark.line + 1}, column {mark.column + 1}: {error.problem}"
    return error.strerror if isinstance(error, OSError) and error.strerror else " ".join(str(error).split())
