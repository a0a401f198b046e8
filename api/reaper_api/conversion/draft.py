"""The new object while it is made, and the account that grows with it."""

from collections.abc import Mapping, MutableMapping
from copy import deepcopy
from itertools import pairwise
from typing import Any, get_args

from pydantic import BaseModel

from reaper_api.conversion.report import Body, Conversion, Field, Path, Verdict, leaves
from reaper_api.task import TaskSpec


class Draft:
    """Each call accounts for the leaves of one field of the old object."""

    def __init__(self) -> None:
        self.body: Body = {}
        self._fields: list[Field] = []

    def carry(self, source: Path, value: Any, target: Path) -> None:
        """It says the same there. What a field of the same name does not know there is lost."""
        found = _annotation(target)
        if found is None:
            self.lose(source, value, "a ReaperTask of this version has no such field")
            return
        kept = deepcopy(value)
        unknown = [path for path, _ in leaves(value) if not _known(found, path)]
        for path in reversed(unknown):
            _remove(kept, path)
        self.put(target, kept)
        for path, _ in leaves(value):
            if path in unknown:
                self._note((*source, *path), Verdict.LOST, "a ReaperTask has no such field")
            else:
                self._note((*source, *path), Verdict.CARRIED, "", (*target, *path))

    def keep(self, source: Path, value: Any, target: Path) -> None:
        """It says the same there, in the metadata, which no model describes."""
        self.put(target, deepcopy(value))
        for path, _ in leaves(value):
            self._note((*source, *path), Verdict.CARRIED, "", (*target, *path))

    def found(self, source: Path, target: Path) -> None:
        """A leaf says the same there, and stands there already."""
        self._note(source, Verdict.CARRIED, "", target)

    def change(self, source: Path, value: Any, note: str, target: Path = (), new: Any = None) -> None:
        """It has its effect in another way."""
        if target:
            self.put(target, new)
        for path, _ in leaves(value):
            self._note((*source, *path), Verdict.CHANGED, note, target)

    def add(self, target: Path, new: Any, note: str) -> None:
        """It held without being written."""
        self.put(target, new)
        self._note((), Verdict.ADDED, note, target)

    def drop(self, source: Path, value: Any, note: str) -> None:
        """It says nothing there."""
        for path, _ in leaves(value):
            self._note((*source, *path), Verdict.DROPPED, note)

    def lose(self, source: Path, value: Any, note: str) -> None:
        """It has no effect there. What is empty had none before."""
        for path, leaf in leaves(value):
            verdict = Verdict.DROPPED if leaf in (None, [], {}) else Verdict.LOST
            self._note((*source, *path), verdict, note if verdict is Verdict.LOST else "empty")

    def refuse(self, source: Path, value: Any, note: str) -> None:
        """It cannot be said there: there will be no new object."""
        for path, _ in leaves(value):
            self._note((*source, *path), Verdict.REFUSED, note)

    def put(self, target: Path, value: Any) -> None:
        """Write a value into the new object."""
        node: Any = self.body
        for part, following in pairwise(target):
            if isinstance(node, MutableMapping):
                node = node.setdefault(part, [] if isinstance(following, int) else {})
            else:
                if part == len(node):
                    node.append({})
                node = node[part]
        if isinstance(node, list):
            node.append(value)
        else:
            node[target[-1]] = value

    @property
    def refused(self) -> bool:
        """Whether there is something that cannot be said."""
        return any(field.verdict is Verdict.REFUSED for field in self._fields)

    def conversion(self, old: Mapping[str, Any]) -> Conversion:
        """What has become of it all, in the order of the old object; what was added stands at the end."""
        told = {field.source for field in self._fields}
        for path, leaf in leaves(old):
            if path not in told and leaf in (None, [], {}):
                self._note(path, Verdict.DROPPED, "empty")
            elif path not in told and self.refused:
                self._note(path, Verdict.REFUSED, "belongs to what cannot be converted")
        order = {path: number for number, (path, _) in enumerate(leaves(old))}
        fields = sorted(self._fields, key=lambda field: order.get(field.source, len(order)))
        return Conversion(None if self.refused else self.body, tuple(fields))

    def _note(self, source: Path, verdict: Verdict, note: str, target: Path = ()) -> None:
        self._fields.append(Field(source, verdict, note, target))


def has(*target: str) -> bool:
    """Whether the API has a field below spec."""
    return _annotation(("spec", *target)) is not None


def _annotation(target: Path) -> Any:
    """What the models say of a place below spec; None if there is none."""
    found: Any = TaskSpec
    for part in target[1:]:
        if isinstance(part, int):
            continue
        model = _model_in(found)
        found = None if model is None else _fields(model).get(part)
        if found is None:
            return None
    return found


def _known(annotation: Any, path: Path) -> bool:
    for part in path:
        if isinstance(part, int):
            continue
        model = _model_in(annotation)
        if model is None:
            return True  # a mapping with keys of its own
        if part not in _fields(model):
            return False
        annotation = _fields(model)[part]
    return True


def _fields(model: type[BaseModel]) -> dict[str, Any]:
    return {field.alias or name: field.annotation for name, field in model.model_fields.items()}


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := _model_in(part))), None)


def _remove(value: Any, path: Path) -> None:
    """Take a leaf out, and what is empty without it."""
    *above, last = path
    nodes = [value]
    for part in above:
        nodes.append(nodes[-1][part])
    del nodes[-1][last]
    for node, part in reversed(list(zip(nodes, above, strict=False))):
        if isinstance(node[part], Mapping) and not node[part] and isinstance(node, MutableMapping):
            del node[part]
