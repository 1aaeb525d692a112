"""The tables of routes, and of what holds for all of them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import time
from typing import Annotated, Self, TypeVar

from phonenumbers import SUPPORTED_REGIONS
from pydantic import Field, PlainValidator, model_validator
from pydantic_core import PydanticCustomError

from trunkpulse.config.kinds import DIRECTION, ID, RANK, Choice, FilledList, Id, List, Rank
from trunkpulse.config.maintenance import ZONE, zone_name
from trunkpulse.config.section import Allowed, Section, text_of
from trunkpulse.config.wording import shown
from trunkpulse.model import (
    Direction,
    Hours,
    NumberRule,
    Weekday,
    WhenNoneAvailable,
    parse_number_rule,
)
from trunkpulse.model.hours import DAY_MINUTES, days_named, minute_named

__all__ = ["HoursEntry", "RouteEntry", "RoutingEntry", "country_code", "hours_from", "number_rule"]

LONGEST_RAMP_SECONDS = 3600
MOST_TIMES = 64
_TIME = 'a time of day such as "08:00"'

T = TypeVar("T")


def _shown_if_wrong(parse: Callable[[str], T], text: str) -> T:
    try:
        return parse(text)
    except ValueError as error:
        raise ValueError(f"{error}, not {shown(text)}") from None


def number_rule(text: str) -> NumberRule:
    """Numbers that a route serves: ``+1``, ``+4930100-+4930199``, ``+1[2-9]XXXXXXXXX``, ``112``."""
    return _shown_if_wrong(parse_number_rule, text)


def country_code(text: str) -> str:
    """A country whose numbering plan is known, in capital letters."""
    code = text.upper()
    if code not in SUPPORTED_REGIONS:
        raise ValueError(f'must be a two-letter country code such as "US", not {shown(text)}')
    return code


def _days(text: str) -> frozenset[Weekday]:
    return _shown_if_wrong(days_named, text)


def _minute(raw: object) -> int:
    """A text such as 08:00, or the same as TOML writes times."""
    if isinstance(raw, time):
        raw = f"{raw:%H:%M}" if raw == raw.replace(second=0, microsecond=0) else f"{raw}"
    if not isinstance(raw, str):
        raise PydanticCustomError("time", "not a time of day")
    return _shown_if_wrong(minute_named, raw)


def _first_minute(raw: object) -> int:
    minute = _minute(raw)
    if minute == DAY_MINUTES:
        raise ValueError('must be before "24:00", which is when the day ends; write "00:00"')
    return minute


def _last_minute(raw: object) -> int:
    """Midnight as an end is that of the day, however it is written."""
    return _minute(raw) or DAY_MINUTES


class RoutingEntry(Section):
    country: Annotated[
        str | None,
        text_of(country_code),
        Allowed('a two-letter country code such as "US"'),
    ] = None
    timezone: Annotated[str, text_of(zone_name), Allowed(ZONE)] = "UTC"


class HoursEntry(Section):
    days: Annotated[
        tuple[Annotated[frozenset[Weekday], text_of(_days)], ...],
        List,
        Allowed('a list of days such as ["mon-fri"]', each='a text such as "mon" or "mon-fri"'),
    ] = ()
    from_: Annotated[
        int | None, PlainValidator(_first_minute), Field(alias="from"), Allowed(_TIME)
    ] = None
    to: Annotated[int | None, PlainValidator(_last_minute), Allowed(f'{_TIME}, up to "24:00"')] = (
        None
    )

    @model_validator(mode="after")
    def _lasts(self) -> Self:
        if self.from_ is not None and self.from_ == self.to:
            raise ValueError("must have different times in from and to; leave both out for all day")
        return self


def hours_from(entry: HoursEntry) -> Hours:
    """The hours that a table describes."""
    named = frozenset[Weekday]().union(*entry.days)
    return Hours(
        days=tuple(day for day in Weekday if day in named),
        from_minute=entry.from_ or 0,
        to_minute=DAY_MINUTES if entry.to is None else entry.to,
    )


class RouteTrunkEntry(Section):
    id: Annotated[Id, Allowed("the id of a trunk in quotes")]
    priority: Annotated[Rank, Allowed(RANK)] = 1
    weight: Annotated[Rank, Allowed(RANK)] = 100


class RouteEntry(Section):
    id: Annotated[Id, Allowed(ID)]
    direction: Annotated[Direction, Choice, Allowed(DIRECTION)] = Direction.OUTBOUND
    numbers: Annotated[
        tuple[Annotated[NumberRule, text_of(number_rule)], ...],
        List,
        Allowed(
            "a list of E.164 prefixes, ranges and patterns, and of short numbers",
            each='a text such as "+1", "+1[2-9]XXXXXXXXX" or "112"',
        ),
    ] = ()
    regions: Annotated[
        tuple[Id, ...], List, Allowed("a list of regions", each="a region in quotes")
    ] = ()
    times: Annotated[
        tuple[HoursEntry, ...],
        Field(strict=False, max_length=MOST_TIMES),
        Allowed(
            f"a list of up to {MOST_TIMES} times",
            each='a table such as { days = ["mon-fri"], from = "08:00", to = "18:00" }',
        ),
    ] = ()
    timezone: Annotated[str | None, text_of(zone_name), Allowed(ZONE)] = None
    trunks: Annotated[
        tuple[RouteTrunkEntry, ...],
        FilledList,
        Allowed(
            'a list of at least one trunk such as { id = "carrier-a", priority = 1 }',
            each='a table such as { id = "carrier-a", priority = 1 }',
        ),
    ]
    when_none_available: Annotated[WhenNoneAvailable, Choice, Allowed('"fail" or "try_all"')] = (
        WhenNoneAvailable.FAIL
    )
    failback_ramp_seconds: Annotated[
        float,
        Field(ge=0, le=LONGEST_RAMP_SECONDS),
        Allowed(f"a number of seconds from 0 to {LONGEST_RAMP_SECONDS}"),
    ] = 0.0
