"""The contract of replays, which every DeliveryLog holds."""

from __future__ import annotations

import pytest

from contracts.delivery_steps import DAY_MS, claim, deliver_all, end, record
from contracts.stores import NOW_MS, Store
from trunkpulse.ports import (
    DeliveryResult,
    ReplayChoice,
    Replayed,
    StreamBacklog,
)

pytest_plugins = ["contracts.store_fixtures"]


async def test_events_are_replayed_under_their_ids_in_order_of_each_trunk(store: Store) -> None:
    await record(store, "a", 1, 2)
    await record(store, "b", 1)
    await record(store, "a", 3)
    await deliver_all(store)
    everything = ReplayChoice(from_ms=0)
    done = await store.replay("noc", everything, now_ms=NOW_MS + 7)
    assert done == Replayed(again=4, reached=4)
    assert [each.event_id for each in await claim(store)] == ["a-1", "b-1"]
    await store.release()
    assert await deliver_all(store) == ["a-1", "b-1", "a-2", "a-3"]
    moments = {each.replayed_ms for each in (await store.deliveries("noc"))[:4]}
    assert moments == {NOW_MS + 7}


async def test_a_replay_is_of_one_event_of_a_trunk_or_of_a_time(store: Store) -> None:
    await record(store, "a", 1, 2, 3)
    await record(store, "b", 1, 2)
    await deliver_all(store)
    for choice, events in (
        (ReplayChoice(event_id="b-1"), ["b-1"]),
        (ReplayChoice(trunk_id="a"), ["a-1", "a-2", "a-3"]),
        (ReplayChoice(from_ms=NOW_MS + 2), ["a-2", "b-2", "a-3"]),
        (ReplayChoice(to_ms=NOW_MS + 2), ["a-1", "b-1"]),
        (ReplayChoice(trunk_id="a", from_ms=NOW_MS + 2, to_ms=NOW_MS + 3), ["a-2"]),
        (ReplayChoice(trunk_id="c"), []),
        (ReplayChoice(event_id="c-1"), []),
        (ReplayChoice(event_id="b-1", trunk_id="a"), []),
    ):
        done = await store.replay("noc", choice, now_ms=NOW_MS)
        assert done.again == len(events), choice
        assert await deliver_all(store) == events


async def test_a_replay_is_of_what_the_stream_was_told_unless_the_event_is_named(
    store: Store,
) -> None:
    await record(store, "a", 1, tell="audit")
    await deliver_all(store, "audit")
    assert (await store.replay("noc", ReplayChoice(trunk_id="a"), now_ms=NOW_MS)).again == 0
    assert (await store.replay("noc", ReplayChoice(event_id="a-1"), now_ms=NOW_MS)).again == 1
    assert await deliver_all(store) == ["a-1"]
    assert await deliver_all(store, "audit") == []


async def test_what_waits_already_is_not_doubled_and_what_is_parked_is_hurried(
    store: Store,
) -> None:
    await record(store, "a", 1)
    await end(store, DeliveryResult.PARKED, due_ms=NOW_MS + DAY_MS)
    await record(store, "a", 2, 3)
    everything = ReplayChoice(from_ms=0)
    assert await store.replay("noc", everything, now_ms=NOW_MS) == Replayed(hurried=1, reached=3)
    assert await store.replay("noc", everything, now_ms=NOW_MS) == Replayed(hurried=1, reached=3)
    assert sorted(await deliver_all(store)) == ["a-1", "a-2", "a-3"]


async def test_newer_events_of_a_trunk_wait_for_those_that_are_replayed(store: Store) -> None:
    await record(store, "a", 1, 2)
    await deliver_all(store)
    await store.replay("noc", ReplayChoice(trunk_id="a"), now_ms=NOW_MS)
    await record(store, "a", 3)
    assert await deliver_all(store) == ["a-1", "a-2", "a-3"]


async def test_dead_letters_alone_can_be_replayed(store: Store) -> None:
    await record(store, "a", 1)
    await end(store, DeliveryResult.DEAD)
    await record(store, "a", 2)
    await end(store, DeliveryResult.DELIVERED)
    await record(store, "b", 1)
    await end(store, DeliveryResult.PARKED, due_ms=NOW_MS + DAY_MS)
    dead = ReplayChoice(dead_only=True)
    done = await store.replay("noc", dead, now_ms=NOW_MS)
    assert (done.again, done.hurried) == (1, 0)
    assert await deliver_all(store) == ["a-1"]
    # It has been delivered since: whoever asks again is not sent it again.
    assert (await store.replay("noc", dead, now_ms=NOW_MS)).again == 0


async def test_a_replay_ends_at_its_limit_and_goes_on_from_there(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("deliveries", "memory_outbox"):
        monkeypatch.setattr(f"trunkpulse.adapters.storage.{module}.MAX_REPLAYED", 2)
    await record(store, "a", 1, 2, 3)
    await deliver_all(store)
    choice = ReplayChoice(trunk_id="a")
    first = await store.replay("noc", choice, now_ms=NOW_MS)
    assert first == Replayed(again=2, reached=2, more=True)
    second = await store.replay("noc", choice, now_ms=NOW_MS, after=first.reached)
    assert second == Replayed(again=1, reached=3, more=False)
    assert await deliver_all(store) == ["a-1", "a-2", "a-3"]


async def test_what_is_replayed_makes_no_stream_look_late(store: Store) -> None:
    await record(store, "a", 1)
    await deliver_all(store)
    await store.replay("noc", ReplayChoice(trunk_id="a"), now_ms=NOW_MS + DAY_MS)
    assert await store.backlogs() == {"noc": StreamBacklog(pending=1, oldest_ms=None)}
