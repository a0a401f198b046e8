"""plain.py: what it calls plain, the models find nothing wrong with."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reaper_api.ruleset import task as rules
from reaper_api.ruleset.plain import is_plain, is_plain_name
from reaper_api.task import ReaperTask

TEXT = st.text(max_size=1001) | st.sampled_from(["/bin/true", "/", "", "a/b", "x\0", "Never", "x" * 1000, "n1"])
NUMBERS = st.sampled_from([-1, 0, 1, 1000, 1001, 65535, 2**31, True])
SCALARS = TEXT | NUMBERS | st.booleans() | st.none()
VARIABLES = st.lists(st.fixed_dictionaries({"name": TEXT | st.sampled_from(["A", "B"])}, optional={"value": TEXT}))
SPECS = st.fixed_dictionaries(
    {"command": st.lists(st.just("/bin/true") | TEXT, max_size=3)},
    optional={
        "args": st.lists(TEXT, max_size=60),
        "env": VARIABLES,
        "restartPolicy": st.sampled_from(["Never", "OnFailure", "Always", "Sometimes"]),
        "workingDir": TEXT,
        "user": st.fixed_dictionaries({}, optional={"uid": NUMBERS, "gid": NUMBERS, "other": NUMBERS}),
        "terminationGracePeriodSeconds": NUMBERS,
        "nodeName": TEXT,
        "unknown": SCALARS,
        **dict.fromkeys(("stdin", "stdout", "stderr", "suspend", "terminal"), st.booleans() | SCALARS),
        **dict.fromkeys(("backoffLimit", "activeDeadlineSeconds", "ttlSecondsAfterFinished"), NUMBERS),
    },
)


def task(spec: Any, **more: Any) -> dict[str, Any]:
    return {"apiVersion": "reaper.io/v1alpha1", "kind": "ReaperTask", "metadata": {"name": "t"}, "spec": spec, **more}


def assert_the_models_agree(body: dict[str, Any]) -> None:
    ReaperTask.parse({**body, "metadata": {"name": "-", "namespace": "d", "uid": "-"}})
    assert list(rules._pruned(body["spec"], rules_model(), ("spec",))) == []
    assert list(rules._repeated_in(body["spec"], rules_model(), ("spec",))) == []


def rules_model() -> Any:
    return ReaperTask.model_fields["spec"].annotation


@settings(max_examples=400)
@given(SPECS)
def test_nothing_is_wrong_with_what_is_plain(spec: dict[str, Any]) -> None:
    body = task(spec)
    if is_plain(body):
        assert_the_models_agree(body)


FULL = {
    "command": ["/bin/sh", "-c", "x" * 1000],
    "args": [""] * 50,
    "env": [{"name": f"_{'A' * 60}{number}", "value": ""} for number in range(10)],
    "restartPolicy": "Always",
    "workingDir": "/",
    "user": {"uid": 0, "gid": 65535},
    **dict.fromkeys(("stdin", "stdout", "stderr", "suspend"), False),
    **dict.fromkeys(("backoffLimit", "activeDeadlineSeconds", "ttlSecondsAfterFinished"), 1000),
    "terminationGracePeriodSeconds": 1000,
    "nodeName": "a" * 63,
}


def test_the_bounds_of_what_is_plain_are_within_the_schema() -> None:
    assert is_plain(task(FULL))
    assert_the_models_agree(task(FULL))


@pytest.mark.parametrize(
    "body",
    [
        task({**FULL, "image": "x"}),
        task({**FULL, "terminal": True}),
        task({**FULL, "env": [{"name": "A"}, {"name": "A"}]}),
        task({**FULL, "command": []}),
        task({**FULL, "user": {"uid": 1}}),
        task({**FULL, "backoffLimit": True}),
        task(FULL, status={}),
        task(None),
        {"kind": "ReaperTask"},
    ],
)
def test_what_is_not_plain(body: dict[str, Any]) -> None:
    assert not is_plain(body)


def test_a_plain_name() -> None:
    assert is_plain_name("a-1")
    assert not any(map(is_plain_name, ["a\n", "A", "-a", "a.b", "a" * 64, "", 1, None]))
