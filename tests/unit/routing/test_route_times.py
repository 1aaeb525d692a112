"""Routes that take calls at some times only."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkpulse.model import (
    Hours,
    NumberRange,
    Route,
    RouteTrunk,
    Trunk,
    TrunkState,
    TrunkStatus,
    Weekday,
)
from trunkpulse.model.hours import (
    DAY_MINUTES,
    days_named,
    minute_named,
    name_of_minute,
    names_of_days,
)
from trunkpulse.routing.hours import Opening
from trunkpulse.routing.selection import CallRequest, Decision, NoCandidates, RouteTable

CALL = CallRequest("+4930123456")
WORKDAYS = tuple(Weekday)[:5]
OFFICE = Hours(days=WORKDAYS, from_minute=8 * 60, to_minute=18 * 60)
MONDAY = datetime(2026, 11, 23, tzinfo=UTC)


def ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def at(hour: int, minute: int = 0, *, days: int = 0) -> int:
    """In UTC, so many days after a Monday."""
    return ms(MONDAY + timedelta(days=days, hours=hour, minutes=minute))


def route(route_id: str, *prefixes: str, times: tuple[Hours, ...] = (), zone: str = "UTC") -> Route:
    return Route(
        id=route_id,
        numbers=tuple(NumberRange(each) for each in prefixes),
        times=times,
        timezone=zone,
        trunks=(RouteTrunk(id="a"),),
    )


def table_of(*routes: Route) -> RouteTable:
    return RouteTable(routes, {"a": Trunk(id="a", name="a", targets=())}, "home")


def decide(now_ms: int, *routes: Route, call: CallRequest = CALL) -> Decision:
    up = TrunkStatus(TrunkState.AVAILABLE)
    return table_of(*routes).decide(call, lambda _: up, random.Random(1), now_ms)


# --- which route ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("now_ms", "route_id"),
    [
        (at(8), "office"),
        (at(17, 59), "office"),
        (at(18), "evening"),
        (at(7, 59), "evening"),
        (at(12, days=5), "evening"),
    ],
)
def test_outside_its_times_the_next_best_match_takes_the_call(now_ms: int, route_id: str) -> None:
    office, evening = route("office", "+4930", times=(OFFICE,)), route("evening", "+49")
    decision = decide(now_ms, office, evening)
    assert decision.route_id == route_id
    assert decision.out_of_hours == (None if route_id == "office" else "office")


def test_of_routes_to_the_same_number_the_one_that_is_open_takes_the_call() -> None:
    first, second = route("day", "+4930", times=(OFFICE,)), route("always", "+4930")
    assert decide(at(9), first, second).route_id == "day"
    assert decide(at(9), second, first).route_id == "always"
    assert decide(at(20), first, second).route_id == "always"


def test_the_closest_of_those_that_are_open_is_found_over_all_schedules() -> None:
    night = Hours(from_minute=18 * 60, to_minute=8 * 60)
    routes = [
        route("country", "+49"),
        route("closed", "+493012", times=(OFFICE,)),
        route("night", "+4930", times=(night,)),
        route("late", "+4930", times=(Hours(from_minute=19 * 60),)),
        route("wide", "+493", times=(night, OFFICE)),
    ]
    assert decide(at(20), *routes).route_id == "night"
    assert decide(at(12), *routes).route_id == "closed"
    assert decide(at(12, days=6), *routes).route_id == "country"


def test_of_open_routes_that_match_equally_well_the_first_of_all_takes_the_call() -> None:
    routes = [
        route("closed", "+493012", times=(OFFICE,)),
        route("first", "+1", "+4930", times=(Hours(from_minute=18 * 60),)),
        route("second", "+4930", times=(Hours(from_minute=19 * 60),)),
    ]
    assert decide(at(20), *routes).route_id == "first"


def test_a_call_that_only_the_time_keeps_from_its_route_is_told_so() -> None:
    office = route("office", "+4930", times=(OFFICE,))
    closed = Decision(None, None, reason=NoCandidates.OUT_OF_HOURS, out_of_hours="office")
    assert decide(at(20), office) == closed
    elsewhere = CallRequest("+4989123456")
    assert decide(at(20), office, call=elsewhere).reason is NoCandidates.NO_ROUTE


def test_a_route_of_another_region_is_no_matter_of_time() -> None:
    there = Route(
        id="there",
        regions=("away",),
        times=(OFFICE,),
        trunks=(RouteTrunk(id="a"),),
    )
    assert decide(at(20), there).reason is NoCandidates.REGION_MISMATCH


def test_routes_without_a_time_zone_go_by_that_of_the_table() -> None:
    office = Route(id="office", times=(OFFICE,), trunks=(RouteTrunk(id="a"),))
    trunks = {"a": Trunk(id="a", name="a", targets=())}
    up = TrunkStatus(TrunkState.AVAILABLE)

    def open_in(table: RouteTable) -> bool:
        return bool(table.decide(CALL, lambda _: up, random.Random(1), at(7, 30)).candidates)

    here = RouteTable([office], trunks, "home")
    assert not open_in(here)
    there = RouteTable([office], trunks, "home", timezone="Europe/Berlin", before=here)
    assert open_in(there)


_NIGHT = Hours(from_minute=18 * 60, to_minute=8 * 60)
_timed = st.lists(
    st.tuples(
        st.lists(st.sampled_from(["+4", "+49", "+4930", "+4930123456"]), max_size=2),
        st.sampled_from([(), (OFFICE,), (_NIGHT,), (OFFICE, _NIGHT), (Hours(from_minute=60),)]),
        st.booleans(),
    ),
    max_size=8,
)


@given(_timed, st.integers(0, 7 * 24 - 1))
def test_routes_that_are_closed_are_as_good_as_absent(
    timed: list[tuple[list[str], tuple[Hours, ...], bool]], hour: int
) -> None:
    routes = [
        replace(route(f"r{place}", *prefixes, times=times), regions=("home",) if here else ())
        for place, (prefixes, times, here) in enumerate(timed)
    ]
    now_ms = at(hour)
    is_open = [not each.times or Opening(each.times, "UTC").is_open(now_ms) for each in routes]
    present = [replace(each, times=()) for each, now in zip(routes, is_open, strict=True) if now]
    decision, expected = decide(now_ms, *routes), decide(now_ms, *present)
    assert (decision.route_id, decision.rule) == (expected.route_id, expected.rule)
    assert decision.candidates == expected.candidates
    would_be = decide(now_ms, *[replace(each, times=()) for each in routes]).route_id
    assert decision.out_of_hours == (None if would_be == decision.route_id else would_be)


# --- hours ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("moment", "is_open"),
    [
        ("2026-11-27T22:00", True),  # a Friday
        ("2026-11-28T05:59", True),
        ("2026-11-28T06:00", False),
        ("2026-11-28T23:00", False),
        ("2026-11-27T05:00", False),  # of the night from Thursday
    ],
)
def test_hours_over_midnight_belong_to_the_day_on_which_they_begin(
    moment: str, *, is_open: bool
) -> None:
    nights = Hours(days=(Weekday.FRIDAY,), from_minute=22 * 60, to_minute=6 * 60)
    opening = Opening([nights], "Europe/Berlin")
    shown = datetime.fromisoformat(moment).replace(tzinfo=ZoneInfo("Europe/Berlin"))
    assert opening.is_open(ms(shown)) is is_open


def test_an_hour_that_comes_twice_is_in_both_times() -> None:
    """In Berlin clocks went from 03:00 back to 02:00 on 2026-10-25, at 01:00 UTC."""
    opening = Opening([Hours(from_minute=2 * 60, to_minute=3 * 60)], "Europe/Berlin")
    midnight = datetime(2026, 10, 25, tzinfo=UTC)
    minutes = [
        minute
        for minute in range(-30, 180)
        if opening.is_open(ms(midnight + timedelta(minutes=minute)))
    ]
    assert minutes == list(range(120))


_hours = st.builds(
    lambda days, begin, lasts: Hours(
        days=tuple(day for day in Weekday if day in days),
        from_minute=begin,
        to_minute=(begin + lasts) % DAY_MINUTES or DAY_MINUTES,
    ),
    st.sets(st.sampled_from(Weekday)),
    st.integers(0, DAY_MINUTES - 1),
    st.integers(1, DAY_MINUTES - 1),
)


@given(
    _hours,
    st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata"]),
    st.integers(0, 10 * 365 * 24 * 3600),
)
def test_it_is_open_at_what_the_clocks_of_the_zone_show(
    hours: Hours, zone: str, seconds: int
) -> None:
    moment = datetime(2020, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    shown = moment.astimezone(ZoneInfo(zone))
    week = tuple(Weekday)
    of_the_week = shown.weekday() * DAY_MINUTES + shown.hour * 60 + shown.minute
    expected = False
    for day in hours.days or week:
        begins = week.index(day) * DAY_MINUTES + hours.from_minute
        lasts = (hours.to_minute - hours.from_minute) % DAY_MINUTES or DAY_MINUTES
        expected |= (of_the_week - begins) % (7 * DAY_MINUTES) < lasts
    opening = Opening([hours], zone)
    opening.is_open(ms(moment) - 60_000)
    assert opening.is_open(ms(moment)) is expected


# --- how they are written ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("mon", (0,)),
        ("Sunday", (6,)),
        ("mon-fri", (0, 1, 2, 3, 4)),
        ("monday-WED", (0, 1, 2)),
        ("fri-mon", (0, 4, 5, 6)),
        ("sun-sun", (6,)),
        ("sun-sat", tuple(range(7))),
    ],
)
def test_days_are_named_alone_or_from_one_to_another(text: str, days: tuple[int, ...]) -> None:
    assert days_named(text) == {tuple(Weekday)[day] for day in days}


@pytest.mark.parametrize(
    "text", ["", "-", "mon-", "-fri", "m", "mon-fri-sat", "weekday", "mon fri"]
)
def test_what_names_no_day_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^must be a day"):
        days_named(text)


@given(st.sets(st.sampled_from(Weekday)))
def test_days_are_written_as_they_are_read(days: set[Weekday]) -> None:
    names = names_of_days(tuple(days))
    assert frozenset[Weekday]().union(*map(days_named, names)) == days


@given(st.integers(0, DAY_MINUTES))
def test_times_of_day_are_written_as_they_are_read(minute: int) -> None:
    assert minute_named(name_of_minute(minute)) == minute


@pytest.mark.parametrize("text", ["", "8:00", "24:01", "25:00", "08:60", "08:00:00", "-1:00"])
def test_what_is_no_time_of_day_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^must be a time of day"):
        minute_named(text)


_ZONES = ("UTC", "Europe/Berlin", "America/Havana", "America/Sao_Paulo", "Asia/Kolkata")
_CHANGES = (
    datetime(2026, 3, 28, 12, tzinfo=UTC),  # Berlin puts its clocks forward in the night
    datetime(2026, 10, 24, 12, tzinfo=UTC),  # and back
    datetime(2026, 3, 7, 12, tzinfo=UTC),  # Havana leaves midnight out
    datetime(2026, 10, 31, 12, tzinfo=UTC),  # and has it twice
    datetime(2018, 11, 3, 12, tzinfo=UTC),  # so did Sao Paulo, when it still changed them
    datetime(2026, 11, 23, tzinfo=UTC),
)
_minutes = st.integers(0, 7).map(lambda half: half * 30) | st.sampled_from([600, 1380, 1410])
_hours = st.builds(
    lambda days, begins, lasts: Hours(
        days=tuple(day for day in Weekday if day in days),
        from_minute=begins,
        to_minute=(begins + lasts) % DAY_MINUTES or DAY_MINUTES,
    ),
    st.sets(st.sampled_from(Weekday), max_size=2),
    _minutes,
    st.sampled_from([20, 30, 90]),
)


@given(
    st.lists(_hours, min_size=1, max_size=3),
    st.sampled_from(_ZONES),
    st.sampled_from(_CHANGES),
    st.integers(0, 24),
)
def test_the_next_opening_is_the_first_moment_at_which_it_is_open(
    times: list[Hours], zone: str, around: datetime, hours: int
) -> None:
    opening = Opening(times, zone)
    now_ms = ms(around + timedelta(hours=hours))
    opens_ms = opening.opens_ms(now_ms)
    ten_minutes = range(now_ms, now_ms + 15 * 24 * 3_600_000, 600_000)
    assert opens_ms == next((each for each in ten_minutes if opening.is_open(each)), None)


@pytest.mark.parametrize(
    ("times", "now", "opens"),
    [
        # 02:30 does not come in this night: the clocks go from 02:00 to 03:00.
        (Hours(from_minute=150, to_minute=240), "2026-03-29T00:00", "2026-03-29T01:00"),
        (Hours(from_minute=150, to_minute=170), "2026-03-29T00:00", "2026-03-30T00:30"),
        # 02:15 comes twice in this one, and it is between the two.
        (Hours(from_minute=135, to_minute=150), "2026-10-25T00:40", "2026-10-25T01:15"),
    ],
)
def test_where_the_clocks_are_changed_it_opens_when_they_show_one_of_the_times(
    times: Hours, now: str, opens: str
) -> None:
    now_ms, opens_ms = (ms(datetime.fromisoformat(f"{each}+00:00")) for each in (now, opens))
    assert Opening([times], "Europe/Berlin").opens_ms(now_ms) == opens_ms


def test_the_table_knows_when_a_route_opens() -> None:
    office = route("office", "+4930", times=(OFFICE,), zone="Europe/Berlin")
    table = table_of(office, route("always", "+49"))
    opening = table.opening_of("office")
    assert opening is not None
    assert opening.opens_ms(at(20)) == at(7, days=1)
    assert opening.opens_ms(at(20, days=4)) == at(7, days=7)
    assert opening.opens_ms(at(9, 30) + 1) == at(9, 30)
    assert table.opening_of("always") is None
    assert table.opening_of("nobody") is None
