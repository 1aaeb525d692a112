"""What a reader may ask of the log, in a list and live."""

from __future__ import annotations

import json
from typing import Any

import httpx2
import pytest

from event_schemas import check_event
from trunkpulse.adapters.http.api import event_search
from trunkpulse.model import FailureKind
from unit.http.api_world import NOW_MS, TRUNKS, World, running
from unit.http.test_live_feed import reading

EVENTS = "/api/v2/events"


async def history(world: World) -> None:
    """carrier-a goes down and carrier-b comes up, goes down and comes back, a second apart."""
    world.succeed("carrier-b")
    await world.pipeline.recorder.flushed()
    await world.flap("carrier-b", 1)
    world.clock.seconds += 1
    for place in (0, 1):
        world.fail("carrier-a", place=place, kind=FailureKind.REFUSED)
    await world.pipeline.recorder.flushed()
    world.clock.seconds += 1
    world.succeed("carrier-b")
    await world.pipeline.recorder.flushed()


async def told(http: httpx2.AsyncClient, query: str) -> list[tuple[str, str]]:
    """Of each event, oldest first, the trunk and the state."""
    answer = await http.get(f"{EVENTS}?{query}")
    assert answer.status_code == 200, answer.text
    entities: list[Any] = answer.json()["entities"]
    for each in entities:
        check_event(json.dumps(each))
    return [(each["entityId"], each["state"]) for each in entities]


async def test_each_filter_narrows_the_list() -> None:
    async with running() as world, world.client() as http:
        await history(world)
        assert await told(http, "state=AVAILABLE") == [
            ("carrier-b", "AVAILABLE"),
            ("carrier-b", "AVAILABLE"),
        ]
        assert await told(http, "state=DOWN&order=desc") == [
            ("carrier-a", "DOWN"),
            ("carrier-b", "DOWN"),
            ("off-by-file", "DOWN"),
        ]
        assert await told(http, "reasonCode=NETWORK_ERROR") == [("carrier-a", "DOWN")]
        assert await told(http, "region=us-east&state=DOWN") == [("carrier-a", "DOWN")]
        assert await told(http, "carrier=umbrella&state=DOWN") == [("carrier-b", "DOWN")]
        assert await told(http, "carrier=umbrella&trunkId=carrier-a") == []
        assert await told(http, f"from={NOW_MS + 2000}&to={NOW_MS + 3000}") == [
            ("carrier-a", "DOWN")
        ]
        assert await told(http, f"from={NOW_MS + 3000}") == [("carrier-b", "AVAILABLE")]
        assert await told(http, f"to={NOW_MS + 1000}&trunkId=carrier-b") == [
            ("carrier-b", "AVAILABLE")
        ]


async def test_a_carrier_is_that_which_a_trunk_has_now() -> None:
    async with running() as world, world.client() as http:
        await history(world)
        assert ("carrier-a", "DOWN") in await told(http, "carrier=acme")
        await world.roster.apply(TRUNKS[1:])  # carrier-a is gone
        assert await told(http, "carrier=acme") == []


@pytest.mark.parametrize("order", ["asc", "desc"])
async def test_pages_of_a_carrier_leave_nothing_out(
    order: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_search, "LOOKS", 6)
    monkeypatch.setattr(event_search, "LOOKS_AT_ONCE", 3)
    async with running() as world, world.client() as http:
        world.succeed("carrier-b")
        for _ in range(5):
            await world.flap("carrier-b", 2)
            await world.flap("carrier-a", 1)
            world.succeed("carrier-a")
            await world.pipeline.recorder.flushed()
        seen: list[int] = []
        cursor: str | None = None
        asked: set[str | None] = set()
        while cursor not in asked:
            asked.add(cursor)
            after = "" if cursor is None else f"&after={cursor}"
            url = f"{EVENTS}?carrier=umbrella&limit=2&order={order}{after}"
            page = (await http.get(url)).json()
            seen += [each["metadata"]["sequence"] for each in page["entities"]]
            cursor = page["nextCursor"]
            if cursor is None:
                break
        expected = list(range(1, 12))
        assert seen == (expected if order == "asc" else expected[::-1])


@pytest.mark.parametrize(
    ("query", "field", "fragment"),
    [
        ("state=SICK", "query.state", "must be 'UNKNOWN', 'AVAILABLE',"),
        ("state=down", "query.state", "or 'DISABLED'"),
        ("reasonCode=BAD_LUCK", "query.reasonCode", "'KEEPALIVE_FAILURE'"),
        ("from=yesterday", "query.from", "whole number"),
        ("from=-1", "query.from", "at least 0"),
        ("to=9007199254740992", "query.to", "at most"),
        ("from=5&to=5", "query.from", "earlier than query.to"),
    ],
)
async def test_a_filter_that_no_event_could_pass_is_a_422(
    query: str, field: str, fragment: str
) -> None:
    async with running() as world, world.client() as http:
        answer = await http.get(f"{EVENTS}?{query}")
        assert answer.status_code == 422
        (error,) = answer.json()["errors"]
        assert error["field"] == field
        assert fragment in error["detail"]


async def test_a_stream_that_was_never_given_up_has_no_events_and_is_no_404() -> None:
    async with running() as world, world.client() as http:
        assert await told(http, "trunkId=stream:noc") == []
        assert (await http.get(f"{EVENTS}?trunkId=stream:nobody")).status_code == 404


async def test_the_live_feed_takes_the_same_filters() -> None:
    async with running() as world, world.client() as http:
        await history(world)
        for query in (
            *("state=DOWN", "reasonCode=NETWORK_ERROR", "region=us-east", "carrier=umbrella"),
            *("eventType=telephony.trunks.stateChange", "trunkId=carrier-b", "state=AVAILABLE"),
        ):
            wanted = await told(http, query)
            async with reading(world, f"after=0&{query}") as reader:
                live = [json.loads(body) for _, body in await reader.events(len(wanted))]
            assert [(each["entityId"], each["state"]) for each in live] == wanted, query
        answer = await http.get(f"{EVENTS}/live?state=SICK")
        assert answer.status_code == 422
