"""What else a decision depends on: how it is dialled, the time, and who came back just now."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import httpx2

from trunkpulse.config.settings import RoutingSettings
from trunkpulse.model.hours import DAY_MINUTES, name_of_minute
from unit.http.api_world import World, running

DECIDE = "/api/v2/routing/decide"
ROUTES = "/api/v2/routing/routes"
BOTH = [{"id": "carrier-a"}, {"id": "carrier-b", "priority": 2}]


async def decided(http: httpx2.AsyncClient, to: str, **how: Any) -> dict[str, Any]:
    answer = await http.post(DECIDE, json={"to": to, **how})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def make(http: httpx2.AsyncClient, route_id: str, **members: Any) -> dict[str, Any]:
    made = await http.post(ROUTES, json={"id": route_id, "trunks": BOTH, **members})
    assert made.status_code == 201, made.text
    found: dict[str, Any] = made.json()
    return found


def in_an_hour(world: World) -> dict[str, str]:
    """Times that begin in an hour and last for one."""
    now = datetime.fromtimestamp(world.clock.wall(), UTC)
    minute = now.hour * 60 + now.minute
    begins, ends = (name_of_minute((minute + each) % DAY_MINUTES) for each in (60, 120))
    return {"from": begins, "to": ends}


async def test_a_national_number_is_read_in_the_country_of_the_request_or_of_the_file() -> None:
    async with running() as world, world.client() as http:
        assert (await decided(http, "030 123456", country="de"))["routeId"] == "us"
        assert (await http.post(DECIDE, json={"to": "555 123 0001"})).status_code == 422
        world.config = replace(world.config, routing=RoutingSettings(country="US"))
        assert (await decided(http, "555 123 0001"))["matched"] == "+1"
        assert (await decided(http, "020 7946 0018", country="GB"))["reason"] == "REGION_MISMATCH"


async def test_a_short_number_goes_only_where_a_route_names_it_whatever_the_country() -> None:
    async with running() as world, world.client() as http:
        await make(http, "the-rest")
        assert (await http.post(DECIDE, json={"to": "112", "country": "DE"})).status_code == 422
        await make(http, "emergency", numbers=["112"])
        for to in ("112", "sip:112@pbx.example.com"):
            decision = await decided(http, to, country="DE")
            assert (decision["routeId"], decision["matched"]) == ("emergency", "112")
        assert (await decided(http, "+3312345678"))["routeId"] == "the-rest"


async def test_a_pattern_is_shown_as_it_was_written_and_matches() -> None:
    async with running() as world, world.client() as http:
        pattern = "+1[2-9]XX555XXXX"
        made = await make(http, "local", numbers=[pattern])
        assert made["numbers"] == [pattern]
        assert (await decided(http, "+12125550001"))["matched"] == pattern
        assert (await decided(http, "+11125550001"))["routeId"] == "us"


async def test_a_route_that_is_closed_leaves_its_calls_to_the_next_best_and_is_named() -> None:
    async with running() as world, world.client() as http:
        made = await make(http, "office", numbers=["+1555", "+31"], times=[in_an_hour(world)])
        assert made["times"] == [{"days": [], **in_an_hour(world)}]
        decision = await decided(http, "+15551230001")
        assert (decision["routeId"], decision["outOfHours"]) == ("us", "office")
        decision = await decided(http, "+31201234567")
        assert (decision["reason"], decision["outOfHours"]) == ("OUT_OF_HOURS", "office")
        minute = int(world.clock.wall()) // 60
        assert decision["opening"] == {
            "times": made["times"],
            "timezone": "UTC",
            "opensAt": (minute + 60) * 60_000,
        }
        world.clock.seconds += 3600
        decision = await decided(http, "+15551230001")
        assert (decision["routeId"], decision["outOfHours"]) == ("office", None)
        assert decision["opening"] is None


async def test_times_come_back_as_days_in_a_row_and_can_be_taken_away() -> None:
    async with running() as world, world.client() as http:
        times = [{"days": ["sunday", "Mon-wed", "tue"], "from": "08:00"}, {"to": "24:00"}]
        made = await make(http, "office", times=times, timezone="Europe/Berlin")
        assert made["times"] == [
            {"days": ["mon-wed", "sun"], "from": "08:00", "to": "24:00"},
            {"days": [], "from": "00:00", "to": "24:00"},
        ]
        assert made["timezone"] == "Europe/Berlin"
        patch = {"times": None, "timezone": None, "failbackRampSeconds": 60}
        changed = (await http.patch(f"{ROUTES}/office", json=patch)).json()
        assert (changed["times"], changed["timezone"]) == ([], None)
        assert changed["failbackRampSeconds"] == 60


async def test_a_trunk_that_came_back_shows_the_share_that_it_has_by_now() -> None:
    async with running() as world, world.client() as http:
        await make(http, "ramped", numbers=["+31"], failbackRampSeconds=100)
        world.fail("carrier-a")
        world.fail("carrier-a", place=1)
        world.succeed("carrier-b")
        world.clock.seconds += 10
        world.succeed("carrier-a")
        world.succeed("carrier-a", place=1)

        first = await decided(http, "+31201234567")
        assert [each["trunkId"] for each in first["candidates"]] == ["carrier-b", "carrier-a"]
        assert [each["share"] for each in first["candidates"]] == [1.0, 0.0]
        world.clock.seconds += 25
        decision = await decided(http, "+31201234567")
        shares = {each["trunkId"]: each["share"] for each in decision["candidates"]}
        assert shares == {"carrier-a": 0.25, "carrier-b": 1.0}
        world.clock.seconds += 75
        decision = await decided(http, "+31201234567")
        assert [each["trunkId"] for each in decision["candidates"]] == ["carrier-a", "carrier-b"]
        assert [each["share"] for each in decision["candidates"]] == [1.0, 1.0]


async def test_a_seed_gives_the_same_answer_and_others_do_not_always() -> None:
    async with running() as world, world.client() as http:
        even = [{"id": "carrier-a"}, {"id": "carrier-b"}]
        await make(http, "even", numbers=["+31"], trunks=even)
        answers = [await decided(http, "+31201234567", seed=seed) for seed in range(10)]
        for seed in range(10):
            assert await decided(http, "+31201234567", seed=seed) == answers[seed]
        firsts = {each["candidates"][0]["trunkId"] for each in answers}
        assert firsts == {"carrier-a", "carrier-b"}
