"""What goes wrong again and again for one reason: told at once, and then at a rate that whoever reads the log can bear,
with how often it has happened."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from reaper_operator.errors import Unreadable

T = TypeVar("T")

logger = logging.getLogger(__name__)

OF_A_PART = 600.0  # seconds until it is told again of a part of the operator
OF_AN_OBJECT = 3600.0  # and of one object: there may be many that have the same
_MOST = 10_000  # objects that are remembered
_OF_EACH, _OF_THE_PART = 3, 100  # sentences: some have a number in them that is another each time


@dataclass
class _Told:
    """When it was told last, by a monotonic clock, and how often it has happened since."""

    at: float
    times: int = 0


class Complaints:
    """What is wrong for now, a sentence each: with a part of the operator, or with objects by their names."""

    def __init__(self, clock: Callable[[], float], *, most: int = _MOST) -> None:
        """`clock`: seconds, monotonic. `most`: objects that are remembered."""
        self._clock = clock
        self._most = most
        self._told: dict[str, dict[str, _Told]] = {}

    def about(
        self,
        text: str,
        subject: str = "",
        *,
        more: str = "",
        extra: Mapping[str, object] | None = None,
        level: int = logging.WARNING,
        fault: BaseException | None = None,
    ) -> None:
        """A line in the log, if it is due, else one for those who want every detail. `subject`: the object, as
        namespace/name; without one it is the part that the complaints are of. `more` is said with it and may differ
        each time. `extra`: of the line, as for logging. `fault` is shown with its traceback."""
        due = self.due(text, subject, more=more)
        extra = extra or ({"object": subject} if subject else None)
        if due is None:
            logger.debug("%s%s", text, more, extra=extra)
        else:
            logger.log(level, "%s", due, extra=extra, exc_info=fault)

    def unless_unreadable(self, read: Callable[[], T], subject: str) -> T | None:
        """What `read` makes of an object. Where the object makes no sense that is told, and this is None."""
        try:
            return read()
        except Unreadable as error:
            self.about(str(error), subject)
            return None

    def due(self, text: str, subject: str = "", *, more: str = "") -> str | None:
        """What to tell of something that has happened just now; None if that was told not long ago."""
        now, told = self._clock(), self._of(subject)
        last = told.get(text)
        if last is None:
            if len(told) == (_OF_EACH if subject else _OF_THE_PART):
                told.pop(next(iter(told), ""), None)
            told[text] = _Told(now)
            return text + more
        last.times += 1
        if now - last.at < (OF_AN_OBJECT if subject else OF_A_PART):
            return None
        often = f" ({last.times} times in {(now - last.at) / 60:.0f} min)" if last.times > 1 else ""
        told.pop(text, None)  # the latest is the last
        told[text] = _Told(now)
        return text + more + often

    def over(self, subject: str = "") -> None:
        """All is well with it: whatever goes wrong now is news."""
        self._told.pop(subject, None)

    def _of(self, subject: str) -> dict[str, _Told]:
        # No step here relies on the one before: the token's complaints come from several threads.
        told = self._told.pop(subject, None) or {}
        self._told[subject] = told  # the latest is the last
        if len(self._told) > self._most:
            self._told.pop(next(iter(self._told)), None)
        return told
