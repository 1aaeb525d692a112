"""Counts of values by size, as Prometheus has them: cheap to feed, mergeable, of a fixed size."""

from __future__ import annotations

from bisect import bisect_left
from itertools import accumulate, pairwise

__all__ = ["LATENESS_BOUNDS_SECONDS", "RTT_BOUNDS_SECONDS", "Histogram"]

LATENESS_BOUNDS_SECONDS = (
    0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.03, 0.04, 0.05, 0.1, 0.2, 0.5, 1.0, 5.0, 30.0,
)  # fmt: skip
"""Around the bar for a probe against its schedule, which is 50 ms."""
RTT_BOUNDS_SECONDS = (
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 10.0,
)  # fmt: skip
"""From the same rack to the far side of a satellite, and the longest usual timeout."""


class Histogram:
    """How many values were at most each of ``bounds``, and how many were larger than all."""

    __slots__ = ("bounds", "counts", "sum")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        """``bounds`` are in ascending order; raises ValueError if they are not, or missing."""
        if not bounds or any(a >= b for a, b in pairwise(bounds)):
            raise ValueError(f"the bounds of a histogram must ascend: {bounds}")
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        """Values above the bound before and up to this one; the last: above all bounds."""
        self.sum = 0.0
        """Of all values."""

    def observe(self, value: float, times: int = 1) -> None:
        """Count ``value``, which occurred so many times."""
        self.counts[bisect_left(self.bounds, value)] += times
        self.sum += value * times

    @property
    def total(self) -> int:
        """How many values were counted."""
        return sum(self.counts)

    def quantile(self, share: float) -> float:
        """The value that ``share`` (0 to 1) of all did not exceed, as far as the bounds can tell.

        Within two bounds values count as evenly spread. What is above all bounds counts as the
        last one, and where nothing was counted the answer is 0.
        """
        rank = share * self.total
        below = 0
        lower = 0.0
        for bound, count in zip(self.bounds, self.counts, strict=False):
            if count and below + count >= rank:
                return lower + (bound - lower) * max(0.0, rank - below) / count
            below += count
            lower = bound
        return lower if self.counts[-1] else 0.0

    def cumulative(self) -> list[tuple[float, int]]:
        """(bound, values up to it) for each bound; infinity, with all of them, comes last."""
        bounds = (*self.bounds, float("inf"))
        return list(zip(bounds, accumulate(self.counts), strict=True))
