"""At which hours of which days of the week something holds, as the clocks of a place show it.

Only what the clocks show counts. In the night when they are put back, an hour that comes twice is
in both times or in neither; what they leave out in the night when they are put forward never comes.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from trunkpulse.model.maintenance import Weekday

__all__ = [
    "DAY_MINUTES",
    "Hours",
    "days_named",
    "minute_named",
    "name_of_minute",
    "names_of_days",
]

DAY_MINUTES = 24 * 60

_WEEK = tuple(Weekday)
_TIME = re.compile(r"([01][0-9]|2[0-4]):([0-5][0-9])")
_DAYS = {name: at for at, day in enumerate(_WEEK) for name in (day.value, day.value[:3])}


@dataclass(frozen=True, slots=True, kw_only=True)
class Hours:
    """Some hours of some days.

    Those from late to early run over midnight; they belong to the day on which they begin.
    """

    days: tuple[Weekday, ...] = ()
    """In the order of the week. Empty: every day."""
    from_minute: int = 0
    """Minutes after midnight, as the clocks show them."""
    to_minute: int = DAY_MINUTES
    """Minutes after midnight at which they are over; another than ``from_minute``."""

    def take_in(self, weekday: int, minute: int) -> bool:
        """Whether this minute is among them; ``weekday`` counts from Monday, which is 0."""
        if self.from_minute < self.to_minute:
            return self.from_minute <= minute < self.to_minute and self._has(weekday)
        if minute >= self.from_minute:
            return self._has(weekday)
        return minute < self.to_minute and self._has(weekday - 1)

    def _has(self, weekday: int) -> bool:
        return not self.days or _WEEK[weekday] in self.days


def days_named(text: str) -> frozenset[Weekday]:
    """The days that ``mon``, ``monday`` or ``mon-fri`` stands for; raises ValueError."""
    first, dash, last = text.lower().partition("-")
    begin, end = _DAYS.get(first), _DAYS.get(last if dash else first)
    if begin is None or end is None:
        raise ValueError('must be a day such as "mon", or days from one to another as in "mon-fri"')
    return frozenset(_WEEK[at % 7] for at in range(begin, (end if end >= begin else end + 7) + 1))


def names_of_days(days: Sequence[Weekday]) -> list[str]:
    """What ``days_named`` reads, for as many days in a row as there are."""
    runs: list[list[int]] = []
    for at in sorted(map(_WEEK.index, days)):
        if runs and runs[-1][-1] == at - 1:
            runs[-1].append(at)
        else:
            runs.append([at])
    names = [day.value[:3] for day in _WEEK]
    return [names[run[0]] if len(run) == 1 else f"{names[run[0]]}-{names[run[-1]]}" for run in runs]


def minute_named(text: str) -> int:
    """Minutes after midnight of a time from 00:00 to 24:00; raises ValueError."""
    found = _TIME.fullmatch(text)
    minute = int(found[1]) * 60 + int(found[2]) if found else DAY_MINUTES + 1
    if minute > DAY_MINUTES:
        raise ValueError('must be a time of day such as "08:00", up to "24:00"')
    return minute


def name_of_minute(minute: int) -> str:
    """What ``minute_named`` reads."""
    return f"{minute // 60:02}:{minute % 60:02}"
