"""Documents that name what the code names."""

import re
from pathlib import Path

from reaper_api.vocabulary import ConditionType, Reason

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "tasks.md").read_text()
# Between the lines of a table: the reason of a success, of the condition Suspended, and of a step that lasts a moment.
SAID_ELSEWHERE = {Reason.COMPLETED, Reason.SUSPENDED, Reason.RESUMED, Reason.TASK_DELETED}


def test_every_reason_of_ours_is_explained() -> None:
    named = set(re.findall(r"`([A-Za-z]+)`", PAGE))
    assert {str(reason) for reason in set(Reason) - SAID_ELSEWHERE} - named == set()


def test_the_conditions_that_people_wait_for_are_named() -> None:
    assert {ConditionType.FINISHED, ConditionType.STALLED} <= {kind for kind in ConditionType if kind in PAGE}
