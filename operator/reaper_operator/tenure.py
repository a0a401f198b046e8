"""For how long this process may act as the leader. Pure: the clock comes in as an argument.

This is the fence: every write asks it, right before its bytes leave. It needs no answer of anybody, so a leader that
was paused for a minute is refused by its own clock before it has learned of its successor.

```
asked                      asked + renew            asked + lease
  |-- writes may begin ----------|-- those end -----------|-- another may lead
```

`asked` is when the last confirmed renewal was sent. Whoever takes over saw that renewal later than it was sent, and
waits for the whole lease from then on.
"""

from collections.abc import Callable

from reaper_operator.errors import NotLeader
from reaper_operator.lease import Terms


class Tenure:
    """Written by the election, read by any thread."""

    def __init__(self, clock: Callable[[], float], terms: Terms) -> None:
        """`clock`: seconds that go on while the process is stopped and while the machine sleeps."""
        self._clock = clock
        self._terms = terms
        self._asked: float | None = None  # one word, so that threads see all of it or nothing

    def confirm(self, asked: float) -> bool:
        """A claim that was sent at `asked` was granted. False if that comes too late: whoever has ceased to lead does
        not begin anew."""
        ceased = self._asked is not None and not self.leads()
        if ceased or self._clock() - asked >= self._terms.renew:
            return False
        self._asked = asked
        return True

    def end(self) -> None:
        """Cease to lead: no write begins from now on."""
        self._asked = None

    def seconds_left(self) -> float:
        """Until leadership ends unless it is confirmed anew; 0 if there is none."""
        asked = self._asked
        return 0.0 if asked is None else max(0.0, asked + self._terms.renew - self._clock())

    def leads(self) -> bool:
        """Whether this process may act as the leader right now."""
        return self.seconds_left() > 0

    def seconds_for_a_write(self) -> float:
        """For how long a write that begins now may take. Raises NotLeader if none may begin."""
        asked = self._asked
        age = None if asked is None else self._clock() - asked
        if age is None or age >= self._terms.renew:
            raise NotLeader(age)
        return self._terms.lease - age
