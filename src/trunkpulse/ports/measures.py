"""The minutes of targets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from trunkpulse.model import TargetState

__all__ = [
    "MeasureStore",
    "MinuteNumbers",
    "WantedMinutes",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class MinuteNumbers:
    """What the attempts at one target came to in one minute, or in several."""

    trunk_id: str
    uri: str
    place: str | None
    """Where its name led, as ``udp:192.0.2.1:5060``; None while that was not known."""
    minute: int
    """Which one, the first if there are several: minutes since the epoch."""
    answers: int
    """Attempts with a final answer, healthy or not."""
    losses: int
    """Attempts without one."""
    rtt_sum_seconds: float
    """Of all answers together."""
    rtt_max_seconds: float
    """0 without an answer."""
    smoothed_rtt_seconds: float | None
    """As it was at the end; None before the first answer."""
    jitter_seconds: float | None
    """As it was at the end; None before the second answer."""
    state: TargetState
    """As it was at the end."""

    @property
    def key(self) -> tuple[int, str, str]:
        """What the minutes of a trunk are in the order of: time, then URI and place."""
        return self.minute, self.uri, self.place or ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedMinutes:
    """Which of a trunk's minutes are asked for, and how many come as one entry."""

    first: int
    """Minutes since the epoch."""
    last: int
    """The same; it is one of them."""
    step: int = 1
    """An entry sums up so many minutes, from a multiple of it on."""
    after: tuple[int, str, str] | None = None
    """Only entries with a key above this one."""
    limit: int = 1000
    """Entries at most."""


class MeasureStore(Protocol):
    """The numbers of targets, minute by minute. Only adapters know how they are kept small."""

    async def add_minutes(self, minutes: Sequence[MinuteNumbers]) -> None:
        """Write all in one transaction; raises StoreUnavailable.

        A minute of a target that is there already, from before a restart or a step of the clock,
        is added to: counts and sums add up, the longer round trip stays, and what is told as of
        the end is that of the later writing.
        """

    async def minutes(self, trunk_id: str, wanted: WantedMinutes) -> list[MinuteNumbers]:
        """A trunk's minutes, in the order of their keys; raises StoreUnavailable.

        An entry in which nothing was written is left out.
        """

    async def prune_minutes(self, before: int) -> int:
        """Drop minutes older than this one, in small transactions; how many went."""
