"""The contract of DeliveryLog, held by every adapter."""

from __future__ import annotations

from dataclasses import replace

import pytest

from contracts.delivery_steps import DAY_MS, claim, deliver_all, end, listed, record
from contracts.stores import NOW_MS, Store, stream
from trunkpulse.ports import (
    ATTEMPTS_KEPT,
    MAX_SAID_CHARACTERS,
    DeliveryReport,
    DeliveryResult,
    DeliveryState,
    RecordedAttempt,
    RecordedDelivery,
    ReplayChoice,
    Replayed,
    StreamBacklog,
)

pytest_plugins = ["contracts.store_fixtures"]


async def test_a_stream_of_which_nothing_is_known_has_no_deliveries(store: Store) -> None:
    assert await store.deliveries("noc") == []
    assert await store.delivery("noc", 1) is None
    assert await store.attempts(1) == []
    assert await store.backlogs() == {}
    assert not await store.retry("noc", 1)
    choice = ReplayChoice(event_id="a-1")
    assert await store.replay("noc", choice, now_ms=NOW_MS, after=7) == Replayed(reached=7)


async def test_a_delivery_is_shown_from_its_event_to_its_end(store: Store) -> None:
    await record(store, "a", 1)
    (pending,) = await store.deliveries("noc")
    assert pending == RecordedDelivery(
        id=pending.id,
        stream_id="noc",
        trunk_id="a",
        event_id="a-1",
        position=1,
        state=DeliveryState.PENDING,
        attempts=0,
        times_parked=0,
        recorded_ms=NOW_MS + 1,
        due_ms=0,
        settled_ms=None,
        replayed_ms=None,
        detail="",
    )
    await end(store, DeliveryResult.DELIVERED, at_ms=NOW_MS + 5)
    delivered = await store.delivery("noc", pending.id)
    assert delivered is not None
    assert (delivered.state, delivered.attempts) == (DeliveryState.DELIVERED, 1)
    assert (delivered.settled_ms, delivered.detail) == (NOW_MS + 5, "said so")
    assert await store.delivery("audit", pending.id) is None


async def test_deliveries_are_listed_newest_first_by_state_trunk_and_page(store: Store) -> None:
    await record(store, "a", 1)
    await record(store, "b", 1)
    await end(store, DeliveryResult.DEAD)
    await record(store, "a", 2)
    await end(store, DeliveryResult.PARKED, due_ms=NOW_MS + DAY_MS)
    await record(store, "b", 2)
    await end(store, DeliveryResult.DELIVERED)
    await record(store, "a", 3, 4)
    await record(store, "c", 1, tell="audit")

    assert await listed(store) == ["a-4", "a-3", "b-2", "a-2", "b-1", "a-1"]
    assert await listed(store, state=DeliveryState.DEAD) == ["b-1", "a-1"]
    assert await listed(store, state=DeliveryState.PARKED) == ["a-2"]
    assert await listed(store, state=DeliveryState.DELIVERED) == ["b-2"]
    assert await listed(store, state=DeliveryState.PENDING) == ["a-4", "a-3"]
    assert await listed(store, trunk_id="b") == ["b-2", "b-1"]
    assert await listed(store, trunk_id="a", state=DeliveryState.DEAD) == ["a-1"]
    first = await store.deliveries("noc", limit=4)
    rest = await store.deliveries("noc", limit=4, before=first[-1].id)
    assert [each.event_id for each in (*first, *rest)] == await listed(store)


async def test_what_was_said_on_each_attempt_is_kept(store: Store) -> None:
    await record(store, "a", 1)
    await end(store, DeliveryResult.RETRY, due_ms=NOW_MS, attempt=1)
    await end(store, DeliveryResult.DELIVERED, at_ms=NOW_MS + 9, attempt=2)
    (delivery,) = await store.deliveries("noc")
    said = await store.attempts(delivery.id)
    assert said == [
        RecordedAttempt(
            attempt=attempt,
            at_ms=at_ms,
            duration_ms=12,
            result=result,
            request="POST /hook",
            response="503 try later",
        )
        for attempt, at_ms, result in (
            (2, NOW_MS + 9, DeliveryResult.DELIVERED),
            (1, NOW_MS, DeliveryResult.RETRY),
        )
    ]
    assert await store.attempts(delivery.id, limit=1) == said[:1]


async def test_what_is_said_is_cut_and_a_phrase_stands_for_no_response(store: Store) -> None:
    await record(store, "a", 1)
    (delivery,) = await claim(store)
    report = DeliveryReport(
        delivery_id=delivery.id,
        stream_id="noc",
        result=DeliveryResult.RETRY,
        at_ms=NOW_MS,
        detail="Connection refused",
        request="x" * 10_000,
    )
    await store.settle([report])
    (said,) = await store.attempts(delivery.id)
    assert said.request == "x" * MAX_SAID_CHARACTERS
    assert said.response == "Connection refused"


@pytest.mark.parametrize("result", [DeliveryResult.DELIVERED, DeliveryResult.RETRY])
async def test_an_attempt_that_is_settled_twice_is_logged_once(
    store: Store, result: DeliveryResult
) -> None:
    await record(store, "a", 1)
    (delivery,) = await claim(store)
    report = DeliveryReport(
        delivery_id=delivery.id, stream_id="noc", result=result, at_ms=NOW_MS, due_ms=NOW_MS
    )
    await store.settle([report, report])
    await store.settle([report])
    assert len(await store.attempts(delivery.id)) == 1
    await store.settle([replace(report, at_ms=NOW_MS + 1)])
    assert len(await store.attempts(delivery.id)) == 2


async def test_only_the_newest_attempts_of_a_stream_are_kept(store: Store) -> None:
    await record(store, "a", 1)
    await record(store, "b", 1, tell="audit")
    (delivery,) = await claim(store)
    (other,) = await claim(store, "audit")
    rounds = 12
    for turn in range(rounds):
        await store.settle(
            [
                DeliveryReport(
                    delivery_id=each.id,
                    stream_id=each.stream_id,
                    result=DeliveryResult.RETRY,
                    at_ms=NOW_MS,
                    attempt=1000 * turn + number,
                )
                for number in range(1000)
                for each in ((delivery, other) if number == 0 else (delivery,))
            ]
        )
    said = await store.attempts(delivery.id, limit=2 * ATTEMPTS_KEPT)
    assert ATTEMPTS_KEPT <= len(said) < ATTEMPTS_KEPT + 1000
    assert said[0].attempt == 1000 * rounds - 1
    assert len(await store.attempts(other.id)) == rounds


async def test_a_dead_letter_is_sent_again_on_request(store: Store) -> None:
    await record(store, "a", 1)
    await end(store, DeliveryResult.DEAD)
    await record(store, "a", 2)
    (dead,) = await store.deliveries("noc", state=DeliveryState.DEAD)
    assert not await store.retry("audit", dead.id)
    assert await store.retry("noc", dead.id)
    again = await claim(store)
    assert [(each.event_id, each.times_parked) for each in again] == [("a-2", 0), ("a-1", 1)]
    assert not await store.retry("noc", dead.id)  # it is being sent
    await store.settle(
        [
            DeliveryReport(delivery_id=each.id, result=DeliveryResult.DELIVERED, at_ms=NOW_MS)
            for each in again
        ]
    )
    assert await listed(store, state=DeliveryState.DELIVERED) == ["a-2", "a-1"]
    assert not await store.retry("noc", dead.id)  # it has been delivered
    assert await store.next_due_ms("noc") is None


async def test_a_parked_delivery_is_sent_at_once_on_request(store: Store) -> None:
    await record(store, "a", 1)
    await end(store, DeliveryResult.PARKED, due_ms=NOW_MS + DAY_MS)
    assert await claim(store) == []
    (parked,) = await store.deliveries("noc")
    assert await store.retry("noc", parked.id)
    assert [each.event_id for each in await claim(store)] == ["a-1"]


async def test_a_pending_delivery_is_not_hurried(store: Store) -> None:
    await record(store, "a", 1, 2)
    for each in await store.deliveries("noc"):
        assert not await store.retry("noc", each.id)
    assert [each.event_id for each in await claim(store)] == ["a-1"]


async def test_the_backlog_counts_what_is_undelivered_and_knows_the_oldest(store: Store) -> None:
    await record(store, "a", 1)
    await end(store, DeliveryResult.DEAD)
    await record(store, "b", 1)
    await end(store, DeliveryResult.PARKED, due_ms=NOW_MS + DAY_MS)
    await record(store, "c", 1, at_ms=NOW_MS + 5)
    await record(store, "c", 2, 3, at_ms=NOW_MS + 6)
    await record(store, "d", 1, tell="audit")
    assert await store.backlogs() == {
        "noc": StreamBacklog(pending=3, parked=1, dead=1, oldest_ms=NOW_MS + 5),
        "audit": StreamBacklog(pending=1, oldest_ms=NOW_MS + 1),
    }
    await deliver_all(store)
    await deliver_all(store, "audit")
    assert await store.backlogs() == {"noc": StreamBacklog(parked=1, dead=1)}


async def test_deliveries_go_with_their_event_and_with_their_stream(store: Store) -> None:
    await record(store, "a", 1)
    await end(store, DeliveryResult.DELIVERED)
    (old,) = await store.deliveries("noc")
    await record(store, "b", 1, tell="gone")
    await end(store, DeliveryResult.RETRY, stream_id="gone", due_ms=NOW_MS)
    (lost,) = await store.deliveries("gone")
    assert await store.attempts(lost.id)
    await store.sync_streams([stream("noc")])
    assert await store.deliveries("gone") == []
    assert await store.attempts(lost.id) == []
    assert await store.prune(NOW_MS + DAY_MS) == 2
    assert await store.deliveries("noc") == []
    assert await store.attempts(old.id) == []
