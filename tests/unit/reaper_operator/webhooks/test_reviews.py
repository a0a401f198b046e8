"""reviews.py: which requests are taken for those of an API server. What Kopf does with them: tests/integration."""

from typing import Any

import kopf
import pytest

from reaper_api.ruleset.rule import Admission
from reaper_operator.complaints import Complaints
from reaper_operator.webhooks.reviews import DEFAULT, VALIDATE, VALIDATE_FILLED, is_review, register

PODS = {"group": "", "version": "v1", "resource": "pods"}
TASKS = {"group": "reaper.io", "version": "v1alpha1", "resource": "reapertasks"}


def review(resource: Any = PODS, **more: Any) -> dict[str, Any]:
    return {"request": {"uid": "1", "resource": resource, "userInfo": {}, "object": {}, **more}}


def test_reviews() -> None:
    assert is_review(VALIDATE, review())
    assert is_review(VALIDATE, review(TASKS))
    assert is_review(VALIDATE, review({"group": "apps", "version": "v1", "resource": "deployments"}))
    assert is_review(VALIDATE_FILLED, review(TASKS))
    assert is_review(DEFAULT, review())


@pytest.mark.parametrize(
    ("path", "data"),
    [
        ("other", review()),
        (DEFAULT, review(TASKS)),
        (VALIDATE, review({"group": "", "version": "v1", "resource": "secrets"})),
        (VALIDATE, review(None)),
        (VALIDATE, review({"group": []})),
        (VALIDATE, review(object=None)),
        (VALIDATE, review(userInfo=None)),
        (VALIDATE, {"request": []}),
        (VALIDATE, []),
        (VALIDATE, None),
    ],
)
def test_anything_else(path: str, data: Any) -> None:
    assert not is_review(path, data)


class Odd(dict[str, Any]):
    """What a rule trips over: a fault of ours."""

    def get(self, *_: Any) -> Any:
        raise ZeroDivisionError("a fault of ours")


def judged(body: dict[str, Any]) -> Any:
    """In place of what is looked at: the rules themselves trip over nothing that is known."""
    return Odd().get("spec")


def handlers() -> dict[str, Any]:
    """As Kopf calls them, by their ids."""
    registry = kopf.OperatorRegistry()
    register(registry, Admission.DENY, Complaints(lambda: 0.0))
    return {str(handler.id): handler.fn for handler in registry._webhooks.get_all_handlers()}


@pytest.mark.parametrize(
    ("metadata", "name"),
    [({"name": "hello"}, "default/hello"), ({"generateName": "web-"}, "default/web-...")],
)
async def test_a_rule_that_trips_says_over_what_and_shows_its_fault_once(
    metadata: dict[str, str], name: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever makes the Pods of a workload comes again and again."""
    called, body = handlers(), {"kind": "Pod", "metadata": {"namespace": "default", **metadata}}
    for number in range(3):
        await called[VALIDATE](body=body, warnings=[], param=judged)
        body = {"kind": "Pod", "metadata": {"namespace": "default", "name": f"web-{number}"}}
    (record,) = caplog.records
    assert record.getMessage() == "a rule tripped over a Pod, which is let pass: ZeroDivisionError('a fault of ours')"
    assert record.__dict__["object"] == name
    assert record.exc_info is not None


async def test_a_pod_that_cannot_be_filled_in_says_so_once(caplog: pytest.LogCaptureFixture) -> None:
    called = handlers()
    body, spec = {"metadata": {"namespace": "default", "name": "hello"}}, {"containers": [Odd()]}
    for _ in range(3):
        await called[DEFAULT](body=body, spec=spec, annotations={}, patch=kopf.Patch())
    (record,) = caplog.records
    said = "a Pod could not be filled in, and stays as it is: ZeroDivisionError('a fault of ours')"
    assert (record.getMessage(), record.__dict__["object"]) == (said, "default/hello")
