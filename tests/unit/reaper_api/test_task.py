"""task.py: what a ReaperTask may say. The same examples meet a real API server in tests/integration."""

from typing import Any

import pytest

from reaper_api.task import InvalidTask, ReaperTask
from tests.fakes.cluster import task_body
from tests.fakes.refusals import REFUSALS, Refusal
from tests.fakes.specs import GOOD


@pytest.mark.parametrize("spec", GOOD.values(), ids=GOOD)
def test_good_specs(spec: dict[str, Any]) -> None:
    body = task_body()
    body["spec"] = spec
    ReaperTask.parse(body)


@pytest.mark.parametrize("bad", REFUSALS, ids=lambda bad: bad.id)
def test_bad_tasks(bad: Refusal) -> None:
    """The models read what the API server has taken: they know neither other fields, nor names, nor duplicates."""
    known = [line for line in bad.validate if line.partition(":")[0] != "metadata.name"]
    known = [line.partition(". It is read")[0] for line in known if not line.endswith("is there already")]
    known = [line for line in known if "would be dropped" not in line]
    body = {**bad.task, "metadata": task_body()["metadata"]}
    if not known:
        ReaperTask.parse(body)
        return
    with pytest.raises(InvalidTask) as caught:
        ReaperTask.parse(body)
    assert list(caught.value.problems) == known


def test_every_wrong_field_is_named() -> None:
    with pytest.raises(InvalidTask) as caught:
        ReaperTask.parse(task_body(command=[], user={"uid": -1, "gid": 0}, env=[{"value": "x"}]))
    text = str(caught.value)
    for path in ("spec.command", "spec.user.uid", "spec.env[0].name"):
        assert path in text


def test_a_newer_field_is_not_in_the_way_of_an_older_operator() -> None:
    assert ReaperTask.parse(task_body(fromTheFuture=True)).spec.command == ("/bin/true",)


def test_what_others_write_into_the_status_is_not_in_the_way() -> None:
    body = task_body()
    body["status"] = {"hostProcessPID": 4711, "phase": "Running"}
    assert ReaperTask.parse(body).status.phase == "Running"
