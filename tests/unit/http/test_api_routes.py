from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import httpx2
import pytest

from trunkpulse.access.licence import Entitlement, Grant, Licence
from trunkpulse.config.settings import RoutingSettings
from trunkpulse.ports import DocumentKind, StoreUnavailable
from trunkpulse.provisioning.refusals import Exists, Refused
from trunkpulse.provisioning.routes import MadeRoutes
from unit.http.api_world import FILE, ROUTES, World, running

PATH = "/api/v2/routing/routes"
DECIDE = "/api/v2/routing/decide"
BERLIN: dict[str, Any] = {
    "id": "berlin",
    "numbers": ["+4930", "+4933100-+4933199"],
    "trunks": [{"id": "carrier-a"}, {"id": "carrier-b", "priority": 2, "weight": 7}],
}


async def _route_of(http: httpx2.AsyncClient, number: str) -> str | None:
    answer = await http.post(DECIDE, json={"to": number})
    assert answer.status_code == 200
    found: str | None = answer.json()["routeId"]
    return found


async def test_a_route_takes_calls_from_the_moment_it_is_made() -> None:
    async with running() as world, world.client() as http:
        assert await _route_of(http, "+4930123") is None
        made = await http.post(PATH, json=BERLIN)
        assert made.status_code == 201
        assert made.headers["location"] == f"{PATH}/berlin"
        assert made.json() == {
            "id": "berlin",
            "direction": "outbound",
            "numbers": ["+4930", "+4933100-+4933199"],
            "regions": [],
            "times": [],
            "timezone": None,
            "trunks": [
                {"id": "carrier-a", "priority": 1, "weight": 100},
                {"id": "carrier-b", "priority": 2, "weight": 7},
            ],
            "whenNoneAvailable": "fail",
            "failbackRampSeconds": 0.0,
            "managedBy": None,
            "advice": [],
        }
        assert await _route_of(http, "+4930123") == "berlin"
        shown = await http.get(f"{PATH}/berlin")
        assert {**shown.json(), "advice": []} == made.json()
        assert shown.headers["etag"] == made.headers["etag"]
        known = await http.get(f"{PATH}/berlin", headers={"if-none-match": shown.headers["etag"]})
        assert known.status_code == 304
        listed = (await http.get(PATH)).json()["entities"]
        assert [each["id"] for each in listed] == ["berlin", "eu", "us"]


async def test_a_patch_changes_what_it_names_and_takes_away_what_is_null() -> None:
    async with running() as world, world.client() as http:
        await http.post(PATH, json={**BERLIN, "regions": ["eu"]})
        changed = await http.patch(
            f"{PATH}/berlin", json={"numbers": ["+4989"], "regions": None, "direction": "both"}
        )
        assert changed.status_code == 200
        body = changed.json()
        assert (body["numbers"], body["regions"], body["direction"]) == (["+4989"], [], "both")
        assert [each["id"] for each in body["trunks"]] == ["carrier-a", "carrier-b"]
        assert await _route_of(http, "+4930123") is None
        assert await _route_of(http, "+4989123") == "berlin"


async def test_a_route_that_is_deleted_takes_no_more_calls() -> None:
    async with running() as world, world.client() as http:
        await http.post(PATH, json=BERLIN)
        assert (await http.delete(f"{PATH}/berlin")).status_code == 204
        assert await _route_of(http, "+4930123") is None
        for answer in (
            await http.get(f"{PATH}/berlin"),
            await http.patch(f"{PATH}/berlin", json={}),
            await http.delete(f"{PATH}/berlin"),
        ):
            assert answer.status_code == 404
            assert "berlin" in answer.json()["detail"]


async def test_the_second_of_two_who_change_it_is_told() -> None:
    async with running() as world, world.client() as http:
        read = (await http.post(PATH, json=BERLIN)).headers["etag"]
        patches = [{"numbers": ["+491"]}, {"numbers": ["+492"]}]
        both = await asyncio.gather(
            *(
                http.patch(f"{PATH}/berlin", json=patch, headers={"if-match": read})
                for patch in patches
            )
        )
        assert sorted(each.status_code for each in both) == [200, 412]
        winner = next(each for each in both if each.status_code == 200)
        shown = await http.get(f"{PATH}/berlin")
        assert shown.json()["numbers"] == winner.json()["numbers"]
        late = await http.delete(f"{PATH}/berlin", headers={"if-match": read})
        assert late.status_code == 412
        newest = {"if-match": shown.headers["etag"]}
        assert (await http.delete(f"{PATH}/berlin", headers=newest)).status_code == 204
        await http.post(PATH, json=BERLIN)
        again = await http.patch(f"{PATH}/berlin", json={}, headers=newest)
        assert again.status_code == 412


async def test_what_the_file_declares_changes_with_the_file_alone() -> None:
    async with running() as world, world.client() as http:
        for answer in (
            await http.patch(f"{PATH}/us", json={"numbers": []}),
            await http.delete(f"{PATH}/us"),
        ):
            assert answer.status_code == 409
            assert FILE in answer.json()["detail"]
        taken = await http.post(PATH, json={**BERLIN, "id": "us"})
        assert taken.status_code == 409
        assert "us already" in taken.json()["detail"]


@pytest.mark.parametrize(
    ("change", "field", "sentence"),
    [
        ({"id": "no spaces"}, "body.id", "must be a name of 1 to 128 letters"),
        ({"trunks": []}, "body.trunks", "at least one trunk"),
        ({"trunks": None}, "body.trunks", "is missing"),
        ({"trunks": [{"id": "nobody"}]}, "body.trunks[0].id", 'there is no trunk "nobody"'),
        (
            {"trunks": [{"id": "carrier-a"}, {"id": "carrier-a"}]},
            "body.trunks[1].id",
            "listed once in a route",
        ),
        ({"trunks": [{"id": "carrier-a", "weight": 0}]}, "body.trunks[0].weight", "1 to 65535"),
        ({"trunks": [{"id": "carrier-a", "cost": 1}]}, "body.trunks[0].cost", "not a known key"),
        ({"numbers": ["0301234"]}, "body.numbers[0]", "+1"),
        ({"numbers": ["+1"] * 10_001}, "body.numbers", "at most 10,000"),
        ({"direction": "up"}, "body.direction", "inbound"),
        ({"whenNoneAvailable": "wait"}, "body.whenNoneAvailable", '"try_all"'),
        ({"when_none_available": "fail"}, "body.when_none_available", "whenNoneAvailable"),
        ({"colour": "red"}, "body.colour", "not a known key"),
    ],
)
async def test_a_mistake_is_named_with_its_member_and_changes_nothing(
    change: dict[str, Any], field: str, sentence: str
) -> None:
    async with running() as world, world.client() as http:
        made = await http.post(PATH, json={**BERLIN, **change})
        assert made.status_code == 422
        assert [each["field"] for each in made.json()["errors"]] == [field]
        assert sentence in made.json()["errors"][0]["detail"]
        assert (await http.get(f"{PATH}/berlin")).status_code == 404
        await http.post(PATH, json=BERLIN)
        before = await http.get(f"{PATH}/berlin")
        changed = await http.patch(f"{PATH}/berlin", json=change)
        assert changed.status_code == 422
        assert (await http.get(f"{PATH}/berlin")).text == before.text
        assert await world.store.load_documents(DocumentKind.ROUTE)


async def test_a_single_trunk_is_advised_against() -> None:
    async with running() as world, world.client() as http:
        made = await http.post(PATH, json={**BERLIN, "trunks": [{"id": "carrier-a"}]})
        assert made.status_code == 201
        assert [each["code"] for each in made.json()["advice"]] == ["route_single_trunk"]


async def test_a_short_number_of_the_country_is_not_asked_about() -> None:
    async with running() as world, world.client() as http:
        short = {**BERLIN, "numbers": ["116117"]}
        made = await http.post(PATH, json=short)
        assert [each["code"] for each in made.json()["advice"]] == ["route_short_number"]
        world.config = replace(world.config, routing=RoutingSettings(country="DE"))
        made = await http.post(PATH, json={**short, "id": "doctors", "direction": "inbound"})
        assert made.json()["advice"] == []


async def test_without_the_entitlement_routes_are_not_saved_and_those_there_go_on() -> None:
    async with running() as world, world.client() as http:
        await http.post(PATH, json=BERLIN)
        await world.licensing.put(Licence(advanced=Grant(suspended=True)))
        for answer in (
            await http.post(PATH, json={**BERLIN, "id": "munich"}),
            await http.patch(f"{PATH}/berlin", json={"numbers": ["+4989"]}),
        ):
            assert answer.status_code == 403
            assert answer.json()["entitlement"] == Entitlement.ADVANCED.value
        assert await _route_of(http, "+4930123") == "berlin"
        assert (await http.delete(f"{PATH}/berlin")).status_code == 204


async def test_a_trunk_that_a_route_leads_over_cannot_be_deleted() -> None:
    async with running() as world, world.client() as http:
        trunk = {"id": "own", "targets": ["sip:127.0.0.1:5099"]}
        assert (await http.post("/api/v2/telephony/trunks", json=trunk)).status_code == 201
        body = {**BERLIN, "trunks": [{"id": "own"}, {"id": "carrier-b"}]}
        assert (await http.post(PATH, json=body)).status_code == 201
        refused = await http.delete("/api/v2/telephony/trunks/own")
        assert refused.status_code == 409
        assert "berlin" in refused.json()["detail"]
        assert (await http.delete(f"{PATH}/berlin")).status_code == 204
        assert (await http.delete("/api/v2/telephony/trunks/own")).status_code == 204


async def test_a_trunk_that_takes_another_direction_takes_other_calls() -> None:
    async with running() as world, world.client() as http:
        trunk = {"id": "own", "targets": ["sip:127.0.0.1:5099"]}
        await http.post("/api/v2/telephony/trunks", json=trunk)
        await http.post(PATH, json={**BERLIN, "trunks": [{"id": "own"}]})
        decision = (await http.post(DECIDE, json={"to": "+4930123"})).json()
        assert [each["trunkId"] for each in decision["candidates"]] == ["own"]
        changed = await http.patch("/api/v2/telephony/trunks/own", json={"direction": "inbound"})
        assert changed.status_code == 200
        decision = (await http.post(DECIDE, json={"to": "+4930123"})).json()
        assert decision["candidates"] == []
        assert [each["reasonCode"] for each in decision["skipped"]] == ["DIRECTION_MISMATCH"]


async def test_of_two_routes_to_a_number_the_files_comes_first_then_the_oldest() -> None:
    async with running() as world, world.client() as http:
        for route_id in ("z-older", "a-newer"):
            world.clock.seconds += 1
            body = {**BERLIN, "id": route_id, "numbers": ["+1", "+49"]}
            assert (await http.post(PATH, json=body)).status_code == 201
        assert await _route_of(http, "+15551230001") == "us"
        assert await _route_of(http, "+49301234") == "z-older"
        again = await _read_again(world)
        assert [each.id for each in again.all] == ["us", "eu", "z-older", "a-newer"]


async def _read_again(world: World) -> MadeRoutes:
    """As after a restart."""
    routes = MadeRoutes(
        world.store,
        clock=world.clock,
        applying=asyncio.Lock(),
        trunk=world._trunk,
        region="default",
    )
    await routes.load()
    routes.check_distinct(ROUTES)
    await routes.declare(ROUTES)
    return routes


async def test_routes_outlive_a_restart_as_they_were() -> None:
    async with running() as world, world.client() as http:
        await http.post(PATH, json={**BERLIN, "whenNoneAvailable": "try_all", "regions": ["eu"]})
        await http.patch(f"{PATH}/berlin", json={"direction": "inbound"})
        again = await _read_again(world)
        assert again.all == world.routing.all
        assert again.kept("berlin") == world.routing.kept("berlin")


async def test_what_the_database_does_not_take_is_not_put_to_work() -> None:
    async with running() as world, world.client() as http:
        await http.post(PATH, json=BERLIN)

        async def away(*_: object) -> None:
            raise StoreUnavailable("away")

        world.store.save_documents = world.store.drop_documents = away  # type: ignore[method-assign, assignment] # the plug of this store is elsewhere
        for answer in (
            await http.post(PATH, json={**BERLIN, "id": "munich", "numbers": ["+4989"]}),
            await http.patch(f"{PATH}/berlin", json={"numbers": ["+4989"]}),
            await http.delete(f"{PATH}/berlin"),
        ):
            assert answer.status_code == 503
        assert await _route_of(http, "+4989123") is None
        assert await _route_of(http, "+4930123") == "berlin"


async def test_a_file_may_not_declare_what_was_made_through_the_api() -> None:
    async with running() as world, world.client() as http:
        await http.post(PATH, json={**BERLIN, "id": "own"})
        with pytest.raises(Exists, match="'own', which has been made through the API"):
            world.routing.check_distinct([*ROUTES, *world.routing.all])


async def test_what_another_version_wrote_is_named() -> None:
    async with running() as world, world.client() as http:
        await http.post(PATH, json=BERLIN)
        (document,) = await world.store.load_documents(DocumentKind.ROUTE)
        assert isinstance(document.definition, dict)
        document.definition["colour"] = "red"
        with pytest.raises(Refused, match="The route berlin in the database is none"):
            await _read_again(world)


async def test_many_routes_are_made_ready_in_a_thread_and_are_bounded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("trunkpulse.provisioning.routes.FEW", 20)
    monkeypatch.setattr("trunkpulse.provisioning.routes.MOST_ROUTES", 60)
    monkeypatch.setattr("trunkpulse.provisioning.routes.MOST_NUMBERS", 70)
    async with running() as world, world.client() as http:
        for number in range(60):
            body = {**BERLIN, "id": f"r-{number}", "numbers": [f"+49{number:04}"]}
            assert (await http.post(PATH, json=body)).status_code == 201
        for number in (0, 59):
            assert await _route_of(http, f"+49{number:04}7777") == f"r-{number}"
        refused = await http.post(PATH, json=BERLIN)
        assert refused.status_code == 409
        assert "as many as there may be" in refused.json()["detail"]
        numbers = [f"+48{number:04}" for number in range(12)]
        refused = await http.patch(f"{PATH}/r-0", json={"numbers": numbers})
        assert refused.status_code == 409
        assert "70 numbers" in refused.json()["detail"]
        assert await _route_of(http, "+4900007777") == "r-0"
