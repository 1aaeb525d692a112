"""What calls are told while trunks live and die in the simulated world."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from simulation.setups import config, trunk
from simulation.world import World
from trunkpulse.app.responders import verdicts_of
from trunkpulse.config.settings import Config, RoutingSettings, SipSettings
from trunkpulse.model import (
    Direction,
    KeepalivePolicy,
    NumberPattern,
    NumberRange,
    ProbeIdentity,
    Route,
    RouteTrunk,
    ShortNumber,
    TransportProtocol,
    Trunk,
    WhenNoneAvailable,
)
from trunkpulse.node import Node
from trunkpulse.sip.asked import read_asked
from trunkpulse.sip.headers import NameAddr, split_values
from unit.sip.calls import SOURCE, invite
from virtual_time import run_virtual

NUMBER = "sip:+15551230001@pbx.example.com"
NAME = "t1.example"
Scenario = Callable[[World, Node], Awaitable[None]]


def routed(*trunks: Trunk, **changes: object) -> Config:
    """These trunks, in this order, for all of North America."""
    parts = tuple(RouteTrunk(id=each.id, priority=place) for place, each in enumerate(trunks, 1))
    route = replace(Route(id="us", numbers=(NumberRange("+1"),), trunks=parts), **changes)  # type: ignore[arg-type]  # any of them
    return replace(config(*trunks), routes=(route,), routing=RoutingSettings(country="US"))


def told(node: Node, uri: str = NUMBER, more: str = "", *, to_tag: str = "") -> tuple[int, str]:
    """Status code and header lines."""
    asked = read_asked(invite(uri, to=NUMBER, more=more, to_tag=to_tag), SOURCE)
    code, lines = verdicts_of(node, random.Random(1)).of(asked)
    return code, lines.decode()


def contacts(node: Node, uri: str = NUMBER) -> list[str]:
    code, lines = told(node, uri)
    assert code == 302, lines
    line = lines.removeprefix("Contact: ").removesuffix("\r\n")
    return [NameAddr.parse(each).uri for each in split_values(line)]


def play(settings: Config, scenario: Scenario, *, up: tuple[int, ...] = (1, 2, 3)) -> None:
    async def story() -> None:
        world = World(1)
        for number in up:
            world.network.far_end(f"192.0.2.{number}")
        async with world.node(settings) as node:
            await world.clock.advance(60.0)
            await scenario(world, node)

    run_virtual(story)


def test_contacts_follow_the_states_and_go_on_while_the_database_is_away() -> None:
    async def scenario(world: World, node: Node) -> None:
        both = ["sip:+15551230001@192.0.2.1", "sip:+15551230001@192.0.2.2"]
        assert contacts(node) == both
        world.store.away = True
        world.network.far_end("192.0.2.1").mode = "silent"
        await world.clock.advance(120.0)
        assert contacts(node) == both[1:]
        world.network.far_end("192.0.2.2").mode = "refused"
        await world.clock.advance(120.0)
        code, lines = told(node)
        assert code == 503
        assert lines == (
            'Warning: 399 trunkpulse "No trunk of the route can take calls now"\r\n'
            "Retry-After: 20\r\n"
        )
        world.store.away = False

    play(routed(trunk(1), trunk(2)), scenario)


@pytest.mark.parametrize(
    ("policy", "seconds"),
    [
        (KeepalivePolicy(down_interval_seconds=0.5, min_successful_attempts=1), 1),
        (KeepalivePolicy(down_interval_seconds=900), 60),
    ],
)
def test_when_to_ask_again_is_bounded(policy: KeepalivePolicy, seconds: int) -> None:
    async def scenario(world: World, node: Node) -> None:
        assert f"Retry-After: {seconds}\r\n" in told(node)[1]

    play(routed(trunk(1, keepalive=policy)), scenario, up=())


def test_nobody_is_told_when_an_administrator_will_come_back() -> None:
    async def scenario(world: World, node: Node) -> None:
        node.roster.set_admin_enabled("trunk-1", enabled=False)
        assert told(node)[0] == 503
        assert "Retry-After: 60\r\n" in told(node)[1]

    play(routed(trunk(1)), scenario)


@pytest.mark.parametrize(
    ("uri", "more", "code", "words"),
    [
        ("sip:+4930123456@pbx", "", 404, "No route has this number"),
        (NUMBER, "X-Trunkpulse-Direction: Inbound\r\n", 404, "in this direction"),
        (NUMBER, "X-Trunkpulse-Region: mars\r\n", 404, "in this region"),
        (NUMBER, "X-Trunkpulse-Direction: up\r\n", 400, "neither inbound nor outbound"),
        ("sip:alice@pbx", "", 404, "is not a telephone number"),
        ("sip:pbx.example.com", "", 404, "is not a telephone number"),
        ("sip:+1555@pbx", "", 484, "more digits are wanted"),
        ("sip:555@pbx", "", 484, "more digits are wanted"),
        ("sip:+4930@pbx", "", 404, "is not a telephone number"),
        ("sip:+1555@pbx", "X-Trunkpulse-Direction: inbound\r\n", 404, "is not a telephone number"),
        ("sip:911@pbx", "", 404, "has no E.164 form"),
        ("sip:555123000111@pbx", "", 404, "has no E.164 form"),
        ('sip:+15551230001;x=">,<sip:evil@pbx', "", 400, "to be escaped"),
        ("http://example.com", "", 416, "SIP, SIPS or tel"),
    ],
)
def test_who_cannot_be_helped_is_told_why(uri: str, more: str, code: int, words: str) -> None:
    async def scenario(world: World, node: Node) -> None:
        refused, lines = told(node, uri, more)
        assert refused == code
        assert words in lines

    play(routed(trunk(1, direction=Direction.OUTBOUND), regions=("default",)), scenario)


@pytest.mark.parametrize(
    ("called", "code"),
    [("+4930123", 484), ("+49301234567", 302), ("+493012345678", 404), ("11", 484), ("911", 404)],
)
def test_484_asks_for_the_digits_that_a_number_of_a_route_still_lacks(
    called: str, code: int
) -> None:
    async def scenario(world: World, node: Node) -> None:
        assert told(node, f"sip:{called}@pbx")[0] == code

    rules = (NumberPattern("+4930XXXXXXX"), ShortNumber("112"))
    settings = routed(trunk(1), numbers=rules)
    play(replace(settings, routing=RoutingSettings()), scenario)


def test_a_request_within_a_call_has_no_call_here() -> None:
    async def scenario(world: World, node: Node) -> None:
        assert told(node, to_tag=";tag=x")[0] == 481

    play(routed(trunk(1)), scenario)


def test_national_and_tel_numbers_are_read_and_the_user_part_stays_as_it_was() -> None:
    async def scenario(world: World, node: Node) -> None:
        assert contacts(node, "sip:5551230001@pbx;user=phone") == [
            "sip:5551230001@192.0.2.1;user=phone"
        ]
        assert contacts(node, "tel:+1-555-123-0001") == ["sip:+15551230001@192.0.2.1;user=phone"]

    play(routed(trunk(1)), scenario)


def test_a_call_is_not_sent_back_to_where_it_says_that_it_goes() -> None:
    async def scenario(world: World, node: Node) -> None:
        going = "sip:+15551230001@192.0.2.1"
        assert contacts(node, going) == ["sip:+15551230001@192.0.2.2"]
        world.network.far_end("192.0.2.2").mode = "silent"
        await world.clock.advance(120.0)
        assert told(node, going)[0] == 404

    play(routed(trunk(1), trunk(2)), scenario)


def test_300_if_the_file_says_so_and_an_outbound_proxy_comes_along() -> None:
    settings = routed(trunk(1, identity=ProbeIdentity(outbound_proxy="sip:192.0.2.3;lr")))

    async def scenario(world: World, node: Node) -> None:
        assert told(node) == (
            300,
            "Contact: <sip:+15551230001@192.0.2.1?Route=%3Csip:192.0.2.3%3Blr%3E>;q=1.0\r\n",
        )

    play(replace(settings, sip=SipSettings(redirect_code=300)), scenario)


NAMED = Trunk(id="named", name="Named", targets=(f"sip:{NAME}",))


def test_a_name_stays_a_name_until_one_of_its_addresses_is_down() -> None:
    async def story() -> None:
        world = World(3)
        for number in (1, 2, 3):
            world.network.far_end(f"192.0.2.{number}")
        world.names.moved[NAME] = ("192.0.2.1", "192.0.2.2", "192.0.2.3")
        async with world.node(routed(NAMED)) as node:
            await world.clock.advance(60.0)
            assert contacts(node) == [f"sip:+15551230001@{NAME}"]
            world.network.far_end("192.0.2.2").mode = "503"
            await world.clock.advance(120.0)
            assert sorted(contacts(node)) == [
                "sip:+15551230001@192.0.2.1:5060",
                "sip:+15551230001@192.0.2.3:5060",
            ]

    run_virtual(story)


@pytest.mark.parametrize(
    ("protocol", "expected"),
    [
        (TransportProtocol.TCP, "sip:+15551230001@192.0.2.1:5060;transport=tcp"),
        (TransportProtocol.TLS, f"sip:+15551230001@{NAME};transport=tls"),
    ],
)
def test_over_tcp_the_address_says_so_and_over_tls_the_name_stays(
    protocol: TransportProtocol, expected: str
) -> None:
    named = Trunk(id="named", name="Named", targets=(f"sip:{NAME};transport={protocol}",))

    async def story() -> None:
        world = World(4)
        for number in (1, 2):
            for port in (5060, 5061):
                world.network._far_ends[f"192.0.2.{number}", port] = world.network.far_end(
                    f"192.0.2.{number}"
                )
        world.names.moved[NAME] = ("192.0.2.1", "192.0.2.2")
        world.network.far_end("192.0.2.2").mode = "503"
        async with world.node(routed(named)) as node:
            await world.clock.advance(120.0)
            assert contacts(node) == [expected]

    run_virtual(story)


def test_a_trunk_of_many_targets_leaves_places_for_those_after_it() -> None:
    many = Trunk(
        id="many", name="Many", targets=tuple(f"sip:192.0.2.{number}" for number in range(1, 31))
    )

    async def scenario(world: World, node: Node) -> None:
        found = contacts(node)
        assert len(found) == 16
        assert found[-2:] == ["sip:+15551230001@192.0.2.40", "sip:+15551230001@192.0.2.41"]

    everything = routed(many, trunk(40), trunk(41), when_none_available=WhenNoneAvailable.TRY_ALL)
    play(everything, scenario, up=(*range(1, 31), 40, 41))
