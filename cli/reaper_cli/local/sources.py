"""The Secrets and ConfigMaps that stand beside a task in its files, and what a task takes from them. Pure."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Any

from reaper_cli.errors import Problem
from reaper_cli.local.expansion import expand

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from reaper_api.environment import EnvFromSource, EnvVar
    from reaper_api.task import TaskSpec

Entries = dict[str, bytes]


class Sources:
    """By kind and name."""

    def __init__(self, objects: Iterable[Mapping[str, Any]]) -> None:
        self._entries = {
            (body["kind"], (body.get("metadata") or {}).get("name", "")): _entries(body)
            for body in objects
            if body.get("kind") in ("Secret", "ConfigMap")
        }

    def entries(self, kind: str, name: str, *, optional: bool) -> Entries:
        """What an object holds; empty where it is not there and need not be. A Problem that says what to do."""
        found = self._entries.get((kind, name))
        if found is None and not optional:
            raise Problem(
                f"the task takes something from {kind} {name}, which is in none of the files",
                f"kubectl get {kind.lower()} {name} -o yaml > {name}.yaml, and -f {name}.yaml as well",
            )
        return found or {}

    def entry(self, kind: str, name: str, key: str, *, optional: bool) -> bytes | None:
        """One entry; None where it is not there and need not be."""
        found = self.entries(kind, name, optional=optional)
        if key not in found and not optional:
            raise Problem(f"the task takes entry {key} of {kind} {name}, which has {', '.join(found) or 'none'}")
        return found.get(key)


def environment(spec: TaskSpec, sources: Sources, given: Mapping[str, str]) -> dict[str, str]:
    """All variables of the process: those of envFrom, then those of env, then those that were given by hand."""
    found: dict[str, str] = {}
    for source in spec.env_from:
        found |= _all_of(source, sources)
    for variable in spec.env:
        value = _value(variable, sources, found)
        if value is not None:
            found[variable.name] = value
    return found | dict(given)


def _all_of(source: EnvFromSource, sources: Sources) -> dict[str, str]:
    reference = source.secret_ref or source.config_map_ref
    assert reference is not None  # noqa: S101 - the model holds: exactly one
    kind = "Secret" if source.secret_ref is not None else "ConfigMap"
    entries = sources.entries(kind, reference.name, optional=reference.optional)
    return {f"{source.prefix or ''}{key}": value.decode(errors="replace") for key, value in entries.items()}


def _value(variable: EnvVar, sources: Sources, before: Mapping[str, str]) -> str | None:
    if variable.value_from is None:
        return expand(variable.value or "", before)
    secret = variable.value_from.secret_key_ref
    reference = secret or variable.value_from.config_map_key_ref
    assert reference is not None  # noqa: S101 - the model holds: exactly one
    kind = "Secret" if secret is not None else "ConfigMap"
    entry = sources.entry(kind, reference.name, reference.key, optional=reference.optional)
    return None if entry is None else entry.decode(errors="replace")


def _entries(body: Mapping[str, Any]) -> Entries:
    name = f"{body['kind']} {(body.get('metadata') or {}).get('name')}"
    for field in ("data", "stringData", "binaryData"):
        if not isinstance(body.get(field), dict | None):
            raise Problem(f"{name}: {field} must be a mapping")
    plain = {**(body.get("data") or {}), **(body.get("stringData") or {})}
    encoded = body.get("binaryData") or {}
    if body["kind"] == "Secret":
        plain, encoded = body.get("stringData") or {}, body.get("data") or {}
    try:
        found = {str(key): base64.b64decode(str(value), validate=True) for key, value in encoded.items()}
    except (binascii.Error, ValueError) as error:
        raise Problem(f"{name}: an entry of data is not base64: {error}; plain text stands in stringData") from error
    return {**found, **{str(key): str(value).encode() for key, value in plain.items()}}
