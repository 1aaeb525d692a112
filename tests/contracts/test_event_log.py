"""The contract of EventLog, held by every adapter."""

from __future__ import annotations

from contracts.stores import NOW_MS, Shelf, Store, commit_of
from trunkpulse.ports import DeliveryReport, DeliveryResult, RecordedEvent

pytest_plugins = ["contracts.store_fixtures"]


def ids(events: list[RecordedEvent]) -> list[str]:
    return [event.event_id for event in events]


async def test_an_empty_log_reads_as_nothing(store: Store) -> None:
    assert await store.read() == []
    assert await store.latest() == []
    assert await store.last_position() == 0


async def test_reading_on_from_the_last_position_sees_each_event_once(shelf: Shelf) -> None:
    store = await shelf.open()
    for sequence in (1, 2, 3):
        await store.commit([commit_of("a", sequence), commit_of("b", sequence)])
    store = await shelf.reopen()

    seen: list[str] = []
    cursor = 0
    while page := await store.read(after=cursor, limit=4):
        seen += ids(page)
        cursor = page[-1].position
    assert seen == ["a-1", "b-1", "a-2", "b-2", "a-3", "b-3"]
    assert cursor == await store.last_position()


async def test_latest_pages_backwards(store: Store) -> None:
    for sequence in (1, 2, 3, 4, 5):
        await store.commit([commit_of("a", sequence)])
    newest = await store.latest(limit=2)
    assert ids(newest) == ["a-5", "a-4"]
    assert ids(await store.latest(before=newest[-1].position, limit=2)) == ["a-3", "a-2"]
    assert ids(await store.latest(before=1)) == []


async def test_one_trunks_history_leaves_out_the_others(store: Store) -> None:
    for sequence in (1, 2, 3):
        await store.commit([commit_of("a", sequence), commit_of("b", sequence)])
    first = await store.read(trunk_id="b", limit=1)
    assert ids(first) == ["b-1"]
    assert ids(await store.read(trunk_id="b", after=first[0].position)) == ["b-2", "b-3"]
    assert ids(await store.latest(trunk_id="a", limit=2)) == ["a-3", "a-2"]
    assert await store.read(trunk_id="unheard-of") == []


async def test_pruning_drops_old_events_and_positions_go_on(shelf: Shelf) -> None:
    store = await shelf.open()
    for sequence in (1, 2, 3):
        await store.commit([commit_of("a", sequence, at_ms=sequence * 1000)])
    assert await store.prune(before_ms=3000) == 2
    assert ids(await store.read()) == ["a-3"]
    assert ids(await store.latest(trunk_id="a")) == ["a-3"]

    assert await store.prune(before_ms=9000) == 1
    store = await shelf.reopen()
    await store.commit([commit_of("a", 4)])
    assert [event.position for event in await store.read(after=3)] == [4]


async def test_pruning_leaves_what_a_delivery_still_needs(store: Store) -> None:
    await store.commit([commit_of("a", 1, tell=["noc"]), commit_of("b", 1, tell=["noc", "slow"])])
    claimed = await store.claim("noc", now_ms=NOW_MS, limit=10, lease_ms=1)
    await store.settle(
        [
            DeliveryReport(
                delivery_id=delivery.id, result=DeliveryResult.DELIVERED, at_ms=NOW_MS + 2
            )
            for delivery in claimed
        ]
    )
    assert await store.prune(before_ms=NOW_MS + 1000) == 1
    (waiting,) = await store.claim("slow", now_ms=NOW_MS, limit=10, lease_ms=1)
    assert waiting.event_id == "b-1"


async def test_pruning_leaves_what_is_parked_and_drops_what_is_dead(store: Store) -> None:
    await store.commit([commit_of("a", 1, tell=["noc"]), commit_of("b", 1, tell=["noc"])])
    parked, dead = await store.claim("noc", now_ms=NOW_MS, limit=10, lease_ms=1)
    await store.settle(
        [
            DeliveryReport(
                delivery_id=parked.id,
                result=DeliveryResult.PARKED,
                at_ms=NOW_MS,
                due_ms=NOW_MS + 500,
            ),
            DeliveryReport(delivery_id=dead.id, result=DeliveryResult.DEAD, at_ms=NOW_MS),
        ]
    )
    assert await store.prune(before_ms=NOW_MS + 1000) == 1
    assert ids(await store.read()) == ["a-1"]
    (waiting,) = await store.claim("noc", now_ms=NOW_MS + 500, limit=10, lease_ms=1)
    assert waiting.event_id == "a-1"


async def test_pruning_more_than_one_batch_drops_all(store: Store) -> None:
    await store.commit([commit_of(f"t{n}", 1) for n in range(1203)])
    assert await store.prune(before_ms=NOW_MS + 1000) == 1203
    assert await store.read() == []
