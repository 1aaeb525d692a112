"""The contract of StreamWatch, held by every adapter."""

from __future__ import annotations

import json

from contracts.stores import NOW_MS, Shelf, Store, stream
from trunkpulse.model import StreamDisabled, StreamReason
from trunkpulse.ports import StreamHealth

pytest_plugins = ["contracts.store_fixtures"]

FAILING = StreamHealth(failing_since_ms=NOW_MS - 9, failed_ms=NOW_MS, detail="503")


def disabled(sequence: int = 1, *, stream_id: str = "noc") -> StreamDisabled:
    return StreamDisabled(
        event_id=f"{stream_id}-disabled-{sequence}",
        stream_id=stream_id,
        stream_name="Network operations",
        sequence=sequence,
        at_ms=NOW_MS,
        reason=StreamReason.DESTINATION_GONE,
        failing_since_ms=NOW_MS - 9,
        detail="410 Gone",
        instance_id="edge-1",
        region="us-east",
    )


async def test_trouble_is_remembered_until_it_is_over(shelf: Shelf) -> None:
    store = await shelf.open()
    assert await store.stream_health() == {}
    await store.note_health("noc", FAILING)
    later = StreamHealth(failing_since_ms=1, failed_ms=2, detail="x", disabled_ms=3)
    await store.note_health("noc", later)
    await store.note_health("audit", FAILING)
    store = await shelf.reopen()
    assert await store.stream_health() == {"noc": later, "audit": FAILING}
    await store.note_health("noc", None)
    await store.note_health("noc", None)
    assert await store.stream_health() == {"audit": FAILING}


async def test_the_trouble_of_streams_that_are_gone_goes(store: Store) -> None:
    await store.note_health("noc", FAILING)
    await store.note_health("old", FAILING)
    await store.sync_streams([stream("noc")])
    assert await store.stream_health() == {"noc": FAILING}


async def test_a_stream_that_is_given_up_is_an_event_for_the_others(store: Store) -> None:
    health = StreamHealth(
        failing_since_ms=NOW_MS - 9, failed_ms=NOW_MS, detail="410 Gone", disabled_ms=NOW_MS
    )
    assert await store.record_disabled(disabled(), health, ["audit", "pager"])
    assert await store.stream_health() == {"noc": health}
    assert await store.stream_sequence("noc") == 1
    (event,) = await store.read()
    assert (event.trunk_id, event.event_id) == ("stream:noc", "noc-disabled-1")
    for stream_id in ("audit", "pager"):
        (delivery,) = await store.claim(stream_id, now_ms=NOW_MS, limit=9, lease_ms=1)
        assert delivery.body == event.body
    assert json.loads(event.body) == {
        "eventType": "events.streams.disabled",
        "timestamp": NOW_MS,
        "entityId": "noc",
        "entityName": "Network operations",
        "state": "DISABLED",
        "previousState": "ENABLED",
        "reasonCode": "DESTINATION_GONE",
        "metadata": {
            "eventId": "noc-disabled-1",
            "sequence": 1,
            "instanceId": "edge-1",
            "region": "us-east",
            "failingSince": NOW_MS - 9,
            "detail": "410 Gone",
        },
    }


async def test_two_instances_do_not_give_a_stream_up_twice(store: Store) -> None:
    assert await store.record_disabled(disabled(), FAILING, [])
    assert not await store.record_disabled(disabled(), FAILING, ["audit"])
    assert not await store.record_disabled(disabled(3), FAILING, ["audit"])
    assert len(await store.read()) == 1
    assert await store.claim("audit", now_ms=NOW_MS, limit=9, lease_ms=1) == []
    assert await store.record_disabled(disabled(2), FAILING, [])
    assert await store.record_disabled(disabled(1, stream_id="other"), FAILING, [])
