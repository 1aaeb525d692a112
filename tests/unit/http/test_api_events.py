from __future__ import annotations

import json

import pytest

from trunkpulse.events.envelope import decode
from unit.http.api_world import FILE, TRUNKS, World, running

EVENTS = "/api/v2/events"


async def test_events_are_listed_exactly_as_recorded_oldest_first() -> None:
    async with running() as world, world.client() as http:
        world.succeed("carrier-b")
        await world.flap("carrier-b", 3)
        answer = await http.get(EVENTS)
        recorded = await world.store.read()
        assert len(recorded) == 5  # one is that of the trunk which the file disables
        bodies = ",".join(event.body for event in recorded)
        assert answer.text == f'{{"entities":[{bodies}],"nextCursor":"{recorded[-1].position}"}}'
        assert answer.headers["content-type"] == "application/json"


async def test_the_cursor_leads_through_all_and_then_waits_at_the_end() -> None:
    async with running() as world, world.client() as http:
        world.succeed("carrier-b")
        await world.flap("carrier-b", 4)
        seen: list[int] = []
        cursor = "0"
        while True:
            url = f"{EVENTS}?after={cursor}&limit=2&trunkId=carrier-b"
            page = (await http.get(url)).json()
            seen += [decode(json.dumps(event)).sequence for event in page["entities"]]
            cursor = page["nextCursor"]
            if not page["entities"]:
                break
        assert seen == [1, 2, 3, 4, 5]
        await world.flap("carrier-b", 1)
        page = (await http.get(f"{EVENTS}?after={cursor}")).json()
        assert [event["metadata"]["sequence"] for event in page["entities"]] == [6]


async def test_newest_first_pages_lead_back_to_the_beginning() -> None:
    async with running() as world, world.client() as http:
        world.succeed("carrier-b")
        await world.flap("carrier-b", 4)
        seen: list[list[int]] = []
        query = "order=desc&limit=2&trunkId=carrier-b"
        after = ""
        while True:
            page = (await http.get(f"{EVENTS}?{query}{after}")).json()
            seen.append([event["metadata"]["sequence"] for event in page["entities"]])
            if page["nextCursor"] is None:
                break
            after = f"&after={page['nextCursor']}"
        assert seen == [[5, 4], [3, 2], [1]]
        empty = (await http.get(f"{EVENTS}?order=desc&trunkId=unprobed")).json()
        assert empty == {"entities": [], "nextCursor": None}


@pytest.mark.parametrize("order", ["asc", "desc"])
async def test_with_cursor_the_log_is_a_list_like_any_other_and_ends_with_null(order: str) -> None:
    async with running() as world, world.client() as http:
        world.succeed("carrier-b")
        await world.flap("carrier-b", 4)
        seen: list[int] = []
        query = {"order": order, "limit": "2", "trunkId": "carrier-b"}
        while True:
            page = (await http.get(EVENTS, params=query)).json()
            seen += [event["metadata"]["sequence"] for event in page["entities"]]
            if page["nextCursor"] is None:
                break
            query["cursor"] = page["nextCursor"]
        assert seen == sorted([1, 2, 3, 4, 5], reverse=order == "desc")


async def test_a_cursor_is_a_place_that_may_be_left_in_either_direction() -> None:
    async with running() as world, world.client() as http:
        world.succeed("carrier-b")
        await world.flap("carrier-b", 4)
        query = "limit=2&trunkId=carrier-b"
        back = (await http.get(f"{EVENTS}?{query}&order=desc")).json()
        on = (await http.get(f"{EVENTS}?{query}&order=asc&after={back['nextCursor']}")).json()
        assert [event["metadata"]["sequence"] for event in on["entities"]] == [5]
        back = (await http.get(f"{EVENTS}?{query}&order=desc&after={on['nextCursor']}")).json()
        assert [event["metadata"]["sequence"] for event in back["entities"]] == [4, 3]


async def test_events_are_filtered_by_trunk_and_type() -> None:
    async with running() as world, world.client() as http:
        world.succeed("carrier-b")
        await world.pipeline.recorder.flushed()
        url = f"{EVENTS}?trunkId=off-by-file&eventType=telephony.trunks.stateChange"
        events = (await http.get(url)).json()["entities"]
        assert [event["entityId"] for event in events] == ["off-by-file"]
        assert (await http.get(f"{EVENTS}?trunkId=unprobed")).json() == {
            "entities": [],
            "nextCursor": "0",
        }


@pytest.mark.parametrize("query", ["", "&order=desc", "&after=1"])
async def test_events_of_a_trunk_that_never_was_are_a_404(query: str) -> None:
    async with running() as world, world.client() as http:
        world.feed.close()  # a live feed that is answered by mistake ends, too
        for path in (EVENTS, f"{EVENTS}/live"):
            answer = await http.get(f"{path}?trunkId=carier-b{query if path == EVENTS else ''}")
            assert answer.status_code == 404
            assert "carier-b" in answer.json()["detail"]


async def test_events_outlive_their_trunk() -> None:
    async with running() as world, world.client() as http:
        world.succeed("carrier-b")
        await world.pipeline.recorder.flushed()
        await world.roster.apply(TRUNKS[:1])
        for query in ("trunkId=carrier-b", "trunkId=carrier-b&order=desc"):
            events = (await http.get(f"{EVENTS}?{query}")).json()["entities"]
            assert [event["entityId"] for event in events] == ["carrier-b"]
        (position,) = [each.position for each in await world.store.latest(trunk_id="carrier-b")]
        answer = await http.get(f"{EVENTS}?trunkId=carrier-b&after={position}")
        assert (answer.status_code, answer.json()["entities"]) == (200, [])


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("after=x", "query.after"),
        ("after=-1", "query.after"),
        ("after=9223372036854775808", "query.after"),
        ("after=%D9%A3", "query.after"),
        ("after=", "query.after"),
        ("order=desc&after=x", "query.after"),
        ("cursor=x", "query.cursor"),
        ("after=1&cursor=1", "query.cursor"),
        ("order=newest", "query.order"),
        ("limit=0", "query.limit"),
        ("eventType=nothing.of.ours", "query.eventType"),
    ],
)
async def test_a_bad_parameter_is_a_422_that_names_it(query: str, field: str) -> None:
    async with running() as world, world.client() as http:
        answer = await http.get(f"{EVENTS}?{query}")
        assert answer.status_code == 422
        assert [error["field"] for error in answer.json()["errors"]] == [field]


@pytest.mark.parametrize(
    "path", [EVENTS, f"{EVENTS}/live", "/api/v2/telephony/trunks/carrier-a/history"]
)
async def test_without_a_database_the_log_is_a_503_that_says_when_to_ask_again(path: str) -> None:
    async with running() as world, world.client() as http:
        world.store.plugged = False
        answer = await http.get(path)
        assert answer.status_code == 503
        assert answer.headers["content-type"] == "application/problem+json"
        assert int(answer.headers["retry-after"]) > 0
        world.store.plugged = True


async def test_streams_show_their_counters_and_never_their_secrets() -> None:
    async with running() as world, world.client() as http:
        answer = await http.get(f"{EVENTS}/streams")
        audit, noc = answer.json()["entities"]
        assert (audit["id"], audit["enabled"], audit["delivery"]) == ("audit", False, None)
        assert noc == {
            "id": "noc",
            "name": "Network operations",
            "enabled": True,
            "eventTypes": ["telephony.trunks.stateChange"],
            "paused": False,
            "trunks": [],
            "carriers": [],
            "regions": [],
            "directions": [],
            "states": [],
            "reasonCodes": ["KEEPALIVE_FAILURE", "NETWORK_ERROR"],
            "destination": {
                "type": "webhook",
                "url": "http://127.0.0.1:9000/hook?…",
                "hasSecret": True,
                "hasPreviousSecret": False,
                "headerNames": [],
            },
            "alerts": None,
            "managedBy": FILE,
            "delivery": {
                "delivered": 7,
                "retried": 2,
                "parked": 1,
                "dead": 1,
                "inFlight": 3,
                "lastError": "answered 500",
            },
            "trouble": None,
            "withheld": None,
        }
        one = await http.get(f"{EVENTS}/streams/noc")
        assert one.json() == noc
        for secret in ("hunter2", "tops3cret", "whsec_do_not_tell"):
            assert secret not in answer.text + one.text


async def test_streams_are_paged_and_an_unknown_one_is_a_404() -> None:
    async with running(world=World()) as world, world.client() as http:
        first = (await http.get(f"{EVENTS}/streams?limit=1")).json()
        second = (await http.get(f"{EVENTS}/streams?limit=1&cursor={first['nextCursor']}")).json()
        assert [page["entities"][0]["id"] for page in (first, second)] == ["audit", "noc"]
        assert second["nextCursor"] is None
        assert (await http.get(f"{EVENTS}/streams/nobody")).status_code == 404


async def test_whoever_asks_for_a_trunk_named_like_the_instance_is_told_how_to_ask() -> None:
    async with running() as world, world.client() as http:
        answer = await http.get(f"{EVENTS}?trunkId=edge-1")
        assert answer.status_code == 404
        assert "edge-1 is this instance" in answer.text
        assert "prober:edge-1" in answer.text
        own = (await http.get(f"{EVENTS}?trunkId=prober:edge-1")).json()
        assert own["entities"] == []  # nothing happened to it yet, and that is an answer
