"""The contract of Outbox, held by every adapter."""

from __future__ import annotations

from contracts.stores import NOW_MS, Shelf, Store, commit_of, stream
from trunkpulse.ports import Delivery, DeliveryReport, DeliveryResult

pytest_plugins = ["contracts.store_fixtures"]

LEASE_MS = 60_000


async def claim(store: Store, stream_id: str = "noc", *, at_ms: int = NOW_MS) -> list[Delivery]:
    return await store.claim(stream_id, now_ms=at_ms, limit=100, lease_ms=LEASE_MS)


def ids(deliveries: list[Delivery]) -> list[str]:
    return [delivery.event_id for delivery in deliveries]


def report(
    delivery: Delivery,
    result: DeliveryResult,
    *,
    at_ms: int = NOW_MS,
    due_ms: int | None = None,
) -> DeliveryReport:
    return DeliveryReport(
        delivery_id=delivery.id, result=result, at_ms=at_ms, due_ms=due_ms, detail="said so"
    )


async def park(store: Store, deliveries: list[Delivery], *, due_ms: int) -> None:
    parked = DeliveryResult.PARKED
    await store.settle([report(each, parked, due_ms=due_ms) for each in deliveries])


async def finish(store: Store, deliveries: list[Delivery]) -> None:
    await store.settle([report(each, DeliveryResult.DELIVERED) for each in deliveries])


async def test_nothing_is_due_at_first(store: Store) -> None:
    assert await claim(store) == []
    assert await store.next_due_ms("noc") is None
    await store.settle([])
    await store.release()


async def test_a_delivery_carries_its_event(store: Store) -> None:
    await store.commit([commit_of("a", 1, tell=["noc"])])
    (event,) = await store.read()
    (delivery,) = await claim(store)
    assert delivery == Delivery(
        id=delivery.id,
        stream_id="noc",
        trunk_id="a",
        event_id="a-1",
        position=event.position,
        body=event.body,
        attempts=0,
        created_ms=NOW_MS + 1,
        first_attempt_ms=None,
        times_parked=0,
    )


async def test_each_told_stream_gets_one_delivery(store: Store) -> None:
    await store.commit([commit_of("a", 1, tell=["noc", "audit"]), commit_of("b", 1)])
    assert ids(await claim(store, "noc")) == ["a-1"]
    assert ids(await claim(store, "audit")) == ["a-1"]
    assert await claim(store, "other") == []


async def test_due_deliveries_come_oldest_first_and_no_more_than_asked(store: Store) -> None:
    for trunk_id in ("c", "a", "b"):
        await store.commit([commit_of(trunk_id, 1, tell=["noc"])])
    first = await store.claim("noc", now_ms=NOW_MS, limit=2, lease_ms=LEASE_MS)
    assert ids(first) == ["c-1", "a-1"]
    assert ids(await claim(store)) == ["b-1"]


async def test_only_the_oldest_of_a_trunk_is_due_until_it_is_settled(store: Store) -> None:
    await store.commit([commit_of("a", 1, tell=["noc"]), commit_of("a", 2, tell=["noc"])])
    await store.commit([commit_of("a", 3, tell=["noc"])])
    delivered: list[str] = []
    while due := await claim(store):
        assert len(due) == 1
        assert await claim(store) == []
        delivered += ids(due)
        await finish(store, due)
    assert delivered == ["a-1", "a-2", "a-3"]
    assert await store.next_due_ms("noc") is None


async def test_one_streams_backlog_does_not_hold_up_another(store: Store) -> None:
    await store.commit([commit_of("a", n, tell=["noc", "audit"]) for n in (1, 2)])
    await finish(store, await claim(store, "audit"))
    assert ids(await claim(store, "audit")) == ["a-2"]
    assert ids(await claim(store, "noc")) == ["a-1"]


async def test_a_change_recorded_after_the_queue_ran_dry_is_due_at_once(store: Store) -> None:
    await store.commit([commit_of("a", 1, tell=["noc"])])
    await finish(store, await claim(store))
    await store.commit([commit_of("a", 2, tell=["noc"])])
    assert ids(await claim(store)) == ["a-2"]


async def test_a_claim_lasts_as_long_as_its_lease(store: Store) -> None:
    await store.commit([commit_of("a", 1, tell=["noc"])])
    await claim(store)
    assert await claim(store, at_ms=NOW_MS + LEASE_MS - 1) == []
    assert await store.next_due_ms("noc") == NOW_MS + LEASE_MS
    assert ids(await claim(store, at_ms=NOW_MS + LEASE_MS)) == ["a-1"]


async def test_a_retry_waits_until_it_is_due_and_holds_up_the_newer(store: Store) -> None:
    await store.commit([commit_of("a", n, tell=["noc"]) for n in (1, 2)])
    (delivery,) = await claim(store)
    await store.settle([report(delivery, DeliveryResult.RETRY, due_ms=NOW_MS + 500)])

    assert await claim(store, at_ms=NOW_MS + 499) == []
    assert await store.next_due_ms("noc") == NOW_MS + 500
    (again,) = await claim(store, at_ms=NOW_MS + 500)
    assert (again.id, again.event_id, again.attempts) == (delivery.id, "a-1", 1)


async def test_the_earliest_of_several_retries_is_next(store: Store) -> None:
    await store.commit([commit_of(trunk_id, 1, tell=["noc"]) for trunk_id in ("a", "b")])
    a, b = await claim(store)
    await store.settle(
        [
            report(a, DeliveryResult.RETRY, due_ms=NOW_MS + 900),
            report(b, DeliveryResult.RETRY, due_ms=NOW_MS + 300),
        ]
    )
    assert await store.next_due_ms("noc") == NOW_MS + 300
    assert ids(await claim(store, at_ms=NOW_MS + 300)) == ["b-1"]


async def test_waiting_work_is_due_in_the_past(store: Store) -> None:
    await store.commit([commit_of("a", 1, tell=["noc"])])
    due_ms = await store.next_due_ms("noc")
    assert due_ms is not None
    assert due_ms <= NOW_MS


async def test_work_is_due_at_once_even_if_the_wall_clock_was_set_back(store: Store) -> None:
    await store.commit([commit_of("a", 1, tell=["noc"], at_ms=NOW_MS)])
    assert ids(await claim(store, at_ms=NOW_MS - 3_600_000)) == ["a-1"]


async def test_what_waits_for_a_moment_is_brought_forward_when_the_clock_was_set_back(
    store: Store,
) -> None:
    hour_ms = 3_600_000
    await store.commit([commit_of(each, 1, tell=["noc", "other"]) for each in ("a", "b", "c")])
    retried, parked, _ = await claim(store)
    await store.settle([report(retried, DeliveryResult.RETRY, due_ms=NOW_MS + 10_000)])
    await park(store, [parked], due_ms=NOW_MS + 20_000)
    (other, *_) = await claim(store, "other")
    await store.settle([report(other, DeliveryResult.RETRY, due_ms=NOW_MS + 10_000)])
    await store.release()
    await store.bring_forward("noc", hour_ms)
    assert await store.next_due_ms("noc") == 0  # the third waits for nothing, as before
    found = {each.event_id: each for each in await claim(store, at_ms=NOW_MS - hour_ms + 20_000)}
    assert found.keys() == {"a-1", "b-1", "c-1"}
    first = {event_id: each.first_attempt_ms for event_id, each in found.items()}
    assert first == {"a-1": NOW_MS - hour_ms, "b-1": NOW_MS - hour_ms, "c-1": None}
    assert len(await claim(store, "other", at_ms=NOW_MS)) == 2


async def test_a_delivery_knows_its_attempts_and_when_the_first_was(store: Store) -> None:
    await store.commit([commit_of("a", 1, tell=["noc"])])
    seen: list[tuple[int, int | None, int]] = []
    for n, result in enumerate([DeliveryResult.RETRY, *[DeliveryResult.PARKED] * 3], start=1):
        (delivery,) = await claim(store, at_ms=NOW_MS + n)
        seen.append((delivery.attempts, delivery.first_attempt_ms, delivery.times_parked))
        await store.settle([report(delivery, result, at_ms=NOW_MS + n, due_ms=NOW_MS)])
    (delivery,) = await claim(store)
    seen.append((delivery.attempts, delivery.first_attempt_ms, delivery.times_parked))
    first_ms = NOW_MS + 1
    assert seen == [
        (0, None, 0),
        (1, first_ms, 0),
        (2, first_ms, 1),
        (3, first_ms, 2),
        (4, first_ms, 3),
    ]


async def test_a_parked_delivery_lets_the_newer_pass_and_returns_when_it_is_due(
    store: Store,
) -> None:
    await store.commit([commit_of("a", n, tell=["noc"]) for n in (1, 2)])
    later_ms = NOW_MS + 10 * LEASE_MS
    await park(store, await claim(store), due_ms=later_ms)
    newer = await claim(store)
    assert ids(newer) == ["a-2"]
    await finish(store, newer)

    assert await store.next_due_ms("noc") == later_ms
    assert await claim(store, at_ms=later_ms - 1) == []
    again = await claim(store, at_ms=later_ms)
    assert ids(again) == ["a-1"]
    assert await claim(store, at_ms=later_ms) == []
    assert await store.next_due_ms("noc") == later_ms + LEASE_MS
    await finish(store, again)
    assert await store.next_due_ms("noc") is None
    assert await claim(store, at_ms=later_ms + 10 * LEASE_MS) == []


async def test_a_parked_delivery_and_the_head_of_its_trunk_do_not_wait_for_each_other(
    store: Store,
) -> None:
    await store.commit([commit_of("a", n, tell=["noc"]) for n in (1, 2, 3)])
    await park(store, await claim(store), due_ms=NOW_MS)
    head, parked = await claim(store)
    assert ids([head, parked]) == ["a-2", "a-1"]

    await finish(store, [parked])
    assert await claim(store) == []  # a-2 is under way, and a-3 waits for it alone
    await finish(store, [head])
    assert ids(await claim(store)) == ["a-3"]


async def test_news_comes_before_what_was_parked_and_all_of_it_within_the_limit(
    store: Store,
) -> None:
    await store.commit([commit_of(trunk_id, 1, tell=["noc"]) for trunk_id in "abc"])
    await park(store, await claim(store), due_ms=NOW_MS)
    await store.commit([commit_of(trunk_id, 1, tell=["noc"]) for trunk_id in "de"])
    claimed = await store.claim("noc", now_ms=NOW_MS, limit=4, lease_ms=LEASE_MS)
    assert ids(claimed) == ["d-1", "e-1", "a-1", "b-1"]
    assert ids(await claim(store)) == ["c-1"]


async def test_a_parked_delivery_that_is_interrupted_stays_parked(store: Store) -> None:
    await store.commit([commit_of("a", n, tell=["noc"]) for n in (1, 2)])
    await park(store, await claim(store), due_ms=NOW_MS)
    _head, parked = await claim(store)
    await store.settle([report(parked, DeliveryResult.RETRY, due_ms=NOW_MS + 5)])
    (again,) = await claim(store, at_ms=NOW_MS + 5)
    assert (again.event_id, again.times_parked) == ("a-1", 1)


async def test_a_dead_delivery_lets_the_newer_pass_and_never_returns(store: Store) -> None:
    await store.commit([commit_of("a", n, tell=["noc"]) for n in (1, 2)])
    await park(store, await claim(store), due_ms=NOW_MS)
    for delivery in await claim(store):
        await store.settle([report(delivery, DeliveryResult.DEAD, due_ms=NOW_MS)])
    assert await claim(store, at_ms=NOW_MS + 10 * LEASE_MS) == []
    assert await store.next_due_ms("noc") is None
    assert len(await store.read()) == 2

    await store.commit([commit_of("a", 3, tell=["noc"])])
    await store.commit([commit_of("a", 4, tell=["noc"])])
    await store.settle([report(each, DeliveryResult.DEAD) for each in await claim(store)])
    assert ids(await claim(store)) == ["a-4"]


async def test_settling_twice_changes_nothing(store: Store) -> None:
    await store.commit([commit_of("a", n, tell=["noc"]) for n in (1, 2, 3)])
    due = await claim(store)
    await finish(store, due)
    await finish(store, due)
    await store.settle([report(due[0], DeliveryResult.RETRY, due_ms=NOW_MS)])
    assert ids(await claim(store)) == ["a-2"]
    await finish(store, due)
    assert await claim(store) == []


async def test_claims_of_an_earlier_life_are_given_back(shelf: Shelf) -> None:
    store = await shelf.open()
    await store.commit([commit_of("a", n, tell=["noc"]) for n in (1, 2)])
    await store.commit([commit_of("b", 1, tell=["noc"])])
    await store.commit([commit_of("c", 1, tell=["noc"])])
    retried, _lost, parked = await claim(store)
    await store.settle([report(retried, DeliveryResult.RETRY, due_ms=NOW_MS + 500)])
    await park(store, [parked], due_ms=NOW_MS)
    assert ids(await claim(store)) == ["c-1"]

    store = await shelf.reopen()
    await store.release()
    assert ids(await claim(store)) == ["b-1", "c-1"]
    assert ids(await claim(store, at_ms=NOW_MS + 500)) == ["a-1"]


async def test_streams_that_are_gone_leave_no_work_and_no_debt(store: Store) -> None:
    both = ["noc", "old"]
    await store.commit([commit_of("a", n, tell=both, opened=both) for n in (1, 2)])
    await park(store, await claim(store, "old"), due_ms=NOW_MS)
    assert ids(await claim(store, "old")) == ["a-2", "a-1"]
    await store.sync_streams([stream("noc"), stream("fresh")])

    assert await store.next_due_ms("old") is None
    assert await claim(store, "old", at_ms=NOW_MS + LEASE_MS) == []
    assert await store.load_owed() == {("noc", "a")}
    assert ids(await claim(store, "noc")) == ["a-1"]
    assert len(await store.read()) == 2


async def test_a_report_about_a_stream_that_is_gone_is_ignored(store: Store) -> None:
    await store.commit([commit_of("a", 1, tell=["old"])])
    due = await claim(store, "old")
    await store.sync_streams([])
    await finish(store, due)
    assert await store.next_due_ms("old") is None
