"""What a status may become: rules that the API server holds every writer to. They are why no attempt runs twice,
whatever the operator does (docs/decisions/0004-at-most-once.md)."""

from reaper_api.rules import Rule
from reaper_api.vocabulary import FINAL_PHASES

_FINAL = ", ".join(f"'{phase}'" for phase in sorted(FINAL_PHASES))


def _has(task: str, field: str) -> str:
    return f"(has({task}.status) && has({task}.status.{field}))"


def _attempts(task: str) -> str:
    """How many attempts were begun. The first operators recorded a Pod without counting."""
    return f"({_has(task, 'attempts')} ? {task}.status.attempts : {_has(task, 'podUID')} ? 1 : 0)"


def _finished(task: str) -> str:
    return f"({_has(task, 'phase')} && {task}.status.phase in [{_FINAL}])"


_BEFORE, _AFTER = _attempts("oldSelf"), _attempts("self")

TASK_RULES = (
    Rule(
        cel=f"!{_has('oldSelf', 'podUID')} || ({_has('self', 'podUID')} && "
        f"(self.status.podUID == oldSelf.status.podUID || {_AFTER} > {_BEFORE}))",
        message="status.podUID is recorded once for each attempt, so that none runs twice",
    ),
    Rule(
        cel=f"{_AFTER} == {_BEFORE} || ({_AFTER} == {_BEFORE} + 1 && {_has('self', 'podUID')} && "
        f"({_BEFORE} == 0 || {_has('oldSelf', 'nextAttemptTime')}))",
        message="status.attempts grows by one, with the Pod of the new attempt, and only after the attempt before it "
        "is over: when status.nextAttemptTime is there",
    ),
    Rule(
        cel=f"!{_finished('oldSelf')} || ({_has('self', 'phase')} && self.status.phase == oldSelf.status.phase && "
        f"{_AFTER} == {_BEFORE})",
        message="a finished task never changes its phase and never begins another attempt: create a new task to run it "
        "again",
    ),
    Rule(
        cel=f"!{_finished('self')} || !{_has('self', 'hostProcessPID')}",
        message="status.hostProcessPID is the process that runs: a finished task has none",
    ),
)
