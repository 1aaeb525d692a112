"""The table of a maintenance window, and the window that it describes.

The API takes the same, in camelCase; so what may be said together is checked here for both.
"""

from __future__ import annotations

from datetime import datetime, time
from typing import Annotated

from pydantic import Field, PlainValidator
from pydantic_core import PydanticCustomError

from trunkpulse.config.kinds import ID, LABEL, Choice, Id, Label, List
from trunkpulse.config.section import Allowed, Section, text_of
from trunkpulse.config.wording import either, shown
from trunkpulse.model import MaintenanceWindow, Recurrence, Repeat, Weekday, zone_of

__all__ = [
    "ZONE",
    "MaintenanceEntry",
    "WindowInvalid",
    "moment",
    "time_of_day",
    "window_from",
    "zone_name",
]

DAY_SECONDS = 24 * 3600
WEEK_SECONDS = 7 * DAY_SECONDS
_MOMENT = "a moment such as 2026-12-06T02:00:00+01:00"
_TIME = 'a time of day such as "02:00"'
ZONE = 'a time zone such as "Europe/Berlin"'
_LONGEST_ZONE_NAME = 64
_FIRST_YEAR, _LAST_YEAR = 2000, 9000


class WindowInvalid(ValueError):
    """What is said of a window does not go together.

    ``key`` is the one to correct; the message is read after its name.
    """

    def __init__(self, key: str, predicate: str) -> None:
        super().__init__(predicate)
        self.key = key


def moment(raw: object) -> datetime:
    """A moment of TOML, or a text as in RFC 3339; the offset may be left to the time zone."""
    if not isinstance(raw, str | datetime):
        raise PydanticCustomError("moment", "not a moment")
    try:
        found = raw if isinstance(raw, datetime) else datetime.fromisoformat(raw)
    except ValueError:
        raise ValueError(f"must be {_MOMENT}, not {shown(raw)}") from None
    if not _FIRST_YEAR <= found.year <= _LAST_YEAR:
        raise ValueError(f"must be {_MOMENT}, from {_FIRST_YEAR} to {_LAST_YEAR}")
    return found


def time_of_day(raw: object) -> time:
    """A time of TOML, or a text such as 02:00; without an offset, which is the time zone's."""
    if isinstance(raw, time):
        return raw
    if not isinstance(raw, str):
        raise PydanticCustomError("time", "not a time of day")
    try:
        found = time.fromisoformat(raw)
    except ValueError:
        raise ValueError(f"must be {_TIME}, not {shown(raw)}") from None
    if found.tzinfo is not None:
        raise ValueError(f"must be {_TIME}, without an offset; set time_zone instead")
    return found


def zone_name(name: str) -> str:
    """The name of a time zone that this machine knows."""
    try:
        zone_of(name[:_LONGEST_ZONE_NAME])
    except (ValueError, KeyError, OSError):
        raise ValueError(
            f'must be {ZONE} that this machine knows, not {shown(name)}; "UTC" always is'
        ) from None
    return name


class MaintenanceEntry(Section):
    id: Annotated[Id, Allowed(ID)]
    name: Annotated[Label | None, Allowed(LABEL)] = None
    trunks: Annotated[
        tuple[Id, ...],
        List,
        Allowed("a list of ids of trunks", each="the id of a trunk in quotes"),
    ] = ()
    carriers: Annotated[
        tuple[Label, ...], List, Allowed("a list of carriers", each="a carrier in quotes")
    ] = ()
    regions: Annotated[
        tuple[Id, ...], List, Allowed("a list of regions", each="a region in quotes")
    ] = ()
    starts: Annotated[datetime | None, PlainValidator(moment), Allowed(_MOMENT)] = None
    ends: Annotated[datetime | None, PlainValidator(moment), Allowed(_MOMENT)] = None
    repeat: Annotated[Repeat | None, Choice, Allowed(either(Repeat))] = None
    days: Annotated[
        tuple[Annotated[Weekday, Choice], ...],
        List,
        Allowed('a list of days such as ["sunday"]', each=either(Weekday)),
    ] = ()
    at: Annotated[time | None, PlainValidator(time_of_day), Allowed(_TIME)] = None
    duration_seconds: Annotated[
        int | None,
        Field(ge=60, le=WEEK_SECONDS),
        Allowed(f"a whole number of seconds from 60 to {WEEK_SECONDS}"),
    ] = None
    time_zone: Annotated[str, text_of(zone_name), Allowed(ZONE)] = "UTC"


def window_from(entry: MaintenanceEntry, managed_by: str | None) -> MaintenanceWindow:
    """The window that a table describes; raises WindowInvalid."""
    recurrence = _recurrence(entry) if entry.repeat is not None else None
    starts_ms, ends_ms = (None, None) if recurrence is not None else _span(entry)
    return MaintenanceWindow(
        id=entry.id,
        name=entry.name or entry.id,
        trunks=entry.trunks,
        carriers=entry.carriers,
        regions=entry.regions,
        starts_ms=starts_ms,
        ends_ms=ends_ms,
        recurrence=recurrence,
        managed_by=managed_by,
    )


def _recurrence(entry: MaintenanceEntry) -> Recurrence:
    assert entry.repeat is not None
    for key in ("starts", "ends"):
        if getattr(entry, key) is not None:
            raise WindowInvalid(key, "must be left out of a window that comes again; set at")
    if entry.at is None:
        raise WindowInvalid("at", f"is missing; it must be {_TIME}, when the window begins")
    if entry.duration_seconds is None:
        raise WindowInvalid(
            "duration_seconds", "is missing; it must be how many seconds the window lasts"
        )
    if entry.repeat is Repeat.WEEKLY and not entry.days:
        raise WindowInvalid("days", 'must name the days of the week, such as ["sunday"]')
    if entry.repeat is Repeat.DAILY:
        if entry.days:
            raise WindowInvalid(
                "days", 'must be left out of a daily window; set repeat to "weekly"'
            )
        if entry.duration_seconds > DAY_SECONDS:
            raise WindowInvalid(
                "duration_seconds", f"must be at most {DAY_SECONDS} of a daily window"
            )
    return Recurrence(
        repeat=entry.repeat,
        at=entry.at,
        duration_seconds=entry.duration_seconds,
        days=tuple(dict.fromkeys(entry.days)),
        time_zone=entry.time_zone,
    )


def _span(entry: MaintenanceEntry) -> tuple[int, int]:
    for key in ("at", "days", "duration_seconds"):
        if getattr(entry, key):
            raise WindowInvalid(
                key, 'must be left out unless repeat is "daily" or "weekly"; set starts and ends'
            )
    if entry.starts is None:
        raise WindowInvalid("starts", f"is missing; it must be {_MOMENT}, or set repeat")
    if entry.ends is None:
        raise WindowInvalid("ends", f"is missing; it must be {_MOMENT}, after starts")
    starts_ms, ends_ms = (_ms(each, entry.time_zone) for each in (entry.starts, entry.ends))
    if ends_ms <= starts_ms:
        raise WindowInvalid("ends", "must be after starts")
    return starts_ms, ends_ms


def _ms(moment: datetime, time_zone: str) -> int:
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=zone_of(time_zone))
    return round(moment.timestamp() * 1000)
