"""The contract of ProberLog, held by every adapter."""

from __future__ import annotations

from contracts.stores import NOW_MS, Shelf, Store, commit_of
from trunkpulse.events.prober_envelope import decode_prober
from trunkpulse.model import IsolationEvidence, IsolationRule, ProberEvent, ProberState
from trunkpulse.ports import DeliveryReport, DeliveryResult

pytest_plugins = ["contracts.store_fixtures"]


def event(sequence: int, instance_id: str = "edge-1") -> ProberEvent:
    return ProberEvent(
        event_id=f"prober-{instance_id}-{sequence}",
        instance_id=instance_id,
        region="us-east",
        sequence=sequence,
        at_ms=NOW_MS + sequence,
        state=ProberState.ISOLATED if sequence % 2 else ProberState.CONNECTED,
        evidence=IsolationEvidence(
            rule=IsolationRule.LINK,
            since_ms=NOW_MS,
            problem="the network interface eth0 is down",
            interfaces=("eth0",),
        ),
    )


async def test_the_sequence_is_kept_and_each_instance_has_its_own(shelf: Shelf) -> None:
    store = await shelf.open()
    assert await store.prober_sequence("edge-1") == 0
    assert await store.record_prober(event(1), [])
    assert await store.record_prober(event(1, "edge-2"), [])
    assert await store.record_prober(event(2), [])
    store = await shelf.reopen()
    assert await store.prober_sequence("edge-1") == 2
    assert await store.prober_sequence("edge-2") == 1


async def test_an_event_that_does_not_come_next_is_not_written(store: Store) -> None:
    assert not await store.record_prober(event(2), ["noc"])
    assert await store.record_prober(event(1), ["noc"])
    assert not await store.record_prober(event(1), ["noc"])
    assert not await store.record_prober(event(3), ["noc"])
    assert len(await store.read()) == 1
    assert len(await store.claim("noc", now_ms=NOW_MS, limit=9, lease_ms=1)) == 1


async def test_the_sequence_outlives_its_events(store: Store) -> None:
    await store.record_prober(event(1), [])
    assert await store.prune(NOW_MS * 2) == 1
    assert await store.prober_sequence("edge-1") == 1


async def test_it_is_in_the_one_log_with_the_changes_of_trunks(store: Store) -> None:
    await store.commit([commit_of("edge-1", 1)])
    await store.record_prober(event(1), [])
    await store.commit([commit_of("edge-1", 2)])
    recorded = await store.read()
    assert [each.position for each in recorded] == [1, 2, 3]
    assert decode_prober(recorded[1].body) == event(1)
    # A trunk may have the very name of the instance: its history is its own.
    assert len(await store.read(trunk_id="edge-1")) == 2
    assert await store.read(trunk_id="prober:edge-1") == [recorded[1]]


async def test_its_deliveries_go_in_order_and_wait_for_no_trunk(store: Store) -> None:
    await store.commit([commit_of("a", 1, tell=["noc"])])
    await store.record_prober(event(1), ["noc", "other"])
    await store.record_prober(event(2), ["noc"])
    of_trunk, first = await store.claim("noc", now_ms=NOW_MS, limit=9, lease_ms=60_000)
    assert (of_trunk.event_id, first.event_id) == ("a-1", "prober-edge-1-1")
    assert decode_prober(first.body) == event(1)
    assert await store.claim("noc", now_ms=NOW_MS, limit=9, lease_ms=60_000) == []
    done = DeliveryReport(delivery_id=first.id, result=DeliveryResult.DELIVERED, at_ms=NOW_MS)
    await store.settle([done])
    (second,) = await store.claim("noc", now_ms=NOW_MS, limit=9, lease_ms=60_000)
    assert second.event_id == "prober-edge-1-2"
    (other,) = await store.claim("other", now_ms=NOW_MS, limit=9, lease_ms=60_000)
    assert other.event_id == "prober-edge-1-1"
