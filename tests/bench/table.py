"""The rows that benchmarks give, and their table."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence


@dataclass(frozen=True)
class Target:
    """What a row has to keep: a bound of the ratio of our figure to the reference's, or of our own figure."""

    bound: float
    at_least: bool = False
    unit: str = ""  # empty: the bound is one of the ratio

    def __str__(self) -> str:
        return f"{'≥' if self.at_least else '≤'} {self.bound:g} {self.unit}".rstrip() if self.unit else (
            f"{'≥' if self.at_least else '≤'} {self.bound:.2f}"
        )  # fmt: skip

    def kept(self, row: Row) -> bool:
        """Whether a row keeps it."""
        figure = row.reaper if self.unit else row.ratio
        if figure is None:
            raise ValueError(f"{row.what}: there is no ratio, and the target is one")
        return figure >= self.bound if self.at_least else figure <= self.bound


@dataclass(frozen=True)
class Row:
    """One figure of ours and of what it is set beside, in the same unit."""

    what: str
    reaper: float
    reference: float | None  # None: there is nothing to be set beside
    target: Target | None = None

    @classmethod
    def of(
        cls,
        what: str,
        values: Mapping[str, Sequence[float]],
        figure: Callable[[Sequence[float]], float],
        target: Target | None = None,
    ) -> Row:
        """A figure, such as the median, of what was measured of each runtime."""
        return cls(what, figure(values["reaper"]), figure(values["runc"]), target)

    @property
    def ratio(self) -> float | None:
        """The reference is 1.00; None without one, or where it is nothing."""
        return self.reaper / self.reference if self.reference else None

    def cells(self) -> tuple[str, ...]:
        """As they are shown; a target that is not kept says so."""
        target = "" if self.target is None else str(self.target)
        if self.target is not None and not self.target.kept(self):
            target += " (missed)"
        return self.what, *map(_figure, (self.reaper, self.reference)), _decimals(self.ratio), target


def show(rows: Iterable[Row]) -> None:
    """For a person at a terminal, each row as soon as it is there."""
    line = "{:44}{:>10}{:>10}{:>8}  {}"
    for row in rows:
        print(line.format(*row.cells()), flush=True)


def markdown(rows: Sequence[Row], reference: str) -> str:
    """As a table of Markdown. `reference`: what ours is set beside."""
    header = ("what", "reaper", reference, "ratio", "target")
    lines = [header, ("---", "---:", "---:", "---:", "---:"), *(row.cells() for row in rows)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def percentile(values: Sequence[float], share: int) -> float:
    """The value that `share` of 100 do not exceed."""
    return statistics.quantiles(values, n=100, method="inclusive")[share - 1]


def _figure(value: float | None) -> str:
    if value is None or value < 10:
        return _decimals(value)
    return f"{value:.1f}" if value < 1000 else f"{value:.0f}"


def _decimals(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"
