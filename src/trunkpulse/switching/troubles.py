"""Entries that could not be written: why, and when each is tried again.

An entry that is refused, or whose order is never answered, waits longer each time, and the others
go first. So it neither floods the log nor holds anything up.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from trunkpulse.ports import MachineClock
from trunkpulse.switching.plan import Order

__all__ = ["Troubles"]

FIRST_SECONDS: Final = 1.0
LONGEST_SECONDS: Final = 60.0


@dataclass(slots=True)
class _Trouble:
    up: bool
    problem: str
    tries: int
    not_before: float


class Troubles:
    """Of one switch; no more than it has entries."""

    def __init__(self, clock: MachineClock) -> None:
        self._clock = clock
        self._of: dict[str, _Trouble] = {}

    def had(self, order: Order, problem: str) -> bool:
        """The order failed; True if that is news for this entry."""
        was = self._of.get(order.key)
        tries = was.tries + 1 if was is not None and was.up is order.up else 1
        pause = min(FIRST_SECONDS * 2.0 ** min(tries - 1, 16), LONGEST_SECONDS)
        self._of[order.key] = _Trouble(order.up, problem, tries, self._clock.monotonic() + pause)
        return was is None or was.problem != problem

    def over(self, key: str) -> None:
        """It was written."""
        self._of.pop(key, None)

    def keep(self, orders: Iterable[Order]) -> None:
        """These are all that is left to write."""
        left = {each.key for each in orders}
        for key in [key for key in self._of if key not in left]:
            del self._of[key]

    def hurry(self) -> None:
        """Try them all again at once: somebody asked, or the switch was away and may be mended."""
        for each in self._of.values():
            each.not_before = 0.0

    def due(self, orders: Iterable[Order]) -> list[Order]:
        """Those that may be tried now, the ones that failed least first."""
        now = self._clock.monotonic()
        waiting = {key: each.up for key, each in self._of.items() if each.not_before > now}
        ready = [each for each in orders if waiting.get(each.key) is not each.up]
        return sorted(ready, key=self._tries)

    def problem(self, key: str) -> str | None:
        """Why it could not be written; None: it could."""
        trouble = self._of.get(key)
        return None if trouble is None else trouble.problem

    def _tries(self, order: Order) -> int:
        trouble = self._of.get(order.key)
        return 0 if trouble is None else trouble.tries
