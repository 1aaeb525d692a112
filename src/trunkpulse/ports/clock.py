"""Time, so that a test can drive it."""

from __future__ import annotations

from typing import Protocol

__all__ = [
    "Clock",
    "MachineClock",
]


class Clock(Protocol):
    """Time, so that a test can drive it."""

    def monotonic(self) -> float:
        """Seconds from an arbitrary start, never backwards: for intervals."""

    def wall(self) -> float:
        """Seconds since the epoch: for what a person reads."""


class MachineClock(Clock, Protocol):
    """The time of the machine that we run on, which may sleep and whose clock may be set."""

    def boot(self) -> float:
        """Like ``monotonic``, but it goes on while the machine sleeps."""
