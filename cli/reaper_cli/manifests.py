"""YAML as kubectl reads and writes it."""

from __future__ import annotations

import io
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.constructor import RoundTripConstructor
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.representer import RoundTripRepresenter
from ruamel.yaml.resolver import VersionedResolver

from reaper_api.ruleset.template import shown
from reaper_cli.aliases import refuse_what_json_cannot_hold
from reaper_cli.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reaper_api.ruleset.rule import Path as Place


WIDTH = 110
_PAIRS = ("labels", "annotations")
# What ruamel raises beside YAMLError where a tag, a key or an anchor makes no sense.
_NOT_FORESEEN = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    NotImplementedError,
    TypeError,
    ValueError,
)


class _KubectlResolver(VersionedResolver):
    """Plain y, n, yes, no, on and off are booleans, as in YAML 1.1 and in kubectl."""


_KubectlResolver.add_implicit_resolver(
    "tag:yaml.org,2002:bool",
    re.compile(r"(?:y|Y|yes|Yes|YES|n|N|no|No|NO|on|On|ON|off|Off|OFF)\Z"),
    list("yYnNoO"),
)


class Octal(int):
    """A number that is written with a zero before it, as permission bits are."""


class _KubectlConstructor(RoundTripConstructor):
    """A date is text, as in JSON and in kubectl; 0644 is octal, as in YAML 1.1."""

    bool_values = RoundTripConstructor.bool_values | {"y": True, "n": False}

    def construct_octal_or_int(self, node: Any) -> Any:
        if re.fullmatch(r"0[0-7]+", node.value):
            return Octal(node.value, 8)
        return self.construct_yaml_int(node)


class _KubectlRepresenter(RoundTripRepresenter):
    """Writes octal numbers as they were read."""

    def represent_octal(self, data: Octal) -> Any:
        return self.represent_scalar("tag:yaml.org,2002:int", f"0{data:o}")


_KubectlConstructor.add_constructor("tag:yaml.org,2002:timestamp", RoundTripConstructor.construct_yaml_str)
_KubectlConstructor.add_constructor("tag:yaml.org,2002:int", _KubectlConstructor.construct_octal_or_int)
_KubectlRepresenter.add_representer(Octal, _KubectlRepresenter.represent_octal)


def yaml() -> YAML:
    """A reader and writer that keeps comments, quotes and order."""
    found = YAML(typ="rt")
    found.Resolver, found.Constructor, found.Representer = _KubectlResolver, _KubectlConstructor, _KubectlRepresenter
    found.preserve_quotes = True
    found.width = WIDTH
    found.brace_single_entry_mapping_in_flow_sequence = True  # [{a: b}], not [a: b], which few can read
    found.indent(mapping=2, sequence=4, offset=2)
    return found


def documents(text: str) -> Iterator[Any]:
    """The documents of a YAML stream. Raises YAMLError when it is not YAML, or none that an object is written in."""
    try:
        for document in yaml().load_all(text):
            refuse_what_json_cannot_hold(document)
            yield document
    except _NOT_FORESEEN as error:
        raise YAMLError(
            f"this is no YAML that an object can be written in ({error or type(error).__name__})"
        ) from error
    except RecursionError as error:
        raise YAMLError("this is nested too deeply for an object") from error


def dump(*objects: Any) -> str:
    """Objects as a YAML stream. What kubectl would read as a boolean is quoted."""
    stream = io.StringIO()
    yaml().dump_all(objects, stream)
    return stream.getvalue().rstrip("\n") + "\n"


def read(name: str) -> str:
    """A file, or standard input for "-". OSError and UnicodeDecodeError as they come."""
    return sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")


def load(name: str) -> list[CommentedMap]:
    """The objects of a file, those in Lists too. A Problem says what cannot be read, and where."""
    try:
        return [checked(item) for document in documents(read(name)) for item in items(document)]
    except (OSError, UnicodeDecodeError, YAMLError) as error:
        raise Problem(f"{name}: {one_line(error)}") from error


def items(document: Any) -> Iterator[CommentedMap]:
    """An object, or the objects of a List."""
    yield from (body for _, body in located(document))


def located(document: Any, path: Place = ()) -> Iterator[tuple[Place, CommentedMap]]:
    """The same, each with its place in the document."""
    if not isinstance(document, CommentedMap):
        return
    if str(document.get("kind", "")).endswith("List") and isinstance(document.get("items"), list):
        for number, item in enumerate(document["items"]):
            yield from located(item, (*path, "items", number))
    else:
        yield path, document


def checked(body: CommentedMap) -> CommentedMap:
    """An object whose metadata can be read: with keys that are text, and a name that is. YAMLError if it cannot.

    kubectl makes text of a number, and of nothing else.
    """
    metadata = body.get("metadata")
    if metadata is None:
        return body
    places = body.lc.data or {}  # not of what a merge key has brought
    line = f"line {places['metadata'][0] + 1}: " if "metadata" in places else ""
    if not isinstance(metadata, CommentedMap):
        raise YAMLError(f"{line}metadata must be a mapping")
    for path, node in (("metadata", metadata), *((f"metadata.{each}", metadata.get(each)) for each in _PAIRS)):
        if not isinstance(node, CommentedMap | None):
            raise YAMLError(f"{line}{path} must be a mapping")
        for key in node or ():
            if isinstance(key, bool) or not isinstance(key, str if node is metadata else str | int):
                raise YAMLError(
                    f"{line}{path}: the key {shown(key)} is no text, as kubectl reads it: put quotes around it"
                )
    for each in ("name", "generateName", "namespace"):
        if not isinstance(metadata.get(each), str | None):
            raise YAMLError(f"{line}metadata.{each} must be text: put quotes around it, and render a template first")
    return body


def one_line(error: Exception) -> str:
    """What is wrong with a file, with line and column where they are known."""
    if isinstance(error, MarkedYAMLError) and error.problem_mark is not None:
        mark = error.problem_mark
        return f"line {mark.line + 1}, column {mark.column + 1}: {error.problem}"
    return error.strerror if isinstance(error, OSError) and error.strerror else " ".join(str(error).split())
