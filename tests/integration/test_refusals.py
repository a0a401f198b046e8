"""What a real API server says about wrong tasks and forbidden changes, to the letter."""

from typing import Any

import pytest

from tests.fakes.refusals import ALLOWED, BASE, CHANGES, REFUSALS, Change, Refusal, task
from tests.integration.api import MERGE, Answer, Api

# What the API server adds where it does not even begin with the rules.
ADDITION = "some validation rules were not checked because the object was invalid"


def sentences(answer: Answer) -> list[str]:
    """What kubectl shows as a list, or its one message."""
    if answer.status != 422:
        return [answer.message]
    causes = [f"{cause['field']}: {cause['message']}" for cause in answer.body["details"]["causes"]]
    return sorted(cause for cause in causes if ADDITION not in cause)


@pytest.mark.parametrize("bad", REFUSALS, ids=lambda bad: bad.id)
def test_a_wrong_task_is_refused(api: Api, tasks: str, bad: Refusal) -> None:
    answer = api.request("POST", tasks, bad.task, dryRun="All", fieldValidation="Strict")
    assert answer.status in {400, 422}, answer.body
    assert sentences(answer) == sorted(bad.answer)


def test_there_are_enough_examples_and_each_has_a_name() -> None:
    assert len({bad.id for bad in REFUSALS}) == len(REFUSALS) >= 60


@pytest.fixture(scope="module")
def there(api: Api, tasks: str) -> str:
    """The path of a task that is there. It never starts, whoever is at work here."""
    spec = BASE | {"suspend": True}
    api.request("POST", tasks, task(spec, "there")).ok()
    return f"{tasks}/there"


@pytest.mark.parametrize("bad", CHANGES, ids=lambda bad: bad.id)
def test_a_spec_cannot_be_changed(api: Api, there: str, bad: Change) -> None:
    answer = api.request("PATCH", there, {"spec": bad.change}, content_type=MERGE, dryRun="All")
    assert answer.status == 422, answer.body
    assert sentences(answer) == sorted(bad.answer)


@pytest.mark.parametrize("change", ALLOWED, ids=str)
def test_what_may_be_changed(api: Api, there: str, change: dict[str, Any]) -> None:
    api.request("PATCH", there, {"spec": change}, content_type=MERGE, dryRun="All").ok()
    api.request("PATCH", there, {"metadata": {"labels": {"mine": "yes"}}}, content_type=MERGE).ok()


def test_what_is_dropped_without_a_word_unless_somebody_asks(api: Api, tasks: str) -> None:
    """Why there is a linter: not every client asks for strict validation, as kubectl does."""
    body = task({"command": ["true"], "image": "busybox"})
    created = api.request("POST", tasks, body, dryRun="All", fieldValidation="Ignore")
    assert "image" not in created.ok()["spec"]
    assert created.warnings == ()
    assert api.request("POST", tasks, body, dryRun="All").warnings == ('unknown field "spec.image"',)
    (linter,) = (bad.validate for bad in REFUSALS if bad.id == "an image")
    assert linter[0].startswith("spec.image does not exist and would be dropped")
