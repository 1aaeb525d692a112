from __future__ import annotations

import json
from typing import Any

import pytest

from unit.http.api_world import FILE, NOW_MS, running

DECIDE = "/api/v2/routing/decide"
ROUTES = "/api/v2/routing/routes"


async def test_candidates_come_in_order_and_the_dead_are_skipped_with_their_reason() -> None:
    async with running() as world, world.client() as http:
        world.fail("carrier-a")
        world.fail("carrier-a", place=1)
        world.succeed("carrier-b")
        answer = await http.post(DECIDE, json={"to": "+15551230001", "from": "+15550000000"})
        assert answer.status_code == 200
        assert answer.json() == {
            "number": "+15551230001",
            "routeId": "us",
            "matched": "+1",
            "candidates": [
                {
                    "trunkId": "carrier-b",
                    "name": "Second Söurce",
                    "priority": 2,
                    "weight": 100,
                    "state": "AVAILABLE",
                    "since": NOW_MS,
                    "share": 1.0,
                    "targets": ["sip:[::1]:5063"],
                    "places": [
                        {
                            "uri": "sip:[::1]:5063",
                            "address": "udp:[::1]:5063",
                            "state": "AVAILABLE",
                        }
                    ],
                }
            ],
            "skipped": [
                {
                    "trunkId": "carrier-a",
                    "reasonCode": "KEEPALIVE_FAILURE",
                    "state": "DOWN",
                    "since": NOW_MS,
                }
            ],
            "lastResort": False,
            "reason": None,
            "outOfHours": None,
            "opening": None,
        }


async def test_a_candidates_dead_target_is_no_place_to_send_the_call_to() -> None:
    async with running() as world, world.client() as http:
        world.succeed("carrier-a")
        world.fail("carrier-a", place=1)
        decision = (await http.post(DECIDE, json={"to": "+15551230001"})).json()
        first = decision["candidates"][0]
        assert (first["trunkId"], first["state"]) == ("carrier-a", "DEGRADED")
        assert first["targets"] == ["sip:127.0.0.1:5061"]
        assert [each["address"] for each in first["places"]] == ["udp:127.0.0.1:5061"]


async def test_undecided_trunks_are_a_last_resort() -> None:
    async with running() as world, world.client() as http:
        decision = (await http.post(DECIDE, json={"to": "sip:+4930123456@pbx"})).json()
        assert decision["matched"] == "+4930000000-+4930999999"
        assert [each["trunkId"] for each in decision["candidates"]] == ["carrier-a", "carrier-b"]
        assert decision["lastResort"] is True


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        ({"to": "+33123456789"}, "NO_ROUTE"),
        ({"to": "+442012345678"}, "REGION_MISMATCH"),
        ({"to": "+15551230001", "direction": "inbound"}, "DIRECTION_MISMATCH"),
        ({"to": "+442012345678", "region": "eu"}, "NONE_AVAILABLE"),
    ],
)
async def test_a_call_without_candidates_says_why(call: dict[str, str], reason: str) -> None:
    async with running() as world, world.client() as http:
        decision = (await http.post(DECIDE, json=call)).json()
        assert (decision["candidates"], decision["reason"]) == ([], reason)


async def test_what_is_null_of_a_call_is_as_if_it_were_not_there() -> None:
    async with running() as world, world.client() as http:
        absent = {"from": None, "direction": None, "region": None, "country": None, "seed": None}
        answer = await http.post(DECIDE, json={"to": "+15551230001", **absent})
        plain = await http.post(DECIDE, json={"to": "+15551230001"})
        assert answer.status_code == 200
        assert answer.json()["routeId"] == plain.json()["routeId"] is not None


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"to": "nobody"}, "body.to"),
        ({"to": "0301234"}, "body.to"),
        ({"to": "\ud800"}, "body.to"),
        ({"to": "+1" * 200}, "body.to"),
        ({"to": 5}, "body.to"),
        ({}, "body.to"),
        ({"to": "+15551230001", "direction": "up"}, "body.direction"),
        ({"to": "+15551230001", "colour": "red"}, "body.colour"),
        ({"to": "0301234567", "country": "ZZ"}, "body.country"),
        ({"to": "0301234567", "country": 49}, "body.country"),
        ({"to": "112", "country": "DE"}, "body.to"),
        ({"to": "+15551230001", "seed": -1}, "body.seed"),
        ({"to": "+15551230001", "seed": "1"}, "body.seed"),
        ([], "body"),
    ],
)
async def test_a_bad_call_is_a_422_that_names_the_field(body: Any, field: str) -> None:
    async with running() as world, world.client() as http:
        content = json.dumps(body)  # in ASCII, which lets a lone surrogate pass
        answer = await http.post(
            DECIDE, content=content, headers={"content-type": "application/json"}
        )
        assert answer.status_code == 422
        assert answer.headers["content-type"] == "application/problem+json"
        assert [error["field"] for error in answer.json()["errors"]] == [field]


async def test_routes_are_shown_as_they_are_written() -> None:
    async with running() as world, world.client() as http:
        page = (await http.get(ROUTES)).json()
        assert [route["id"] for route in page["entities"]] == ["eu", "us"]
        us = page["entities"][1]
        assert us == {
            "id": "us",
            "direction": "outbound",
            "numbers": ["+1", "+4930000000-+4930999999"],
            "regions": [],
            "times": [],
            "timezone": None,
            "trunks": [
                {"id": "carrier-a", "priority": 1, "weight": 100},
                {"id": "carrier-b", "priority": 2, "weight": 100},
            ],
            "whenNoneAvailable": "fail",
            "failbackRampSeconds": 0.0,
            "managedBy": FILE,
        }
        assert (await http.get(f"{ROUTES}/us")).json() == us
        missing = await http.get(f"{ROUTES}/mars")
        assert missing.status_code == 404
        assert "mars" in missing.json()["detail"]


async def test_a_new_configuration_is_routed_by_at_once() -> None:
    async with running() as world, world.client() as http:
        await world.routing.declare(())
        decision = (await http.post(DECIDE, json={"to": "+15551230001"})).json()
        assert decision["reason"] == "NO_ROUTE"
        assert (await http.get(ROUTES)).json() == {"entities": [], "nextCursor": None}
