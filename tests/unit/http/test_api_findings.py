"""What probes have seen that is to be reconsidered: errors alone, one address, a hidden NAT."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import httpx2
import pytest

from trunkpulse.adapters.http.api.findings import MOST_OF_A_KIND, Findings
from trunkpulse.model import ProbeIdentity, Route, RouteTrunk, Trunk
from trunkpulse.sip.digest import Credentials
from unit.http.api_parts import Sent
from unit.http.api_world import TRUNKS, World, many, running

ADVICE = "/api/v2/advice"
PUBLIC = "sip:8.8.8.8:5060"


async def of(http: httpx2.AsyncClient, code: str) -> list[dict[str, str]]:
    found = (await http.get(ADVICE, params={"limit": "1000"})).json()["entities"]
    return [each for each in found if each["code"] == code]


def refuse(world: World, trunk_id: str, code: int, times: int = 3) -> None:
    for _ in range(times):
        world.pipeline.answered(world.target(trunk_id), code, 0.01, b"")


@pytest.mark.parametrize(
    ("code", "credentials", "fix"),
    [
        (
            404,
            None,
            'set healthy_responses = ["2xx", "404"] if that is how it says that it is well',
        ),
        (401, None, 'set username and password, or healthy_responses = ["2xx", "401"]'),
        (407, Credentials("me", "hunter2"), "correct username or password"),
        (503, None, None),
        (408, None, None),
    ],
)
async def test_a_trunk_that_only_ever_answers_errors_is_told_how_to_be_taken_for_well(
    code: int, credentials: Credentials | None, fix: str | None
) -> None:
    trunk = replace(TRUNKS[1], identity=ProbeIdentity(credentials=credentials))
    async with running(trunks=[trunk]) as world, world.client() as http:
        refuse(world, "carrier-b", code)
        found = await of(http, "only_errors")
        assert [each["fix"] for each in found] == ([] if fix is None else [fix])
        assert {each["where"] for each in found} <= {'trunk "carrier-b"'}
        assert all(f"each probe with {code} and never otherwise" in each["why"] for each in found)


async def test_who_ever_answered_well_or_not_at_all_has_other_trouble() -> None:
    async with running(trunks=[TRUNKS[1]]) as world, world.client() as http:
        refuse(world, "carrier-b", 404, times=2)
        assert await of(http, "only_errors") == []  # it is not DOWN yet
        world.fail("carrier-b", times=1)
        assert await of(http, "only_errors") == []  # silence is something else
    async with running(trunks=[TRUNKS[1]]) as world, world.client() as http:
        world.succeed("carrier-b")
        refuse(world, "carrier-b", 404)
        assert await of(http, "only_errors") == []
    async with running(trunks=[TRUNKS[1]]) as world, world.client() as http:
        world.target("carrier-b").last_success = 1.0  # before this process began
        refuse(world, "carrier-b", 404)
        assert await of(http, "only_errors") == []


@pytest.mark.parametrize(
    ("places", "expected"),
    [
        (("192.0.2.1", "192.0.2.1"), ['route "both"']),
        (("192.0.2.1", "192.0.2.2"), []),
        (("192.0.2.1", None), []),
        (("127.0.0.1", "127.0.0.1"), []),
    ],
)
async def test_trunks_of_a_route_that_lead_to_one_address_by_two_names_are_told(
    places: Sequence[str | None], expected: list[str]
) -> None:
    names = ("one", "two")
    trunks = [replace(TRUNKS[1], id=each, targets=(f"sip:{each}.example.com",)) for each in names]
    route = Route(id="both", trunks=tuple(RouteTrunk(id=each) for each in names))
    async with running(trunks=trunks, world=World(routes=(route,))) as world:
        world.roster.prober.close()  # nothing is to be sent to them
        for name, place in zip(names, places, strict=True):
            if place is not None:
                world.target(name).address = place, 5060
        async with world.client() as http:
            found = await of(http, "route_shared_address")
            assert [each["where"] for each in found] == expected


def behind_nat() -> World:
    transport = Sent()
    transport.local_address = ("10.1.2.3", 40000)
    return World(transport=transport)


async def test_a_nat_that_nobody_told_of_is_told_once_for_all_trunks_behind_it() -> None:
    trunks = [replace(each, targets=(PUBLIC,)) for each in many(5)]
    async with running(trunks=trunks, world=behind_nat()) as world, world.client() as http:
        [advice] = await of(http, "nat_off")
        assert advice["where"] == 'trunks "t-0", "t-1", "t-2" and 2 more'
        assert "leave from the private address 10.1.2.3 towards a public one" in advice["why"]


@pytest.mark.parametrize(
    ("identity", "target"),
    [
        (ProbeIdentity(enable_nat=True), PUBLIC),
        (ProbeIdentity(advertised_address="8.8.4.4"), PUBLIC),
        (ProbeIdentity(), "sip:10.0.0.9"),
        (ProbeIdentity(source=("10.1.2.3", 0)), PUBLIC),
    ],
    ids=["learned", "said", "not public", "told by the configuration"],
)
async def test_a_nat_that_is_seen_to_is_no_finding(identity: ProbeIdentity, target: str) -> None:
    trunk = replace(TRUNKS[1], targets=(target,), identity=identity)
    async with running(trunks=[trunk], world=behind_nat()) as world, world.client() as http:
        assert await of(http, "nat_off") == []


async def test_more_of_the_same_than_anybody_reads_is_not_kept() -> None:
    trunks: tuple[Trunk, ...] = many(MOST_OF_A_KIND + 3)
    async with running(trunks=trunks) as world:
        for trunk in trunks:
            refuse(world, trunk.id, 404)
        found = await Findings(world.app.state.trunk_index).told(world.context)
        assert [each.code for each in found] == ["only_errors"] * MOST_OF_A_KIND
