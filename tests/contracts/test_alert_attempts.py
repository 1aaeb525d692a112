"""What is told of alerts, in the log of deliveries: the contract of every adapter."""

from __future__ import annotations

from dataclasses import replace

import pytest

from contracts.delivery_steps import claim, end, record
from contracts.stores import NOW_MS, Store, stream
from trunkpulse.adapters.storage.outbox import TRIM_EVERY
from trunkpulse.ports import (
    ATTEMPTS_KEPT,
    MAX_SAID_CHARACTERS,
    AlertAttempt,
    AlertKind,
    DeliveryResult,
    DeliveryState,
    RecordedAttempt,
    RecordedDelivery,
    ReplayChoice,
    Replayed,
    StreamBacklog,
)

pytest_plugins = ["contracts.store_fixtures"]

TRIGGER = AlertAttempt(
    stream_id="noc",
    alert_id="alert-7",
    kind=AlertKind.TRIGGER,
    position=1,
    at_ms=NOW_MS + 100,
    duration_ms=12,
    result=DeliveryResult.RETRY,
    detail="503 Service Unavailable",
    request="trigger of alert alert-7 (3 trunks)\nPOST /v2/enqueue",
    response="503 Service Unavailable\n\nbusy",
)
TAKEN = replace(
    TRIGGER,
    at_ms=NOW_MS + 200,
    result=DeliveryResult.DELIVERED,
    detail="202 Accepted",
    response="202 Accepted",
)
RESOLVE = replace(TAKEN, kind=AlertKind.RESOLVE, at_ms=NOW_MS + 300, position=2)


@pytest.fixture
async def told(store: Store) -> Store:
    """Two events of a trunk, both taken into an alert."""
    await record(store, "a", 1)
    await end(store, DeliveryResult.DELIVERED)
    await record(store, "a", 2)
    await end(store, DeliveryResult.DELIVERED)
    return store


async def of_alerts(store: Store) -> list[RecordedDelivery]:
    return await store.deliveries("noc", trunk_id="alert:alert-7")


async def test_what_is_told_of_an_alert_is_one_delivery_however_often_it_is_tried(
    told: Store,
) -> None:
    await told.note_attempts([TRIGGER])
    (waiting,) = await of_alerts(told)
    await told.note_attempts([TAKEN])
    (taken,) = await of_alerts(told)
    assert waiting == RecordedDelivery(
        id=waiting.id,
        stream_id="noc",
        trunk_id="alert:alert-7",
        event_id="a-1",
        position=1,
        state=DeliveryState.PARKED,
        attempts=1,
        times_parked=0,
        recorded_ms=NOW_MS + 1,
        due_ms=None,
        settled_ms=NOW_MS + 100,
        replayed_ms=None,
        detail="503 Service Unavailable",
        alert=AlertKind.TRIGGER,
    )
    assert taken == replace(
        waiting,
        state=DeliveryState.DELIVERED,
        attempts=2,
        settled_ms=NOW_MS + 200,
        detail="202 Accepted",
    )
    assert await told.attempts(taken.id) == [
        RecordedAttempt(
            attempt=number,
            at_ms=each.at_ms,
            duration_ms=12,
            result=each.result,
            request=each.request,
            response=each.response,
        )
        for number, each in ((2, TAKEN), (1, TRIGGER))
    ]


async def test_each_part_of_an_alert_is_a_delivery_of_its_own_beside_the_events(
    told: Store,
) -> None:
    update = replace(TAKEN, kind=AlertKind.UPDATE, at_ms=NOW_MS + 250)
    await told.note_attempts([TAKEN, update, replace(update, at_ms=NOW_MS + 260), RESOLVE])
    kinds = [each.alert for each in await told.deliveries("noc")]
    assert kinds == [
        AlertKind.RESOLVE,
        AlertKind.UPDATE,
        AlertKind.UPDATE,
        AlertKind.TRIGGER,
        None,
        None,
    ]
    assert [each.event_id for each in await of_alerts(told)] == ["a-2", "a-1", "a-1", "a-1"]


async def test_what_was_overtaken_before_it_was_taken_is_given_up(told: Store) -> None:
    update = replace(TRIGGER, kind=AlertKind.UPDATE, at_ms=NOW_MS + 250)
    await told.note_attempts([TAKEN, update, RESOLVE])
    resolve, updated, trigger = await of_alerts(told)
    assert [each.state for each in (resolve, updated, trigger)] == [
        "delivered",
        "dead",
        "delivered",
    ]
    assert "told instead" in updated.detail
    assert await told.deliveries("noc", state=DeliveryState.DEAD) == [updated]


async def test_an_attempt_that_is_noted_twice_is_there_once(told: Store) -> None:
    await told.note_attempts([TRIGGER, TAKEN])
    await told.note_attempts([TAKEN])
    (taken,) = await of_alerts(told)
    assert (taken.attempts, len(await told.attempts(taken.id))) == (2, 2)


async def test_nobody_sends_it_again_but_its_lane(told: Store) -> None:
    refused = replace(TAKEN, result=DeliveryResult.DEAD, detail="400 Bad Request")
    await told.note_attempts([TRIGGER, refused])
    (dead,) = await of_alerts(told)
    assert dead.state is DeliveryState.DEAD
    assert not await told.retry("noc", dead.id)
    only_dead = ReplayChoice(dead_only=True)
    assert await told.replay("noc", only_dead, now_ms=NOW_MS) == Replayed()
    await told.note_attempts([replace(TRIGGER, at_ms=NOW_MS + 400, position=2)])
    parked = (await of_alerts(told))[0]
    assert parked.state is DeliveryState.PARKED
    assert not await told.retry("noc", parked.id)
    assert await told.next_due_ms("noc") is None
    done = await told.replay("noc", ReplayChoice(trunk_id="a"), now_ms=NOW_MS)
    assert done == Replayed(again=2, reached=2)
    await told.release()
    assert [each.event_id for each in await claim(told)] == ["a-1"]


async def test_the_backlog_tells_of_what_is_not_taken(told: Store) -> None:
    await told.note_attempts([TRIGGER])
    assert await told.backlogs() == {"noc": StreamBacklog(parked=1)}
    await told.note_attempts([TAKEN])
    assert await told.backlogs() == {}


async def test_it_goes_with_its_event_and_keeps_it_from_nothing(told: Store) -> None:
    await told.note_attempts([TRIGGER, replace(RESOLVE, alert_id="other")])
    (parked,) = await of_alerts(told)
    assert await told.prune(NOW_MS + 2) == 1
    assert await of_alerts(told) == []
    assert await told.attempts(parked.id) == []
    assert [each.trunk_id for each in await told.deliveries("noc")] == ["alert:other", "a"]
    await told.note_attempts([TAKEN])  # of an event that is gone
    assert await of_alerts(told) == []


async def test_it_goes_with_its_stream(told: Store) -> None:
    await told.note_attempts([TAKEN])
    (taken,) = await of_alerts(told)
    await told.drop_stream("noc")
    await told.drop_remains("noc")
    assert await of_alerts(told) == []
    assert await told.attempts(taken.id) == []


async def test_it_goes_with_a_stream_that_the_file_does_not_declare_any_more(told: Store) -> None:
    await told.note_attempts([TAKEN])
    await told.sync_streams([stream("other")])
    assert await of_alerts(told) == []


async def test_what_is_kept_is_bounded(told: Store) -> None:
    long = replace(TRIGGER, request="x" * 9_999, response="")
    batch = [
        replace(long, at_ms=NOW_MS + 1_000 + number) for number in range(ATTEMPTS_KEPT + TRIM_EVERY)
    ]
    for start in range(0, len(batch), TRIM_EVERY):
        await told.note_attempts(batch[start : start + TRIM_EVERY])
    (parked,) = await of_alerts(told)
    said = await told.attempts(parked.id, limit=2 * ATTEMPTS_KEPT)
    assert len(said) == ATTEMPTS_KEPT
    assert said[0].attempt == parked.attempts == ATTEMPTS_KEPT + TRIM_EVERY
    assert said[0].request == "x" * MAX_SAID_CHARACTERS
    assert said[0].response == "503 Service Unavailable"
