"""Whether a route takes calls at a moment, by the clocks of its time zone."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from trunkpulse.model import Hours, zone_of

__all__ = ["Opening"]

_MINUTE_MS = 60_000


class Opening:
    """The hours of a route. Remembers its last answer: within a minute it stays the same."""

    def __init__(self, times: Sequence[Hours], timezone: str) -> None:
        self.schedule = tuple(times), timezone
        """Those with equal ones are open at the same moments."""
        self._zone = zone_of(timezone)
        self._last = -1, False

    def is_open(self, now_ms: int) -> bool:
        """Whether the clocks show one of the times; ``now_ms`` counts from the epoch."""
        minute = now_ms // _MINUTE_MS
        known, is_open = self._last  # as one, for whoever decides in another thread
        if known != minute:
            shown = datetime.fromtimestamp(minute * 60, self._zone)
            weekday, since_midnight = shown.weekday(), shown.hour * 60 + shown.minute
            is_open = any(hours.take_in(weekday, since_midnight) for hours in self.schedule[0])
            self._last = minute, is_open
        return is_open
