"""One row of the table: a figure of trunkpulse's beside another of the same run, and the bar.

Absolute figures drift with the machine and with whatever else it does; the ratio of two that were
measured in one run drifts far less, so it is the ratio that is held against a bar.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, StrEnum

__all__ = ["Bar", "Row", "Unit", "Verdict", "written"]


class Unit(Enum):
    """What a figure counts, as it is written after it."""

    MICROSECONDS = "μs"
    MILLISECONDS = "ms"
    SECONDS = "s"
    BYTES = "B"
    PER_SECOND = "/s"


_DECIMALS = {
    Unit.MICROSECONDS: 1,
    Unit.MILLISECONDS: 1,
    Unit.SECONDS: 1,
    Unit.BYTES: 0,
    Unit.PER_SECOND: 0,
}


def written(figure: float, unit: Unit) -> str:
    """``figure`` for a person: ``12.4 μs``."""
    return f"{figure:,.{_DECIMALS[unit]}f} {unit.value}"


class Verdict(StrEnum):
    """How a row did."""

    MET = "met"
    MISSED = "missed"
    NO_BAR = ""
    """It is there for comparison."""
    NOT_MEASURED = "not measured"


@dataclass(frozen=True, slots=True)
class Bar:
    """What the ratio of a row may be."""

    ratio: float
    at_least: bool = False
    """Otherwise at most."""

    def __str__(self) -> str:
        return f"{'≥' if self.at_least else '≤'} {self.ratio:.2g} x"

    def is_met_by(self, ratio: float) -> bool:
        """True if a row of this ratio is good enough."""
        return ratio >= self.ratio if self.at_least else ratio <= self.ratio

    def used(self, ratio: float) -> float:
        """The share of what is allowed that this ratio takes; above 1 the bar is missed."""
        if not self.at_least:
            return ratio / self.ratio
        return self.ratio / ratio if ratio else float("inf")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """See the module's opening."""

    group: str
    what: str
    unit: Unit
    ours: float | None
    beside: str
    """Whose figure ``theirs`` is; "bar" if it is what is asked for."""
    theirs: float | None
    bar: Bar | None = None

    @property
    def ratio(self) -> float | None:
        """Ours to theirs; None if one of them is missing."""
        return self.ours / self.theirs if self.ours is not None and self.theirs else None

    @property
    def verdict(self) -> Verdict:
        ratio = self.ratio
        if ratio is None:
            return Verdict.NOT_MEASURED
        if self.bar is None:
            return Verdict.NO_BAR
        return Verdict.MET if self.bar.is_met_by(ratio) else Verdict.MISSED
