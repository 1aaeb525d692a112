"""When work on trunks is planned, so that their trouble wakes nobody.

A window is either one stretch of time or comes again every day or on some days of the week. One
that comes again begins at a time of day in a time zone, and lasts as long as it says by any clock:
in the night when clocks change, two hours are two hours. A time that is left out that night
(02:30 on the last Sunday in March in Berlin) stands for the moment an hour after 01:30; one that
comes twice stands for the first.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta, tzinfo
from enum import StrEnum
from functools import cached_property
from zoneinfo import ZoneInfo

__all__ = ["MaintenanceWindow", "Recurrence", "Repeat", "Weekday", "zone_of"]

_DAY_SECONDS = 24 * 3600


def zone_of(name: str) -> tzinfo:
    """The time zone of this name; raises ValueError or KeyError if this machine knows none."""
    return UTC if name == "UTC" else ZoneInfo(name)  # the first needs no database


class Weekday(StrEnum):
    """In the order of ``datetime.weekday``."""

    MONDAY = "monday"
    TUESDAY = "tuesday"
    WEDNESDAY = "wednesday"
    THURSDAY = "thursday"
    FRIDAY = "friday"
    SATURDAY = "saturday"
    SUNDAY = "sunday"


class Repeat(StrEnum):
    """How often a window comes again."""

    DAILY = "daily"
    WEEKLY = "weekly"


_WEEK = tuple(Weekday)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recurrence:
    """A window that comes again."""

    repeat: Repeat
    at: time
    """When it begins, on the clocks of ``time_zone``."""
    duration_seconds: int
    """At most as long as the time until it comes again."""
    days: tuple[Weekday, ...] = ()
    """On which it begins, if it is weekly."""
    time_zone: str = "UTC"
    """A name of the IANA database, such as "Europe/Berlin"."""

    def around(self, now_ms: int) -> list[tuple[int, int]]:
        """Beginnings and ends, in order, from the one that may go on now to the next to come."""
        zone = zone_of(self.time_zone)
        today = datetime.fromtimestamp(now_ms / 1000, zone).date()
        before = self.duration_seconds // _DAY_SECONDS + 1
        found: list[tuple[int, int]] = []
        # A week and a day from now, a weekly window has come again.
        for days in range(-before, 9):
            day = today + timedelta(days=days)
            if self.days and _WEEK[day.weekday()] not in self.days:
                continue
            start = datetime.combine(day, self.at, zone).astimezone(UTC)
            start_ms = round(start.timestamp() * 1000)
            found.append((start_ms, start_ms + self.duration_seconds * 1000))
        return found


@dataclass(frozen=True, kw_only=True)
class MaintenanceWindow:
    """Which trunks are worked on, and when.

    A trunk has to be in each of the lists that is not empty; with all three empty, all trunks are.
    Either ``starts_ms`` and ``ends_ms`` are given, or ``recurrence``.
    """

    id: str
    name: str
    trunks: tuple[str, ...] = ()
    carriers: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    starts_ms: int | None = None
    ends_ms: int | None = None
    recurrence: Recurrence | None = None
    managed_by: str | None = None
    """The file that declares it (read-only in the API), or None if made through the API."""

    def until_ms(self, now_ms: int) -> int | None:
        """When it ends, if it goes on at ``now_ms``; None if it does not."""
        return max(
            (end for start, end in self._spans(now_ms) if start <= now_ms < end), default=None
        )

    def next_ms(self, now_ms: int) -> int | None:
        """When it begins next; None if it never will again."""
        return min((start for start, _ in self._spans(now_ms) if start > now_ms), default=None)

    def covers(self, trunk_id: str, carrier: str | None, region: str) -> bool:
        """True if this trunk is worked on, when it goes on."""
        return (
            (not self.trunks or trunk_id in self._trunk_ids)
            and (not self.carriers or carrier in self.carriers)
            and (not self.regions or region in self.regions)
        )

    @cached_property
    def _trunk_ids(self) -> frozenset[str]:
        return frozenset(self.trunks)

    def _spans(self, now_ms: int) -> list[tuple[int, int]]:
        if self.recurrence is not None:
            return self.recurrence.around(now_ms)
        assert self.starts_ms is not None
        assert self.ends_ms is not None
        return [(self.starts_ms, self.ends_ms)]
