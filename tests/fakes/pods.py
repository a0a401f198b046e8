"""Objects that hold a Pod, as short as a test wants them, and what becomes of one of their fields."""

from __future__ import annotations

from typing import Any

from reaper_api.conversion import Conversion, Verdict, to_task
from reaper_api.conversion.report import text

Body = dict[str, Any]


def pod(container: Body | None = None, **spec: Any) -> Body:
    """A Pod that can be converted."""
    spec = {"restartPolicy": "Never", "containers": [{"name": "c", "command": ["/x"], **(container or {})}], **spec}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": spec}


def around(kind: str, container: Body | None = None, template: Body | None = None, **spec: Any) -> Body:
    """A workload around such a Pod."""
    inner = pod(container)["spec"]
    return {
        "apiVersion": "batch/v1" if kind in ("Job", "CronJob") else "apps/v1",
        "kind": kind,
        "metadata": {"name": "w"},
        "spec": {**spec, "template": {"spec": {**inner, **(template or {})}}},
    }


def outcome(conversion: Conversion, place: str) -> tuple[Verdict, str]:
    """Verdict and note of a field, by its place in the old object, or in the new one where it was added."""
    (found,) = [field for field in conversion.fields if text(field.source or field.target) == place]
    return found.verdict, found.note


def spec_of(body: Body, **options: Any) -> Body:
    """The spec of the task that comes of it."""
    conversion = to_task(body, **options)
    assert conversion.result is not None, [str(field) for field in conversion.of(Verdict.REFUSED)]
    spec: Body = conversion.result["spec"]
    return spec
