from __future__ import annotations

import asyncio
from typing import Any

import httpx2
import pytest

from access_world import GateFor
from trunkpulse.access import Limits
from trunkpulse.model import NumberRange, Route, RouteTrunk
from unit.http.api_world import World, running

SIMULATE = "/api/v2/routing/simulate"
US = [f"+1555{n:07}" for n in range(20)]


async def simulated(http: httpx2.AsyncClient, **body: Any) -> dict[str, Any]:
    answer = await http.post(SIMULATE, json=body)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_calls_that_would_move_and_be_lost_are_told_with_examples() -> None:
    async with running() as world, world.client() as http:
        world.succeed("carrier-a")
        world.succeed("carrier-a", place=1)
        world.succeed("carrier-b")
        one = await simulated(http, numbers=[*US, "+33123456789"], suppose=["carrier-a=down"])
        assert one["suppose"] == ["carrier-a=DOWN"]
        assert one["present"] == {
            "trunks": [{"trunkId": "carrier-a", "calls": 20, "peak": None}],
            "routes": [{"routeId": "us", "calls": 20}],
            "lost": [
                {"routeId": None, "reason": "NO_ROUTE", "calls": 1, "examples": ["+33123456789"]}
            ],
            "lastResort": 0,
        }
        assert one["moves"] == [
            {"before": "carrier-a", "after": "carrier-b", "calls": 20, "examples": US[:3]}
        ]
        assert one["summary"] == (
            "20 of 21 calls move from carrier-a to carrier-b; 1 is lost because no route has the"
            " number."
        )
        both = await simulated(http, numbers=US, suppose=["carrier:acme=DOWN", "carrier-b=DOWN"])
        assert both["supposed"]["lost"][0]["reason"] == "NONE_AVAILABLE"
        assert both["moves"][0]["after"] is None


async def test_a_log_says_when_calls_were_and_so_how_many_there_were_at_once() -> None:
    async with running() as world, world.client() as http:
        log = "to,time,seconds\n+15551230001,100,60\n+15551230002,130,60\nanonymous,,\n"
        answer = await simulated(http, log=log, choices=True, first=70)
        assert answer["present"]["trunks"] == [{"trunkId": "carrier-a", "calls": 2, "peak": 2}]
        assert answer["present"]["lastResort"] == 2
        assert answer["unread"] == [
            {"reason": "NUMBER", "calls": 1, "examples": [{"row": 73, "text": "anonymous"}]}
        ]
        assert answer["choices"] == {
            "trunkIds": ["carrier-a"],
            "present": [0, 0, None],
            "supposed": None,
        }


async def test_without_a_supposition_calls_go_where_decide_sends_them() -> None:
    shared = Route(
        id="shared",
        numbers=(NumberRange("+1"),),
        trunks=(RouteTrunk(id="carrier-a"), RouteTrunk(id="carrier-b")),
    )
    async with running(world=World(routes=(shared,))) as world, world.client() as http:
        answer = await simulated(http, numbers=US, seed=11, choices=True)
        names = answer["choices"]["trunkIds"]
        goes = [names[place] for place in answer["choices"]["present"]]
        decided = []
        for at, number in enumerate(US):
            decision = await http.post(
                "/api/v2/routing/decide", json={"to": number, "seed": 11 + at}
            )
            decided.append(decision.json()["candidates"][0]["trunkId"])
        assert goes == decided
        assert len(set(goes)) == 2


async def test_a_supposition_that_concerns_no_trunk_of_the_calls_is_named() -> None:
    async with running() as world, world.client() as http:
        answer = await simulated(
            http, numbers=US[:1], suppose=["carrier:acmee=DOWN", "region:us-east=DOWN"]
        )
        assert answer["unused"] == ["carrier:acmee=DOWN"]


@pytest.mark.parametrize(
    ("body", "field", "said"),
    [
        ({}, "body", "Give either numbers or log"),
        ({"numbers": [], "log": "to\n"}, "body", "Give either numbers or log"),
        ({"numbers": ["+1"] * 10_001}, "body.numbers", "10000"),
        ({"numbers": ["1" * 257]}, "body.numbers.0", "256"),
        ({"log": "to\n" + "1\n" * 10_001}, "body.log", "send it in pieces"),
        ({"log": "number\n1\n"}, "body.log", "one of them must be called to"),
        ({"numbers": [], "suppose": ["nonsense"]}, "body.suppose.0", "is no supposition"),
        ({"numbers": [], "suppose": ["mars=DOWN"]}, "body.suppose.0", "no trunk with the id mars"),
        ({"numbers": [], "country": "Mars"}, "body.country", "country"),
        ({"log": "to\n1\n", "timezone": "Mars"}, "body.timezone", "must be a time zone such as"),
        ({"numbers": [], "timezone": "../UTC"}, "body.timezone", "must be a time zone such as"),
        ({"numbers": [], "seed": -1}, "body.seed", "0"),
    ],
)
async def test_what_cannot_be_simulated_is_a_422_that_names_the_field(
    body: dict[str, Any], field: str, said: str
) -> None:
    async with running() as world, world.client() as http:
        answer = await http.post(SIMULATE, json=body)
        assert answer.status_code == 422, answer.text
        problem = answer.json()
        assert [each["field"] for each in problem["errors"]] == [field]
        assert said in problem["detail"]


async def test_a_client_cannot_have_half_a_character_repeated() -> None:
    async with running() as world, world.client() as http:
        answer = await http.post(
            SIMULATE,
            content=b'{"numbers": ["+\\ud800"]}',
            headers={"content-type": "application/json"},
        )
        assert answer.status_code in {200, 422}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"numbers": US[:1]}, 403),
        ({"numbers": [], "suppose": ["carrier-b=DOWN"]}, 422),
        ({"numbers": ["+33123456789"], "suppose": ["carrier-a=DOWN"]}, 200),
    ],
)
async def test_who_is_limited_learns_nothing_of_others_trunks(
    body: dict[str, Any], status: int
) -> None:
    gate = GateFor()
    gate.limits = Limits(carriers=frozenset({"acme"}))
    async with running(world=World(gate=gate)) as world, world.client() as http:
        assert (await http.post(SIMULATE, json=body)).status_code == status


async def test_others_take_their_turn_between_the_calls() -> None:
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async with running() as world, world.client() as http:
        counting = asyncio.create_task(count())
        await simulated(http, numbers=US)
        with_few, turns = turns, 0
        await simulated(http, numbers=US * 200, suppose=["carrier-a=DOWN"])
        counting.cancel()
    assert turns >= with_few + 8  # of 4 ms each, for what takes some 100 ms in all
