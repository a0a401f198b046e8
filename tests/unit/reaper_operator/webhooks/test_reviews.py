"""reviews.py: which requests are taken for those of an API server. What Kopf does with them: tests/integration."""

from typing import Any

import pytest

from reaper_operator.webhooks.reviews import DEFAULT, VALIDATE, VALIDATE_FILLED, is_review

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
