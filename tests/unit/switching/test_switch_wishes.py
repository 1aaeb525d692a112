"""Which trunks lead to an address of a switch, and what they want of it."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from trunkpulse.model import TargetState, TransportProtocol, TrunkState
from trunkpulse.switching.matching import Address, Matches, address_of, addresses_of
from trunkpulse.switching.standing import Place, TargetStanding, TrunkStanding
from trunkpulse.switching.wanted import verdict_at, verdict_of

UP, DOWN, UNKNOWN = TargetState.AVAILABLE, TargetState.DOWN, TargetState.UNKNOWN
HERE = Address("udp", "192.0.2.1", 5060)


def target(uri: str, state: TargetState = UP, place: Place | None = None) -> TargetStanding:
    return TargetStanding(uri, place, state)


def trunk(
    *targets: TargetStanding, in_service: bool = True, licensed: bool = True
) -> TrunkStanding:
    return TrunkStanding(TrunkState.AVAILABLE, in_service, targets, licensed=licensed)


class Roster:
    def __init__(self, **trunks: TrunkStanding) -> None:
        self.trunks = trunks
        self.looks = 0

    def ids(self) -> Iterable[str]:
        return self.trunks

    def standing(self, trunk_id: str) -> TrunkStanding | None:
        self.looks += 1
        return self.trunks.get(trunk_id)


@pytest.mark.parametrize(
    ("listed", "of_trunk", "place"),
    [
        ("sip:192.0.2.1", "sip:192.0.2.1:5060", None),
        ("sip:192.0.2.1:5060;transport=UDP", "sip:192.0.2.1", None),
        ("sip:user@192.0.2.1", "sip:192.0.2.1", None),
        ("sips:192.0.2.1", "sip:192.0.2.1:5061;transport=tls", None),
        ("sip:[2001:DB8:0::1]:5060", "sip:[2001:db8::1]", None),
        ("sip:SBC.example.com", "sip:sbc.example.com", None),
        ("sip:192.0.2.1", "sip:sbc.example.com", ("udp", "192.0.2.1", 5060)),
        ("sip:sbc.example.com:5070", "sip:sbc.example.com", ("udp", "192.0.2.1", 5070)),
    ],
)
def test_an_address_is_the_same_however_it_is_written(
    listed: str, of_trunk: str, place: tuple[str, str, int] | None
) -> None:
    where = Place(TransportProtocol(place[0]), *place[1:]) if place else None
    assert address_of(listed) in addresses_of(target(of_trunk, place=where))


@pytest.mark.parametrize(
    ("listed", "of_trunk"),
    [
        ("sip:192.0.2.1:5061", "sip:192.0.2.1"),
        ("sip:192.0.2.1;transport=tcp", "sip:192.0.2.1"),
        ("sip:192.0.2.2", "sip:192.0.2.1"),
        ("sip:other.example.com", "sip:sbc.example.com"),
    ],
)
def test_another_port_protocol_or_host_is_another_address(listed: str, of_trunk: str) -> None:
    assert address_of(listed) not in addresses_of(target(of_trunk))


def test_what_is_no_sip_uri_is_nowhere() -> None:
    assert address_of("http://192.0.2.1") is None


@pytest.mark.parametrize(
    ("trunks", "wanted"),
    [
        ([trunk(target("sip:192.0.2.1", UP))], True),
        ([trunk(target("sip:192.0.2.1", DOWN))], False),
        ([trunk(target("sip:192.0.2.1", UNKNOWN))], None),
        ([trunk(target("sip:192.0.2.1", UP), in_service=False)], False),
        ([trunk(target("sip:192.0.2.1", UP)), trunk(target("sip:192.0.2.1", DOWN))], True),
        ([trunk(target("sip:192.0.2.1", UNKNOWN)), trunk(target("sip:192.0.2.1", DOWN))], False),
        ([trunk(target("sip:192.0.2.1", DOWN), target("sip:192.0.2.2", UP))], False),
        ([trunk(target("sip:192.0.2.1", DOWN), licensed=False)], None),
        (
            [
                trunk(target("sip:192.0.2.1", UNKNOWN), in_service=False),
                trunk(target("sip:192.0.2.1", UNKNOWN)),
            ],
            None,
        ),
        ([], None),
    ],
)
def test_any_trunk_that_says_so_keeps_an_address_up(
    trunks: list[TrunkStanding], *, wanted: bool | None
) -> None:
    assert verdict_at(HERE, trunks).wanted is wanted


@pytest.mark.parametrize(
    ("state", "in_service", "licensed", "wanted"),
    [
        (TrunkState.AVAILABLE, True, True, True),
        (TrunkState.DEGRADED, True, True, True),
        (TrunkState.DOWN, True, True, False),
        (TrunkState.UNKNOWN, True, True, None),
        (TrunkState.UNKNOWN, False, True, False),
        (TrunkState.DOWN, True, False, None),
    ],
)
def test_by_name_the_state_of_the_trunk_counts(
    state: TrunkState, *, in_service: bool, licensed: bool, wanted: bool | None
) -> None:
    standing = TrunkStanding(state, in_service, (), licensed=licensed)
    assert verdict_of(standing).wanted is wanted


async def test_trunks_are_looked_at_once_and_then_only_when_they_change() -> None:
    roster = Roster(**{f"t{n}": trunk(target(f"sip:192.0.2.{n}")) for n in range(1, 200)})
    matches = Matches(roster)
    assert not matches.doubt("t1")  # nobody has asked for anything yet
    await matches.follow({HERE})
    assert list(matches.at(HERE)) == ["t1"]
    assert roster.looks == 199
    await matches.follow({HERE})
    assert roster.looks == 199
    roster.trunks["t2"] = trunk(target("sip:192.0.2.1"))
    del roster.trunks["t1"]
    assert matches.doubt("t1")
    assert matches.doubt("t2")
    await matches.follow({HERE})
    assert list(matches.at(HERE)) == ["t2"]
    assert roster.looks == 201
    assert matches.concerns("t2")
    assert not matches.concerns("t1")


async def test_an_address_that_goes_and_comes_back_is_matched_again() -> None:
    there = Address("udp", "192.0.2.2", 5060)
    roster = Roster(a=trunk(target("sip:192.0.2.1"), target("sip:192.0.2.2")))
    matches = Matches(roster)
    await matches.follow({HERE, there})
    await matches.follow({there})
    assert list(matches.at(HERE)) == []
    assert matches.concerns("a")
    await matches.follow(set())
    assert not matches.concerns("a")
    await matches.follow({HERE, there})
    assert list(matches.at(HERE)) == list(matches.at(there)) == ["a"]


async def test_trunks_that_are_not_named_do_not_count() -> None:
    roster = Roster(a=trunk(target("sip:192.0.2.1")), b=trunk(target("sip:192.0.2.1")))
    matches = Matches(roster, only=["b", "gone"])
    await matches.follow({HERE})
    assert list(matches.at(HERE)) == ["b"]
    assert not matches.doubt("a")
