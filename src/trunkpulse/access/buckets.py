"""How many requests somebody may make: a bucket for each, that fills up evenly. Pure.

A bucket holds at most ``burst`` and gets ``per_second`` back, so whoever has been quiet may ask for
many things at once, and over a long time for so many a second. A request that is refused takes
nothing.

Memory is bounded: beyond ``capacity`` the bucket that was used longest ago is forgotten, which by
then is full again, or as good as.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass

__all__ = ["Buckets", "Standing"]


@dataclass(frozen=True, slots=True)
class Standing:
    """How somebody stands after a request."""

    allowed: bool
    left: int
    """Requests that could follow at this moment."""
    full_in_seconds: float
    """Until the bucket is full again."""
    wait_seconds: float
    """Until one more request is allowed; 0: it is now."""


class Buckets:
    """See the module's opening. Moments are seconds that never go backwards."""

    def __init__(self, per_second: float, burst: int, *, capacity: int) -> None:
        """``burst`` and ``capacity`` are at least 1, ``per_second`` is above 0."""
        self.per_second = per_second
        self.burst = burst
        self._capacity = capacity
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        """By name: how much was in it, and when."""

    def change(self, per_second: float, burst: int) -> None:
        """From now on so many; what is in a bucket stays, as far as it fits."""
        self.per_second, self.burst = per_second, burst

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, name: str, now: float) -> Standing:
        """One request of ``name``."""
        left = self._left(name, now)
        allowed = left >= 1
        if allowed:
            left -= 1
        self._buckets[name] = left, now
        self._buckets.move_to_end(name)
        if len(self._buckets) > self._capacity:
            self._buckets.popitem(last=False)
        return Standing(
            allowed=allowed,
            left=int(left),
            full_in_seconds=(self.burst - left) / self.per_second,
            wait_seconds=max(0.0, 1 - left) / self.per_second,
        )

    @property
    def fills_in_seconds(self) -> int:
        """How long an empty one takes to be full, in whole seconds."""
        return math.ceil(self.burst / self.per_second)

    def _left(self, name: str, now: float) -> float:
        known = self._buckets.get(name)
        if known is None:
            return float(self.burst)
        left, at = known
        return min(float(self.burst), left + max(0.0, now - at) * self.per_second)
