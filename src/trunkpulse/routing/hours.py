"""Whether a route takes calls at a moment, by the clocks of its time zone, and when it will."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime, time, timedelta
from typing import Final

from trunkpulse.model import Hours, zone_of

__all__ = ["Opening"]

_MINUTE_MS: Final = 60_000
_DAYS_AHEAD: Final = 15
"""Times of one day a week that the clocks leave out this week come in the next."""


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
            is_open = self._is_open_in(minute)
            self._last = minute, is_open
        return is_open

    def opens_ms(self, now_ms: int) -> int | None:
        """When it is open next, in milliseconds since the epoch; None: not within two weeks.

        Of one that is open now it is when this minute began.
        """
        now = now_ms // _MINUTE_MS
        if self._is_open_in(now):
            return now * _MINUTE_MS
        today = datetime.fromtimestamp(now * 60, self._zone).date()
        for days in range(_DAYS_AHEAD):
            begins = self._beginnings(today + timedelta(days=days))
            if found := [each for each in begins if each > now and self._is_open_in(each)]:
                return min(found) * _MINUTE_MS
        return None

    def _beginnings(self, day: date) -> Iterator[int]:
        """The minutes since the epoch at which it may open on ``day``, and others.

        It opens when the clocks come to show the beginning of one of the times, or when they are
        put to a moment after it.
        """
        midnight = datetime.combine(day, time(), self._zone)
        for hours in self.schedule[0]:
            begins = hours.from_minute
            if hours.take_in(day.weekday(), begins):
                shown = midnight.replace(hour=begins // 60, minute=begins % 60)
                yield from (_minute(shown.replace(fold=fold)) for fold in (0, 1))
        first, last = _minute(midnight) - 1, _minute(midnight + timedelta(days=1))
        before = self._offset(first)
        if self._offset(last) == before:
            return
        while last - first > 1:  # down to the minute in which they have been put on or back
            middle = (first + last) // 2
            first, last = (middle, last) if self._offset(middle) == before else (first, middle)
        yield last

    def _is_open_in(self, minute: int) -> bool:
        shown = datetime.fromtimestamp(minute * 60, self._zone)
        weekday, since_midnight = shown.weekday(), shown.hour * 60 + shown.minute
        return any(hours.take_in(weekday, since_midnight) for hours in self.schedule[0])

    def _offset(self, minute: int) -> timedelta | None:
        return datetime.fromtimestamp(minute * 60, self._zone).utcoffset()


def _minute(shown: datetime) -> int:
    return int(shown.timestamp()) // 60
