"""The shape of the fields that a conversion looks into. All others are carried or lost, whatever they hold."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from reaper_api.conversion.report import Path

# A mapping stands for a mapping with such fields, [shape] for a list of such items, [] for a list of anything.
Shape = Mapping[str, Any] | list[Any] | str
SCALAR = "scalar"

_METADATA: Shape = {"labels": {}, "annotations": {}}
_SECURITY: Shape = {"supplementalGroups": [SCALAR], "fsGroup": SCALAR, "capabilities": {}}
_REFERENCE: Shape = {"fieldRef": {"fieldPath": SCALAR}, "resourceFieldRef": {"fieldPath": SCALAR}}
_CONTAINER: Shape = {
    "command": [],
    "args": [],
    "env": [{"valueFrom": _REFERENCE}],
    "resources": {"limits": {}, "requests": {}},
    "securityContext": _SECURITY,
    "volumeMounts": [{"name": SCALAR, "mountPath": SCALAR, "subPath": SCALAR}],
}
_TERMS: Shape = {"nodeSelectorTerms": [{}]}
_SPEC: Shape = {
    "containers": [_CONTAINER],
    "securityContext": _SECURITY,
    "volumes": [{"name": SCALAR, "hostPath": {}, "projected": {"sources": [{}]}}],
    "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": _TERMS}},
}


def wrong_shape(body: Mapping[str, Any], pod: Path) -> Iterator[tuple[Path, Any, str]]:
    """Each place that has another shape, what is there, and a sentence about it. `pod`: where the Pod is in `body`."""
    shape: Any = {"metadata": _METADATA, "spec": _SPEC}
    for part in reversed(pod):
        shape = {part: shape}
    yield from _wrong(body, {"metadata": _METADATA, **shape}, ())


def _wrong(value: Any, shape: Shape, path: Path) -> Iterator[tuple[Path, Any, str]]:
    if value is None:
        return
    if isinstance(shape, list):
        if not isinstance(value, Sequence) or isinstance(value, str | bytes):
            yield path, value, "must be a list"
            return
        for number, item in enumerate(value if shape else ()):
            if item is None and shape[0] != SCALAR:
                yield (*path, number), item, "must be a mapping"
            yield from _wrong(item, shape[0], (*path, number))
    elif isinstance(shape, str):
        if isinstance(value, Mapping | Sequence) and not isinstance(value, str):
            yield path, value, "must be text or a number"
    elif not isinstance(value, Mapping):
        yield path, value, "must be a mapping"
    else:
        for key, inner in shape.items():
            yield from _wrong(value.get(key), inner, (*path, key))
