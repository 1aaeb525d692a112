"""Whoever is limited to a region or a carrier: the trunks beyond are not there for them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import httpx2
import pytest

from access_world import GateFor
from trunkpulse.access import UNLIMITED, Limits
from trunkpulse.config.advice import Advice
from trunkpulse.model import Hours, NumberRange, Route, RouteTrunk, Trunk
from unit.http.api_world import ROUTES, TRUNKS, World, running

PATH = "/api/v2/telephony/trunks"
WINDOWS = "/api/v2/telephony/maintenance"
EVENTS = "/api/v2/events"
DECIDE = "/api/v2/routing/decide"
ACME = Limits(carriers=frozenset({"acme"}))
"""Of whom carrier-a alone is."""
HERE = Limits(regions=frozenset({"default"}))
"""Where all others are, none of which says so."""
ADVICE = (
    Advice("interval_short", "warning", "[keepalive]", "short", "wait longer"),
    Advice("interval_short", "warning", 'trunk "carrier-a"', "short", "wait longer"),
    Advice("interval_short", "warning", 'trunk "carrier-b"', "short", "wait longer"),
    Advice("address_shared", "info", 'trunks "carrier-a", "carrier-b"', "shared", "leave it"),
)
ONCE = {"starts": "2030-01-01T00:00:00Z", "ends": "2030-01-01T01:00:00Z"}


class Advised(World):
    """One with a configuration to reconsider."""

    async def advise(self) -> Sequence[Advice]:
        return ADVICE


@asynccontextmanager
async def asked(
    limits: Limits, *, trunks: Sequence[Trunk] = TRUNKS, routes: Sequence[Route] = ROUTES
) -> AsyncIterator[tuple[World, httpx2.AsyncClient, GateFor]]:
    """A world where everybody is limited; the gate can be told otherwise."""
    gate = GateFor(limits)
    world = World(gate=gate, routes=tuple(routes))
    async with running(trunks=trunks, world=world), world.client() as http:
        yield world, http, gate


async def ids(http: httpx2.AsyncClient, path: str, **query: str | int) -> list[str]:
    answer = await http.get(path, params=query)
    assert answer.status_code == 200, answer.text
    return [each["id"] for each in answer.json()["entities"]]


# --- trunks --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limits", "seen"),
    [
        (ACME, ["carrier-a"]),
        (HERE, ["carrier-b", "off-by-file", "unprobed"]),
        (Limits(regions=frozenset({"us-east", "default"})), sorted(each.id for each in TRUNKS)),
        (Limits(carriers=frozenset({"acme", "umbrella"})), ["carrier-a", "carrier-b"]),
        (Limits(frozenset({"default"}), frozenset({"acme"})), []),
        (Limits(frozenset({"default"}), frozenset({"umbrella"})), ["carrier-b"]),
        (Limits(regions=frozenset()), []),
    ],
)
async def test_a_list_has_the_trunks_within_the_limits(limits: Limits, seen: list[str]) -> None:
    async with asked(limits) as (_, http, _):
        assert await ids(http, PATH) == seen
        paged: list[str] = []
        cursor: dict[str, str] = {}
        while True:
            page = (await http.get(PATH, params={"limit": 1, **cursor})).json()
            paged += [each["id"] for each in page["entities"]]
            if page["nextCursor"] is None:
                break
            cursor = {"cursor": page["nextCursor"]}
        assert paged == seen


async def test_filters_do_not_widen_the_limits() -> None:
    async with asked(ACME) as (_, http, _):
        assert await ids(http, PATH, carrier="umbrella") == []
        assert await ids(http, PATH, region="default") == []
        assert await ids(http, PATH, q="second") == []
        assert await ids(http, PATH, q="primary", region="us-east") == ["carrier-a"]


@pytest.mark.parametrize(
    ("method", "below"),
    [
        ("GET", ""),
        ("GET", "/history"),
        ("GET", "/explain"),
        ("GET", "/numbers"),
        ("POST", "/disable"),
        ("POST", "/enable"),
        ("POST", "/probe"),
    ],
)
async def test_a_trunk_beyond_the_limits_is_answered_as_one_that_is_not_there(
    method: str, below: str
) -> None:
    async with asked(ACME) as (world, http, _):
        beyond = await http.request(method, f"{PATH}/carrier-b{below}")
        nowhere = await http.request(method, f"{PATH}/carrier-x{below}")
        assert (beyond.status_code, nowhere.status_code) == (404, 404)
        assert beyond.json()["detail"].replace("carrier-b", "carrier-x") == nowhere.json()["detail"]
        assert world.roster.record("carrier-b").admin_enabled
        within = await http.request(method, f"{PATH}/carrier-a{below}")
        assert within.is_success, within.text


async def test_a_trunk_that_moves_goes_with_its_past() -> None:
    async with asked(HERE) as (world, http, _):
        world.succeed("carrier-b")
        await world.pipeline.recorder.flushed()
        assert len((await http.get(f"{PATH}/carrier-b/history")).json()["entities"]) == 1
        world.declared = (TRUNKS[0], replace(TRUNKS[1], region="eu"), *TRUNKS[2:])
        await world.apply()
        assert (await http.get(f"{PATH}/carrier-b/history")).status_code == 404
        assert await ids(http, PATH) == ["off-by-file", "unprobed"]


# --- events --------------------------------------------------------------------------------------


async def test_the_log_has_the_events_of_trunks_within_the_limits() -> None:
    async with asked(ACME) as (world, http, gate):
        for trunk_id in ("carrier-b", "carrier-a"):
            world.succeed(trunk_id)
            await world.pipeline.recorder.flushed()
        expected = ["carrier-a"]
        for order in ("asc", "desc"):
            page = (await http.get(EVENTS, params={"order": order})).json()
            assert [each["entityId"] for each in page["entities"]] == expected
        assert (await http.get(EVENTS, params={"carrier": "umbrella"})).json()["entities"] == []
        gate.limits = UNLIMITED
        page = (await http.get(EVENTS)).json()
        assert {each["entityId"] for each in page["entities"]} >= {"carrier-a", "carrier-b"}


@pytest.mark.parametrize("beyond", ["carrier-b", "prober:edge-1", "stream:noc", "edge-1"])
async def test_events_of_what_is_beyond_the_limits_cannot_be_asked_for(beyond: str) -> None:
    async with asked(ACME) as (world, http, _):
        world.succeed("carrier-b")
        await world.pipeline.recorder.flushed()
        answer = await http.get(EVENTS, params={"trunkId": beyond})
        assert (answer.status_code, answer.json()["detail"]) == (
            404,
            f"There is no trunk with the id {beyond}.",
        )


# --- what is about several trunks ----------------------------------------------------------------


async def test_windows_are_shown_that_are_about_nothing_beyond_the_limits() -> None:
    async with asked(UNLIMITED) as (_, http, gate):
        windows: list[dict[str, Any]] = [
            {"id": "all"},
            {"id": "of-acme", "carriers": ["acme"]},
            {"id": "of-both", "carriers": ["acme", "umbrella"]},
            {"id": "of-region", "regions": ["us-east"]},
            {"id": "on-a", "trunks": ["carrier-a"]},
            {"id": "on-both", "trunks": ["carrier-a", "carrier-b"]},
        ]
        for window in windows:
            assert (await http.post(WINDOWS, json={**window, **ONCE})).status_code == 201
        gate.limits = ACME
        assert await ids(http, WINDOWS) == ["of-acme", "on-a"]
        assert await ids(http, WINDOWS, limit=1) == ["of-acme"]
        assert (await http.get(f"{WINDOWS}/of-acme")).status_code == 200
        for window_id in ("all", "of-both", "of-region", "on-both"):
            for method in ("GET", "DELETE"):
                answer = await http.request(method, f"{WINDOWS}/{window_id}")
                assert answer.status_code == 404
        assert (await http.delete(f"{WINDOWS}/on-a")).status_code == 204
        gate.limits = UNLIMITED
        kept = [window["id"] for window in windows if window["id"] != "on-a"]
        assert await ids(http, WINDOWS) == kept


@pytest.mark.parametrize(
    ("of", "status"),
    [
        ({}, 403),
        ({"carriers": ["umbrella"]}, 403),
        ({"regions": ["us-east"]}, 403),
        ({"carriers": ["acme"]}, 201),
        ({"trunks": ["carrier-a"]}, 201),
        ({"trunks": ["carrier-b"]}, 422),
    ],
)
async def test_a_window_cannot_be_made_for_trunks_beyond_the_limits(
    of: dict[str, Any], status: int
) -> None:
    async with asked(ACME) as (world, http, _):
        answer = await http.post(WINDOWS, json={"id": "w", **of, **ONCE})
        assert answer.status_code == status, answer.text
        assert len(world.maintenance.windows) == (status == 201)


@pytest.mark.parametrize("other", ["carrier-a", "carrier-b"])
async def test_a_route_that_is_not_shown_is_not_named_either(other: str) -> None:
    async with asked(UNLIMITED) as (_, http, gate):
        mine = {"id": "mine", "carrier": "acme", "targets": ["sip:192.0.2.1"]}
        assert (await http.post(PATH, json=mine)).status_code == 201
        route = {"id": "a-secret", "trunks": [{"id": "mine"}, {"id": other}]}
        assert (await http.post("/api/v2/routing/routes", json=route)).status_code == 201
        gate.limits = ACME
        refused = await http.delete(f"{PATH}/mine")
        assert refused.status_code == 409
        assert ("a-secret" in refused.text) is (other == "carrier-a")
        assert "mine" in await ids(http, PATH)


async def test_routes_are_shown_that_have_no_trunk_beyond_the_limits() -> None:
    theirs = Route(id="theirs", numbers=(NumberRange("+49"),), trunks=(RouteTrunk(id="carrier-a"),))
    async with asked(ACME, routes=(*ROUTES[:1], theirs)) as (_, http, _):
        assert await ids(http, "/api/v2/routing/routes") == ["theirs"]
        assert (await http.get("/api/v2/routing/routes/theirs")).status_code == 200
        assert (await http.get("/api/v2/routing/routes/us")).status_code == 404
        decided = await http.post(DECIDE, json={"to": "+493012345"})
        assert [each["trunkId"] for each in decided.json()["candidates"]] == ["carrier-a"]
        refused = await http.post(DECIDE, json={"to": "+15551230001"})
        assert refused.status_code == 403
        assert "carrier" not in refused.text.replace("regions or carriers", "")


async def test_a_closed_route_is_named_to_those_who_may_see_it() -> None:
    parts = (RouteTrunk(id="carrier-a"),)
    over = Hours(from_minute=0, to_minute=60)  # it is late in the evening
    closed = Route(id="closed", numbers=(NumberRange("+4930"),), times=(over,), trunks=parts)
    theirs = Route(id="theirs", numbers=(NumberRange("+49"),), trunks=parts)
    others = replace(closed, id="others", numbers=(NumberRange("+4989"),), trunks=ROUTES[0].trunks)
    async with asked(ACME, routes=(closed, theirs, others)) as (_, http, _):
        for number, named in {"+493012345": "closed", "+498912345": None}.items():
            decision = (await http.post(DECIDE, json={"to": number})).json()
            assert (decision["routeId"], decision["outOfHours"]) == ("theirs", named)
            assert (decision["opening"] is None) is (named is None)


async def test_advice_is_given_on_single_trunks_within_the_limits() -> None:
    gate = GateFor(ACME)
    async with running(world=Advised(gate=gate)) as world, world.client() as http:
        told = (await http.get("/api/v2/advice")).json()["entities"]
        assert [each["where"] for each in told] == ['trunk "carrier-a"']
        gate.limits = UNLIMITED
        told = (await http.get("/api/v2/advice")).json()["entities"]
        assert len(told) == len(ADVICE)
