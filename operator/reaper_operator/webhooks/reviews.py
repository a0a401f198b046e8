"""What Kopf calls with an object that somebody is about to create or change."""

import logging
from collections.abc import Mapping
from typing import Any

import kopf

from reaper_api.ruleset.rule import Admission
from reaper_api.ruleset.template import WORKLOADS
from reaper_api.vocabulary import GROUP, PLURAL, VERSION
from reaper_operator.complaints import Complaints
from reaper_operator.webhooks.verdict import defaulted, filled, judge

logger = logging.getLogger(__name__)

# Ids for Kopf, and paths of the server. The second is for clusters in which Pods are filled in.
VALIDATE, VALIDATE_FILLED, DEFAULT = "validate", "validate-filled", "default"
REFUSED = 422  # HTTP status, as of what a policy refuses for being invalid

Resource = tuple[str, str, str]
PODS: Resource = ("", "v1", "pods")
RESOURCES: tuple[Resource, ...] = (
    (GROUP, VERSION, PLURAL),
    *((workload.group, workload.version, workload.resource) for workload in WORKLOADS.values()),
)


def register(registry: kopf.OperatorRegistry, action: Admission, complaints: Complaints) -> None:
    """Validate everything that the table of rules is about, and fill in Pods. See verdict.py. `complaints`: what was
    told of rules."""

    async def validate(body: kopf.Body, warnings: list[str], param: Any = dict, **_: Any) -> None:
        try:
            verdict = judge(param(dict(body)), action)
        except Exception as error:  # noqa: BLE001 - the rules are advice, and Kopf would refuse
            text, extra = f"a rule tripped over a {body.get('kind')}, which is let pass: {error!r}", _about(body)
            complaints.about(text, extra=extra, level=logging.ERROR, fault=error)
            return
        warnings.extend(verdict.warned)
        if verdict.refused:
            text = " ".join(verdict.refused)
            logger.info("refused a %s: %s", body.get("kind"), text, extra=_about(body))
            raise kopf.AdmissionError(text, code=REFUSED)

    async def default(
        body: kopf.Body, spec: kopf.Spec, annotations: kopf.Annotations, patch: kopf.Patch, **_: Any
    ) -> None:
        try:
            patch.spec.update(filled(dict(spec), dict(annotations)))
        except Exception as error:  # noqa: BLE001 - it may be complete
            text = f"a Pod could not be filled in, and stays as it is: {error!r}"
            complaints.about(text, extra=_about(body), level=logging.ERROR, fault=error)

    for resource in RESOURCES:
        for name, prepare in ((VALIDATE, dict), (VALIDATE_FILLED, defaulted)):
            kopf.on.validate(*_selector(resource), id=name, param=prepare, registry=registry)(validate)
    kopf.on.mutate(*_selector(PODS), id=DEFAULT, operations=["CREATE"], registry=registry)(default)


def name_of(body: Mapping[str, Any]) -> str:
    """namespace/name of an object that may have no name yet."""
    metadata = body.get("metadata") or {}
    return f"{metadata.get('namespace')}/{metadata.get('name') or metadata.get('generateName', '') + '...'}"


def _about(body: Mapping[str, Any]) -> dict[str, str]:
    """Of a line in the log."""
    return {"object": name_of(body)}


def _selector(resource: Resource) -> tuple[str, ...]:
    """In Kopf's words, where the core group has no name."""
    return tuple(filter(None, resource))


def is_review(path: str, data: Any) -> bool:
    """Whether an API server may have sent this to that path: anybody in the cluster can reach the server, and Kopf
    expects that nobody else does."""
    request = data.get("request") if isinstance(data, Mapping) else None
    if not isinstance(request, Mapping):
        return False
    if not all(isinstance(request.get(name), Mapping) for name in ("resource", "userInfo", "object")):
        return False
    resource = tuple(request["resource"].get(part) for part in ("group", "version", "resource"))
    return resource in ({VALIDATE: RESOURCES, VALIDATE_FILLED: RESOURCES, DEFAULT: (PODS,)}.get(path, ()))
