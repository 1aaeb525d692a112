"""What is said of routes, in the file and in documents of the API."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkpulse.config.route_documents import new_route, route_document
from trunkpulse.config.settings import RoutingSettings
from trunkpulse.model import (
    Direction,
    Hours,
    NumberPattern,
    NumberRange,
    Route,
    RouteTrunk,
    ShortNumber,
    Weekday,
    WhenNoneAvailable,
)
from trunkpulse.model.hours import DAY_MINUTES
from unit.config.loading import load

WEEK = tuple(Weekday)
TRUNK = '[[trunks]]\nid = "a"\ntargets = ["sip:127.0.0.1"]\n'


def test_all_that_can_be_said_of_a_route_arrives(tmp_path: Path) -> None:
    config = load(
        tmp_path,
        f"""
        {TRUNK}
        [routing]
        country = "de"
        timezone = "Europe/Berlin"
        [[routes]]
        id = "r"
        numbers = ["112", "+1", "+10-+19", "+49[1-3]X."]
        times = [
            {{ days = ["mon-fri", "Sunday"], from = "08:00", to = 18:30:00 }},
            {{ from = "22:00", to = "06:00" }},
            {{}},
        ]
        timezone = "America/New_York"
        trunks = [{{ id = "a" }}]
        failback_ramp_seconds = 90
        """,
    )
    assert config.routing == RoutingSettings(country="DE", timezone="Europe/Berlin")
    (route,) = config.routes
    assert route.numbers == (
        ShortNumber("112"),
        NumberRange("+1"),
        NumberRange("+10", "+19"),
        NumberPattern("+49[1-3]X."),
    )
    assert route.times == (
        Hours(days=(*WEEK[:5], Weekday.SUNDAY), from_minute=480, to_minute=1110),
        Hours(from_minute=1320, to_minute=360),
        Hours(from_minute=0, to_minute=DAY_MINUTES),
    )
    assert route.timezone == "America/New_York"
    assert route.failback_ramp_seconds == 90


def test_what_is_not_said_of_routes_is_at_any_time_everywhere_and_at_once(tmp_path: Path) -> None:
    config = load(tmp_path, f'{TRUNK}[[routes]]\nid = "r"\ntrunks = [{{ id = "a" }}]\n')
    assert config.routing == RoutingSettings(country=None, timezone="UTC")
    assert config.routes[0].times == ()
    assert config.routes[0].timezone is None
    assert config.routes[0].failback_ramp_seconds == 0


@pytest.mark.parametrize(
    ("times", "hours"),
    [
        ('{ to = "00:00" }', Hours()),
        ('{ from = "00:00", to = "00:00" }', Hours()),
        ('{ from = "18:00", to = "00:00" }', Hours(from_minute=1080)),
        ("{ from = 18:00:00, to = 00:00:00 }", Hours(from_minute=1080)),
    ],
)
def test_midnight_as_an_end_is_that_of_the_day(tmp_path: Path, times: str, hours: Hours) -> None:
    text = f'{TRUNK}[[routes]]\nid = "r"\ntrunks = [{{ id = "a" }}]\ntimes = [{times}]\n'
    assert load(tmp_path, text).routes[0].times == (hours,)


_routes = st.builds(
    Route,
    id=st.just("r"),
    direction=st.sampled_from(Direction),
    numbers=st.lists(
        st.sampled_from(
            [
                NumberRange("+1"),
                NumberRange("+10", "+19"),
                NumberPattern("+1[2-9]X."),
                ShortNumber("112"),
            ]
        )
    ).map(tuple),
    times=st.lists(
        st.builds(
            lambda days, begin, lasts: Hours(
                days=tuple(day for day in Weekday if day in days),
                from_minute=begin,
                to_minute=(begin + lasts) % DAY_MINUTES or DAY_MINUTES,
            ),
            st.sets(st.sampled_from(Weekday)),
            st.integers(0, DAY_MINUTES - 1),
            st.integers(1, DAY_MINUTES - 1),
        ),
        max_size=3,
    ).map(tuple),
    timezone=st.sampled_from([None, "UTC", "Europe/Berlin"]),
    trunks=st.just((RouteTrunk(id="a", priority=2, weight=7),)),
    when_none_available=st.sampled_from(WhenNoneAvailable),
    failback_ramp_seconds=st.sampled_from([0.0, 0.5, 3600.0]),
)


@given(_routes)
def test_a_route_is_kept_as_it_is(route: Route) -> None:
    assert new_route(route_document(route), is_trunk=lambda _: True) == route


@pytest.mark.parametrize("count", [0, 64])
def test_a_document_may_hold_as_many_times_as_the_file(count: int) -> None:
    document = {"id": "r", "trunks": [{"id": "a"}], "times": [{"from": "08:00"}] * count}
    assert len(new_route(document, is_trunk=lambda _: True).times) == count
