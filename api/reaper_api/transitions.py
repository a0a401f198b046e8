"""What a status may become: rules that the API server holds every writer to. They are why no attempt runs twice,
whatever the operator does (docs/decisions/0004-at-most-once.md).

They are rules of the status, and not of the task, because that has a default: there always is one, before and after.
"""

from reaper_api.rules import Rule
from reaper_api.vocabulary import FINAL_PHASES

_FINAL = ", ".join(f"'{phase}'" for phase in sorted(FINAL_PHASES))


def _attempts(status: str) -> str:
    """How many attempts were begun. The first operators recorded a Pod without counting."""
    return f"{status}.?attempts.orValue(has({status}.podUID) ? 1 : 0)"


def _finished(status: str) -> str:
    return f"{status}.?phase.orValue('') in [{_FINAL}]"


_BEFORE, _AFTER = _attempts("oldSelf"), _attempts("self")

# Each begins with what holds of nearly every write: every field that is looked at costs (Rule.of_value).
STATUS_RULES = (
    Rule(
        cel=f"!has(oldSelf.podUID) || (has(self.podUID) && (self.podUID == oldSelf.podUID || {_AFTER} > {_BEFORE}))",
        message="status.podUID is recorded once for each attempt, so that none runs twice",
    ),
    Rule(
        cel=f"{_AFTER} == {_BEFORE} || ({_AFTER} == {_BEFORE} + 1 && has(self.podUID) && "
        f"({_BEFORE} == 0 || has(oldSelf.nextAttemptTime)))",
        message="status.attempts grows by one, with the Pod of the new attempt, and only after the attempt before it "
        "is over: when status.nextAttemptTime is there",
    ),
    Rule(
        cel=f"!({_finished('oldSelf')}) || (has(self.phase) && self.phase == oldSelf.phase && {_AFTER} == {_BEFORE})",
        message="a finished task never changes its phase and never begins another attempt: create a new task to run it "
        "again",
    ),
    Rule(
        cel=f"!has(self.hostProcessPID) || !({_finished('self')})",
        message="status.hostProcessPID is the process that runs: a finished task has none",
    ),
)
