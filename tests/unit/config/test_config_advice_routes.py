"""Advice on routes, carriers, regions and proxies: what of a set of trunks fails together."""

from __future__ import annotations

from dataclasses import replace

import pytest

from trunkpulse.config.advice import Advice, advise, advise_on_route
from trunkpulse.config.settings import Config, RoutingSettings
from trunkpulse.model import (
    Direction,
    Hours,
    NumberPattern,
    NumberRange,
    ProbeIdentity,
    Route,
    RouteTrunk,
    ShortNumber,
    Trunk,
    Weekday,
)
from unit.config.advised import FAR, FARTHER, POLICY, codes, config, trunk


def route(*names: str) -> Route:
    return Route(id="r", trunks=tuple(RouteTrunk(id=name) for name in names))


def of(code: str, setup: Config) -> list[Advice]:
    """The advice of one code, each of the form that any has to have."""
    found = [each for each in advise(setup) if each.code == code]
    codes(found)
    return found


def test_a_route_with_a_single_trunk_has_nowhere_to_turn() -> None:
    (advice,) = advise(config(trunk("a"), routes=(route("a"),)))
    assert (advice.code, advice.severity, advice.where) == (
        "route_single_trunk",
        "warning",
        'route "r"',
    )
    assert '"a"' in advice.message


def same_numbers(first: Route, second: Route) -> list[str]:
    """Where it is remarked that one of them never gets a call."""
    found = advise(config(trunk("a"), trunk("b"), routes=(first, second)))
    return [each.where for each in found if each.code == "route_same_numbers"]


def test_a_route_of_which_another_takes_the_calls_is_named() -> None:
    us, germany = NumberRange("+1"), NumberRange("+4930000", "+4930999")
    first = replace(route("a", "b"), id="first", numbers=(us, germany))
    second = replace(first, id="second", numbers=(germany,))
    assert same_numbers(first, second) == ['route "second"']
    assert same_numbers(replace(first, direction=Direction.BOTH), second) == ['route "second"']
    everything = replace(first, numbers=())
    assert same_numbers(everything, replace(everything, id="second")) == ['route "second"']


def test_routes_that_differ_in_number_direction_or_region_are_not_remarked() -> None:
    first = replace(
        route("a", "b"),
        id="first",
        numbers=(NumberRange("+1"),),
        direction=Direction.OUTBOUND,
        regions=("us",),
    )
    second = replace(first, id="second")
    assert same_numbers(first, second) == ['route "second"']
    assert same_numbers(first, replace(second, numbers=(NumberRange("+1555"),))) == []
    assert same_numbers(first, replace(second, direction=Direction.INBOUND)) == []
    assert same_numbers(first, replace(second, regions=("eu",))) == []
    assert same_numbers(first, replace(second, regions=())) == []


def test_trunks_that_end_at_the_same_targets_back_nobody_up() -> None:
    same = config(trunk("a", FAR + FARTHER), trunk("b", FARTHER + FAR), routes=(route("a", "b"),))
    assert "route_shared_targets" in codes(advise(same))
    different = config(trunk("a", FAR + FARTHER), trunk("b"), routes=(route("a", "b"),))
    assert "route_shared_targets" not in codes(advise(different))


def test_trunks_in_no_route_are_mentioned_once_there_are_routes() -> None:
    trunks = tuple(trunk(name, (f"sip:{name}.example.com",)) for name in "abcd")
    assert advise(config(*trunks)) == []
    (advice,) = advise(config(*trunks, routes=(route("a", "b"),)))
    assert (advice.code, advice.severity, advice.where) == (
        "trunk_unrouted",
        "info",
        'trunks "c", "d"',
    )
    assert advice.message.startswith(
        "the trunks are in no route, so no call runs over them; add them to a route"
    )
    (only,) = advise(config(*trunks[:3], routes=(route("a", "b"),)))
    assert only.where == 'trunk "c"'
    assert "the trunk is in no route, so no call runs over it; add it" in only.message


# --- routes whose trunks fail together ------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "second", "proxy", "expected"),
    [
        ("sip:192.0.2.1:5060", "sip:192.0.2.1:5080", None, 1),
        ("sip:192.0.2.1:5060", "sips:192.0.2.1", None, 1),
        ("sip:sbc.example.com", "sip:sbc.example.com:5061;transport=tls", None, 1),
        ("sip:192.0.2.1:5060", "sip:192.0.2.2:5060", "sip:192.0.2.9;lr", 1),
        ("sip:192.0.2.1:5060", "sip:192.0.2.2:5060", None, 0),
        ("sip:127.0.0.1:5061", "sip:127.0.0.1:5062", None, 0),
        ("sip:192.0.2.1", "sip:192.0.2.1", None, 0),
    ],
)
def test_a_route_whose_trunks_lead_to_one_address_is_named_whatever_the_port(
    first: str, second: str, proxy: str | None, expected: int
) -> None:
    identity = ProbeIdentity(outbound_proxy=proxy)
    trunks = [
        replace(trunk(name, (target,)), identity=identity)
        for name, target in (("a", first), ("b", second))
    ]
    found = of("route_shared_address", config(*trunks, routes=(route("a", "b"),)))
    assert [each.where for each in found] == ['route "r"'] * expected


@pytest.mark.parametrize(
    ("carriers", "expected"), [(("acme", "acme"), 1), (("acme", "bell"), 0), ((None, None), 0)]
)
def test_a_route_over_one_carrier_is_mentioned(
    carriers: tuple[str | None, str | None], expected: int
) -> None:
    a, b = (
        replace(trunk(name, target), carrier=carrier)
        for name, target, carrier in zip("ab", (FAR, FARTHER), carriers, strict=True)
    )
    found = of("route_single_carrier", config(a, b, routes=(route("a", "b"),)))
    assert [each.severity for each in found] == ["info"] * expected


@pytest.mark.parametrize(("watched", "enabled", "expected"), [(0, 1, 1), (1, 1, 0), (0, 0, 0)])
def test_a_trunk_of_a_route_that_nobody_watches_is_a_fixed_address(
    *, watched: bool, enabled: bool, expected: int
) -> None:
    policy = replace(POLICY, enabled=bool(watched))
    b = replace(trunk("b", FARTHER, policy), enabled=bool(enabled))
    found = of("route_unwatched_trunk", config(trunk("a"), b, routes=(route("a", "b"),)))
    assert [each.where for each in found] == ['route "r"'] * expected
    assert all('over trunk "b" with keepalive off' in each.why for each in found)


# --- routes of which another takes the calls ------------------------------------------------------

WORKDAYS = Hours(days=(Weekday.MONDAY,), from_minute=480, to_minute=1080)
EVENINGS = Hours(from_minute=1080, to_minute=1200)


@pytest.mark.parametrize(
    ("first", "second", "taken"),
    [
        ((), (), True),
        ((WORKDAYS,), (WORKDAYS,), True),
        ((WORKDAYS, EVENINGS), (EVENINGS, WORKDAYS), True),
        ((), (WORKDAYS,), True),
        ((WORKDAYS,), (), False),
        ((WORKDAYS,), (EVENINGS,), False),
    ],
)
def test_only_who_takes_calls_at_the_same_hours_takes_them_from_another(
    first: tuple[Hours, ...], second: tuple[Hours, ...], *, taken: bool
) -> None:
    one = replace(route("a", "b"), id="first", times=first)
    other = replace(one, id="second", times=second)
    assert same_numbers(one, other) == ['route "second"'] * taken


def test_the_same_hours_of_another_place_are_other_hours() -> None:
    berlin = replace(route("a", "b"), id="first", times=(WORKDAYS,), timezone="Europe/Berlin")
    assert same_numbers(berlin, replace(berlin, id="second")) == ['route "second"']
    assert same_numbers(berlin, replace(berlin, id="second", timezone="Asia/Tokyo")) == []


def test_patterns_are_the_same_if_they_take_the_same_numbers() -> None:
    first = replace(route("a", "b"), id="first", numbers=(NumberPattern("+1NXX"),))

    def taken(pattern: str) -> bool:
        second = replace(first, id="second", numbers=(NumberPattern(pattern),))
        return bool(same_numbers(first, second))

    assert taken("+1[2-9][0-9]X")
    assert not taken("+1NXX.")
    assert not taken("+1ZXX")
    short = replace(first, numbers=(ShortNumber("112"),))
    assert same_numbers(short, replace(short, id="second")) == ['route "second"']


def test_a_route_that_is_saved_is_compared_with_those_before_it() -> None:
    first = replace(route("a", "b"), id="first", numbers=(NumberRange("+1"), NumberRange("+49")))
    mine = replace(first, id="mine", numbers=(NumberRange("+49"),))
    trunks = (trunk("a"), trunk("b", FARTHER))
    [advice] = advise_on_route(mine, trunks, before=(first,))
    assert (advice.code, advice.where) == ("route_same_numbers", 'route "mine"')
    assert 'route "first" has "+49" too' in advice.why
    assert advise_on_route(mine, trunks, before=()) == []
    assert advise_on_route(mine, trunks, before=(replace(first, numbers=first.numbers[:1]),)) == []


# --- numbers without a plus -----------------------------------------------------------------------


def short(*numbers: str, country: str | None = None) -> list[Advice]:
    """What is said of a route with these short numbers."""
    setup = config(
        trunk("a"),
        trunk("b", FARTHER),
        routes=(replace(route("a", "b"), numbers=tuple(map(ShortNumber, numbers))),),
    )
    return of("route_short_number", replace(setup, routing=RoutingSettings(country=country)))


@pytest.mark.parametrize(
    ("number", "country", "expected"),
    [
        ("1555", None, True),
        ("1555", "US", True),
        ("44", None, True),
        ("353", None, True),
        ("112", None, False),
        ("911", None, False),
        ("15", None, False),
        ("0800", None, True),
        ("116117", None, True),
        ("116117", "DE", False),
        ("998", "AE", False),
        ("998", "US", True),
    ],
)
def test_a_number_that_may_have_lost_its_plus_is_asked_about(
    number: str, country: str | None, *, expected: bool
) -> None:
    assert bool(short(number, country=country)) is expected


def test_both_readings_of_a_number_without_a_plus_are_told() -> None:
    [advice] = short("1555", "112")
    assert advice.where == 'route "r"'
    assert advice.message == (
        'the route has "1555" without a plus, which is a short number: only who dials exactly these'
        ' digits comes here, and no longer number that begins so; write "+1555" if those are'
        " meant, or accept this advice."
    )
    [advice] = short("0800", "1555", "1556", "1557", "44")
    assert '"0800", "1555", "1556" and 2 more without a plus, which are short' in advice.why
    assert "without the 0 of national numbers" in advice.fix
    [advice] = short("1555", "1556")
    assert advice.fix.startswith('write a plus in front, as in "+1555", if those are meant')


def test_a_route_that_is_saved_is_asked_about_its_numbers_in_the_country() -> None:
    mine = replace(route("a", "b"), numbers=(ShortNumber("116117"),))
    trunks = (trunk("a"), trunk("b", FARTHER))
    [advice] = advise_on_route(mine, trunks, before=())
    assert advice.code == "route_short_number"
    assert advise_on_route(mine, trunks, before=(), country="DE") == []


# --- carriers of which one side is watched --------------------------------------------------------

SILENT = replace(POLICY, enabled=False)


def sided(name: str, direction: Direction, *, watched: bool) -> Trunk:
    policy = POLICY if watched else SILENT
    targets = (f"sip:{name}.example.com",)
    return replace(trunk(name, targets, policy), carrier="acme", direction=direction)


def test_a_carrier_that_is_watched_on_one_side_only_is_named_with_the_trunks_of_the_other() -> None:
    inward = sided("in", Direction.INBOUND, watched=False)
    outward = sided("out", Direction.OUTBOUND, watched=True)
    [advice] = of("keepalive_one_side", config(inward, outward))
    assert (advice.severity, advice.where) == ("warning", 'carrier "acme"')
    assert "on for the outbound trunks of the carrier and for none of its inbound" in advice.why
    assert advice.fix == 'turn it on for trunk "in" too'
    [other] = of(
        "keepalive_one_side",
        config(
            sided("in", Direction.INBOUND, watched=True),
            sided("out", Direction.OUTBOUND, watched=False),
        ),
    )
    assert other.fix == 'turn it on for trunk "out" too'


def test_a_side_is_watched_if_one_trunk_of_it_is_and_a_carrier_may_have_one_side_only() -> None:
    inward = sided("in", Direction.INBOUND, watched=False)
    outward = sided("out", Direction.OUTBOUND, watched=True)
    both = sided("both", Direction.BOTH, watched=True)
    for trunks in (
        (inward, outward, both),
        (inward,),
        (outward, sided("out2", Direction.OUTBOUND, watched=False)),
        (inward, replace(outward, carrier="bell")),
        (replace(inward, enabled=False), outward),
        (inward, sided("out", Direction.OUTBOUND, watched=False)),
    ):
        assert of("keepalive_one_side", config(*trunks)) == []


# --- regions --------------------------------------------------------------------------------------


def regional(*regions: str, routes: tuple[tuple[str, ...], ...]) -> Config:
    """Trunks in these regions, and a route for each set of regions; this instance is in ``eu``."""
    trunks = [
        replace(trunk(f"t{place}", (f"sip:t{place}.example.com",)), region=region)
        for place, region in enumerate(regions)
    ]
    made = [
        replace(route("t0", "t1"), id=f"r{place}", regions=each)
        for place, each in enumerate(routes)
    ]
    setup = config(*trunks, routes=tuple(made))
    return replace(setup, instance=replace(setup.instance, region="eu"))


def test_a_region_that_no_route_serves_is_named() -> None:
    [advice] = of("region_unrouted", regional("eu", "us", routes=(("eu",),)))
    assert (advice.severity, advice.where) == ("warning", 'region "us"')
    [own] = of("region_unrouted", regional("us", "us", routes=(("us",),)))
    assert own.where == 'region "eu"'
    assert own.why.startswith("this instance is in the region")


def test_a_route_without_regions_serves_all() -> None:
    assert of("region_unrouted", regional("eu", "us", routes=(("eu",), ()))) == []
    assert of("region_unrouted", regional("eu", "us", routes=(("eu",), ("us",)))) == []
    assert of("region_unrouted", regional("eu", "us", routes=())) == []


def test_a_region_of_a_route_in_which_no_trunk_is_may_be_mistyped() -> None:
    [advice] = of("region_without_trunk", regional("eu", "us-east", routes=((), ("us-eats",))))
    assert (advice.severity, advice.where) == ("info", 'region "us-eats"')
    assert '(did you mean "us-east"?)' in advice.why
    assert of("region_without_trunk", regional("eu", "us", routes=(("us",), ("eu",)))) == []


# --- proxies --------------------------------------------------------------------------------------

THROUGH = ProbeIdentity(outbound_proxy="sip:192.0.2.9;lr")


def through(name: str, *targets: str, identity: ProbeIdentity = THROUGH) -> Trunk:
    return replace(trunk(name, targets), identity=identity)


def test_trunks_with_one_proxy_fall_together() -> None:
    [advice] = of("proxy_shared", config(through("a", *FAR), through("b", *FARTHER)))
    assert (advice.severity, advice.where) == ("info", 'trunks "a", "b"')
    assert "2 trunks are probed through 192.0.2.9:5060" in advice.why


def test_a_redirect_to_a_trunk_behind_a_proxy_was_not_tried() -> None:
    routes = (Route(id="r", trunks=(RouteTrunk(id="a"), RouteTrunk(id="b"))),)
    trunks = through("a", *FAR), trunk("b", FARTHER), through("c", *FAR)
    redirecting = replace(config(*trunks), routes=routes)
    [advice] = of("proxy_in_redirect", redirecting)
    assert (advice.severity, advice.where) == ("info", 'trunk "a"')
    assert "not tried with a real proxy" in advice.why
    silent = replace(redirecting, sip=replace(redirecting.sip, listen=()))
    assert of("proxy_in_redirect", silent) == []
    assert of("proxy_in_redirect", config(*trunks)) == []


def test_a_proxy_of_one_set_of_targets_is_shared_with_nobody() -> None:
    here = ProbeIdentity(outbound_proxy="sip:127.0.0.1:5090;lr")
    elsewhere = ProbeIdentity(outbound_proxy="sip:192.0.2.8;lr")
    for trunks in (
        (through("a", *FAR), through("b", *FAR)),
        (through("a", *FAR), through("b", *FARTHER, identity=elsewhere)),
        (through("a", *FAR, identity=here), through("b", *FARTHER, identity=here)),
        (through("a", *FAR), replace(through("b", *FARTHER), enabled=False)),
    ):
        assert of("proxy_shared", config(*trunks)) == []


def test_a_proxy_that_is_a_target_of_another_trunk_passes_by_its_state() -> None:
    [advice] = of("proxy_is_trunk", config(through("a", *FAR), trunk("b", ("sip:192.0.2.9",))))
    assert (advice.severity, advice.where) == ("warning", 'trunk "a"')
    assert 'which is a target of trunk "b"' in advice.why
    assert (
        of("proxy_is_trunk", config(through("a", *FAR), trunk("b", ("sip:192.0.2.9:5061",)))) == []
    )
    assert of("proxy_is_trunk", config(through("a", "sip:192.0.2.9"))) == []


def test_many_proxies_and_regions_are_not_all_listed() -> None:
    trunks = [
        through(f"{name}{number}", target, identity=ProbeIdentity(outbound_proxy=proxy))
        for number in range(12)
        for proxy in [f"sip:192.0.2.{number + 10};lr"]
        for name, target in (("a", FAR[0]), ("b", FARTHER[0]))
    ]
    assert len(of("proxy_shared", config(*trunks))) == 10
    regions = tuple(f"region-{number}" for number in range(12))
    assert len(of("region_without_trunk", regional("eu", "eu", routes=((), regions)))) == 10
