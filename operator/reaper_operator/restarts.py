"""A part of the operator that may end by what the API server does, and is begun again: after which pause, and from when
on it counts as well. Pure."""

from collections.abc import Callable

FIRST, LONGEST = 1.0, 30.0  # seconds: the first pause of some in a row, and the longest
JITTER = 0.2  # of a pause, at most: that replicas which were cut off together do not come again together
WELL = 120.0  # seconds that a run has to last to be none of those: what is refused breaks off in 70 s at most


class Restarts:
    """The runs of one part."""

    def __init__(
        self, clock: Callable[[], float], chance: Callable[[], float], *, first: float = FIRST, longest: float = LONGEST
    ) -> None:
        """`clock`: seconds, monotonic. `chance`: a random number from 0 to 1. `first` and `longest`: pauses in
        seconds."""
        self._clock, self._chance, self._first, self._longest = clock, chance, first, longest
        self._began: float | None = None
        self._reset()
        self._was_well = False  # ever
        self._untold = 0  # tries that have failed since it was well
        self._since = 0.0  # when the first of them did

    def _reset(self) -> None:
        self._failures = 0  # in a row
        self._ends = 0  # those of them that were runs
        self._lasted = 0.0  # the longest of the runs that were not well

    def begun(self) -> None:
        """A run begins now."""
        self._began = self._clock()

    def failed(self) -> None:
        """The run has ended, or none could begin."""
        now = self._clock()
        if self._began is not None:
            lasted = now - self._began
            if lasted >= WELL:
                self._reset()
            else:
                self._lasted = max(self._lasted, lasted)
            self._ends += 1
            self._began = None
        self._failures += 1
        if not self._untold:
            self._since = now
        self._untold += 1

    def pause(self) -> float:
        """Seconds until the next try."""
        # The exponent is capped before the power is taken: 2.0 ** 1100 is an OverflowError.
        pause = min(self._longest, self._first * 2.0 ** min(self._failures - 1, 32))
        return pause * (1 + JITTER * self._chance())

    @property
    def unsure(self) -> float:
        """Seconds that a run has to go on until it counts as well. One that follows others which have broken off soon
        has to outlive them: they looked well, too."""
        return 0.0 if self._ends < 2 else min(WELL, 2 * self._lasted)

    def well(self) -> str:
        """The run counts as well from now on. What to tell of those before, if there is anything."""
        tries, self._untold = self._untold, 0
        again, self._was_well = " again" if self._was_well else "", True
        if not tries:
            return ""
        seconds = self._clock() - self._since
        took = f"{seconds:.0f} s" if seconds < WELL else f"{seconds / 60:.0f} min"
        return f"{again}, after {tries} {'try' if tries == 1 else 'tries'} in {took}"
