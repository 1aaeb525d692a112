"""What became of deliveries, and how to have them made again, over the API."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx2
import pytest

from contracts.stores import commit_of
from trunkpulse.model import AlertSettings
from trunkpulse.ports import (
    AlertAttempt,
    AlertKind,
    DeliveryOutcome,
    DeliveryReport,
    DeliveryResult,
    SinkAnswer,
    StreamHealth,
)
from unit.http.api_world import NOW_MS, STREAMS, World, running

STREAM = "/api/v2/events/streams/noc"
DAY_MS = 24 * 3600 * 1000


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with running() as world:
        yield world


@pytest.fixture
async def api(world: World) -> AsyncIterator[httpx2.AsyncClient]:
    async with world.client() as client:
        yield client


async def record(world: World, trunk_id: str, *sequences: int) -> None:
    commits = [commit_of(trunk_id, n, tell=["noc"], at_ms=NOW_MS + n) for n in sequences]
    assert not await world.store.commit(commits)


async def end(world: World, result: DeliveryResult) -> int:
    """Have the one delivery that is due end like this; its id."""
    (delivery,) = await world.store.claim("noc", now_ms=NOW_MS, limit=9, lease_ms=1000)
    report = DeliveryReport(
        delivery_id=delivery.id,
        stream_id="noc",
        result=result,
        at_ms=NOW_MS + 40,
        due_ms=NOW_MS + DAY_MS,
        detail="503 Service Unavailable",
        duration_ms=31,
        request="POST http://127.0.0.1:9000/hook",
        response="503\nretry-after: 5",
    )
    await world.store.settle([report])
    return delivery.id


async def answer(response: httpx2.Response, status: int = 200) -> dict[str, Any]:
    assert response.status_code == status, response.text
    document: dict[str, Any] = response.json()
    return document


async def test_a_delivery_is_listed_and_shown_with_what_was_said(
    world: World, api: httpx2.AsyncClient
) -> None:
    await record(world, "x", 1)
    delivery_id = await end(world, DeliveryResult.PARKED)
    page = await answer(await api.get(f"{STREAM}/deliveries"))
    line = {
        "id": delivery_id,
        "alert": None,
        "eventId": "x-1",
        "entityId": "x",
        "position": await world.store.last_position(),
        "state": "parked",
        "attempts": 1,
        "recorded": NOW_MS + 1,
        "due": NOW_MS + DAY_MS,
        "settled": NOW_MS + 40,
        "replayed": None,
        "detail": "503 Service Unavailable",
    }
    assert page == {"entities": [line], "nextCursor": None}
    shown = await answer(await api.get(f"{STREAM}/deliveries/{delivery_id}"))
    assert shown == {
        **line,
        "said": [
            {
                "attempt": 1,
                "at": NOW_MS + 40,
                "durationMs": 31,
                "result": "parked",
                "request": "POST http://127.0.0.1:9000/hook",
                "response": "503\nretry-after: 5",
            }
        ],
    }


async def test_a_list_is_filtered_and_paged(world: World, api: httpx2.AsyncClient) -> None:
    await record(world, "x", 1)
    await end(world, DeliveryResult.DEAD)
    await record(world, "y", 1)
    await record(world, "x", 2, 3)

    async def ids(**query: str | int) -> list[str]:
        page = await answer(await api.get(f"{STREAM}/deliveries", params=query))
        return [each["eventId"] for each in page["entities"]]

    assert await ids() == ["x-3", "x-2", "y-1", "x-1"]
    assert await ids(state="dead") == ["x-1"]
    assert await ids(state="pending", trunkId="x") == ["x-3", "x-2"]
    first = await answer(await api.get(f"{STREAM}/deliveries", params={"limit": 3}))
    assert await ids(cursor=first["nextCursor"]) == ["x-1"]


async def test_a_dead_letter_is_retried_once(world: World, api: httpx2.AsyncClient) -> None:
    await record(world, "x", 1)
    delivery_id = await end(world, DeliveryResult.DEAD)
    due = await answer(await api.post(f"{STREAM}/deliveries/{delivery_id}/retry"))
    assert (due["state"], due["due"]) == ("parked", 0)
    assert world.woken == ["noc"]
    await end(world, DeliveryResult.DELIVERED)
    refused = await answer(await api.post(f"{STREAM}/deliveries/{delivery_id}/retry"), 409)
    assert refused["detail"] == (
        f"Delivery {delivery_id} is not sent again, because it has been delivered; replay its "
        "event to have it delivered again."
    )


async def test_what_was_told_of_an_alert_is_listed_and_is_not_retried(
    world: World, api: httpx2.AsyncClient
) -> None:
    await record(world, "x", 1)
    await end(world, DeliveryResult.DELIVERED)
    attempt = AlertAttempt(
        stream_id="noc",
        alert_id="a-7",
        kind=AlertKind.TRIGGER,
        position=await world.store.last_position(),
        at_ms=NOW_MS + 50,
        duration_ms=9,
        result=DeliveryResult.RETRY,
        detail="503 Service Unavailable",
        request="trigger of alert a-7 (3 trunks)",
        response="",
    )
    await world.store.note_attempts([attempt])
    page = await answer(await api.get(f"{STREAM}/deliveries", params={"trunkId": "alert:a-7"}))
    (line,) = page["entities"]
    assert (line["alert"], line["entityId"], line["eventId"]) == ("trigger", "alert:a-7", "x-1")
    assert (line["state"], line["due"], line["attempts"]) == ("parked", None, 1)
    shown = await answer(await api.get(f"{STREAM}/deliveries/{line['id']}"))
    assert shown["said"][0]["request"] == "trigger of alert a-7 (3 trunks)"
    refused = await answer(await api.post(f"{STREAM}/deliveries/{line['id']}/retry"), 409)
    assert refused["detail"].startswith(
        f"Delivery {line['id']} is not sent again, because it tells of an alert"
    )
    assert refused["detail"].count(".") == 1


async def test_an_end_that_was_refused_is_for_a_person_to_close(
    world: World, api: httpx2.AsyncClient
) -> None:
    await record(world, "x", 1)
    attempt = AlertAttempt(
        stream_id="noc",
        alert_id="a-7",
        kind=AlertKind.RESOLVE,
        position=await world.store.last_position(),
        at_ms=NOW_MS + 50,
        duration_ms=9,
        result=DeliveryResult.DEAD,
        detail="400 Bad Request",
        request="resolve of alert a-7",
        response="",
    )
    await world.store.note_attempts([attempt])
    (line, _) = await world.store.deliveries("noc")
    refused = await answer(await api.post(f"{STREAM}/deliveries/{line.id}/retry"), 409)
    assert refused["detail"].endswith(
        "nothing is told of one after its end was refused; if it is still open at the destination, "
        "close it there."
    )


async def test_a_delivery_that_waits_its_turn_is_not_retried(
    world: World, api: httpx2.AsyncClient
) -> None:
    await record(world, "x", 1)
    (waiting,) = await world.store.deliveries("noc")
    refused = await answer(await api.post(f"{STREAM}/deliveries/{waiting.id}/retry"), 409)
    assert refused["detail"].endswith("because it is on its way already.")
    assert world.woken == []


async def test_events_are_replayed_and_a_large_replay_goes_on(
    world: World, api: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trunkpulse.adapters.storage.memory_outbox.MAX_REPLAYED", 2)
    for sequence in (1, 2, 3):
        await record(world, "x", sequence)
        await end(world, DeliveryResult.DELIVERED)
    body: dict[str, object] = {"trunkId": "x", "from": NOW_MS}
    done = await answer(await api.post(f"{STREAM}/replay", json=body))
    assert (done["replayed"], done["hurried"]) == (2, 0)
    assert world.woken == ["noc"]
    rest = await answer(
        await api.post(f"{STREAM}/replay", json={**body, "after": done["nextCursor"]})
    )
    assert rest == {"replayed": 1, "hurried": 0, "nextCursor": None, "tellsAlerts": False}
    pending = await world.store.deliveries("noc", limit=3)
    assert [(each.event_id, each.replayed_ms) for each in pending] == [
        ("x-3", NOW_MS),
        ("x-2", NOW_MS),
        ("x-1", NOW_MS),
    ]


async def test_a_replay_to_a_stream_that_tells_alerts_says_that_it_does(world: World) -> None:
    await world.subscriptions.apply_file([replace(STREAMS[0], alerts=AlertSettings())])
    await record(world, "x", 1)
    await end(world, DeliveryResult.DELIVERED)
    async with world.client() as api:
        done = await answer(await api.post(f"{STREAM}/replay", json={"trunkId": "x"}))
    assert done == {"replayed": 1, "hurried": 0, "nextCursor": None, "tellsAlerts": True}


@pytest.mark.parametrize(
    ("body", "status", "detail"),
    [
        (
            {},
            422,
            "The body says nothing of which events; give eventId, trunkId, from, to or deadOnly.",
        ),
        ({"from": 5, "to": 5}, 422, "body.from must be earlier than body.to."),
        ({"eventId": "nobody"}, 404, "There is no event with the id nobody to replay."),
    ],
)
async def test_a_replay_of_nothing_says_so(
    api: httpx2.AsyncClient, body: dict[str, object], status: int, detail: str
) -> None:
    refused = await answer(await api.post(f"{STREAM}/replay", json=body), status)
    assert refused["detail"] == detail


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "test"),
        ("GET", "deliveries"),
        ("GET", "deliveries/1"),
        ("POST", "deliveries/1/retry"),
        ("POST", "replay"),
    ],
)
async def test_a_stream_that_is_not_there_is_named(
    api: httpx2.AsyncClient, method: str, path: str
) -> None:
    body = {"eventId": "x"} if path == "replay" else None
    response = await api.request(method, f"/api/v2/events/streams/nobody/{path}", json=body)
    refused = await answer(response, 404)
    assert refused["detail"] == "There is no event stream with the id nobody."


@pytest.mark.parametrize("delivery_id", ["0", "-1", "x", str(2**63)])
async def test_a_number_that_no_delivery_has_is_refused(
    api: httpx2.AsyncClient, delivery_id: str
) -> None:
    await answer(await api.get(f"{STREAM}/deliveries/{delivery_id}"), 422)


async def test_a_delivery_that_is_gone_is_named(api: httpx2.AsyncClient) -> None:
    for response in (
        await api.get(f"{STREAM}/deliveries/7"),
        await api.post(f"{STREAM}/deliveries/7/retry"),
    ):
        refused = await answer(response, 404)
        assert refused["detail"] == (
            "Stream noc has no delivery 7; those of pruned events are gone."
        )


async def test_a_test_event_is_sent_and_the_answer_told(
    world: World, api: httpx2.AsyncClient
) -> None:
    before = await world.store.last_position()
    world.destination.answer = SinkAnswer(
        outcome=DeliveryOutcome.TRY_LATER,
        detail="503 Service Unavailable",
        request="POST /hook",
        response="503",
    )
    told = await answer(await api.post("/api/v2/events/streams/audit/test"))
    ((stream_id, delivery),) = world.destination.sent
    assert stream_id == "audit"  # which is disabled
    assert told == {
        "eventId": delivery.event_id,
        "outcome": "try_later",
        "detail": "503 Service Unavailable",
        "durationMs": 0,
        "request": "POST /hook",
        "response": "503",
    }
    assert await world.store.last_position() == before


async def test_one_test_event_at_a_time_is_on_its_way_to_a_stream(
    world: World, api: httpx2.AsyncClient
) -> None:
    world.destination.hold = asyncio.Event()
    first = asyncio.create_task(api.post(f"{STREAM}/test"))
    await world.destination.came.wait()
    refused = await answer(await api.post(f"{STREAM}/test"), 409)
    assert "on its way to noc already" in refused["detail"]
    world.destination.hold.set()
    await answer(await first)
    await answer(await api.post(f"{STREAM}/test"))


async def test_a_destination_in_trouble_is_shown_with_its_stream(
    world: World, api: httpx2.AsyncClient
) -> None:
    assert (await answer(await api.get(STREAM)))["trouble"] is None
    world.health["noc"] = StreamHealth(
        failing_since_ms=NOW_MS - DAY_MS, failed_ms=NOW_MS, detail="410 Gone", disabled_ms=NOW_MS
    )
    assert (await answer(await api.get(STREAM)))["trouble"] == {
        "failingSince": NOW_MS - DAY_MS,
        "disabledSince": NOW_MS,
        "detail": "410 Gone",
    }


async def test_metrics_tell_of_each_streams_backlog_and_trouble(
    world: World, api: httpx2.AsyncClient
) -> None:
    await record(world, "x", 1)
    await end(world, DeliveryResult.DEAD)
    await record(world, "x", 2, 3)
    world.clock.seconds = 62
    world.health["gone"] = StreamHealth(
        failing_since_ms=NOW_MS, failed_ms=NOW_MS, detail="410", disabled_ms=NOW_MS
    )
    lines = (await api.get("/metrics")).text.splitlines()
    for line in (
        'trunkpulse_stream_deliveries{state="pending",stream="noc"} 2.0',
        'trunkpulse_stream_deliveries{state="dead",stream="noc"} 1.0',
        'trunkpulse_stream_deliveries{state="parked",stream="noc"} 0.0',
        'trunkpulse_stream_lag_seconds{stream="noc"} 61.998',
        'trunkpulse_stream_disabled{stream="noc"} 0.0',
        'trunkpulse_stream_disabled{stream="gone"} 1.0',
        'trunkpulse_stream_failing_seconds{stream="gone"} 62.0',
        'trunkpulse_stream_failing_seconds{stream="noc"} 0.0',
    ):
        assert line in lines
