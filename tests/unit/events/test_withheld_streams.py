"""A stream that cannot be delivered to after a start waits; it does not keep trunks unprobed."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from contracts.stores import NOW_MS, commit_of, stream
from trunkpulse.adapters.storage.memory import MemoryStore
from trunkpulse.events.subscriptions import StreamWithheld, Subscriptions
from trunkpulse.model import Destination, EventStream
from unit.http.api_parts import Lanes, SetClock
from vaults import a_vault

SECRET = Destination(type="webhook", url="https://example.com/hook", secret="whsec_c2VjcmV0")
MADE = replace(stream("made"), destination=SECRET, carriers=("acme",))
RIGHT, OTHER = 1, 2
"""Keys."""


async def started(store: MemoryStore, *, key: int, lanes: Lanes | None = None) -> Subscriptions:
    async def tell(streams: Sequence[EventStream]) -> None:
        del streams

    subscriptions = Subscriptions(
        store,
        a_vault(key),
        clock=SetClock(),
        deliveries=lanes or Lanes(),
        writing=asyncio.Lock(),
        tell=tell,
    )
    await subscriptions.load([])
    await subscriptions.apply_file([])
    return subscriptions


async def a_store_with_it() -> MemoryStore:
    store = MemoryStore()
    await (await started(store, key=RIGHT)).create(MADE)
    return store


async def test_a_stream_whose_key_is_lost_is_told_and_waits() -> None:
    store = await a_store_with_it()
    lanes = Lanes()
    with capture_logs() as logs:
        subscriptions = await started(store, key=OTHER, lanes=lanes)
    (found,) = subscriptions.all
    assert (found.id, found.paused, found.carriers) == ("made", True, ("acme",))
    assert found.destination.secret is None
    assert [entry["event"] for entry in logs] == ["stream.withheld"]
    assert subscriptions.withheld["made"] == logs[0]["problem"]
    await store.commit([commit_of("a", 1, tell=["made"])])
    assert await store.claim("made", now_ms=NOW_MS, limit=9, lease_ms=1)
    assert SECRET.url not in str(logs)


async def test_it_is_as_it_was_once_the_key_is_back() -> None:
    store = await a_store_with_it()
    await started(store, key=OTHER)
    subscriptions = await started(store, key=RIGHT)
    assert subscriptions.all == (MADE,)
    assert not subscriptions.withheld


async def test_nothing_is_written_over_what_the_right_key_would_open() -> None:
    store = await a_store_with_it()
    before = await store.load_streams()
    subscriptions = await started(store, key=OTHER)
    with pytest.raises(StreamWithheld, match="made is withheld and can only be deleted: "):
        await subscriptions.change("made", lambda each: replace(each, paused=False))
    with pytest.raises(StreamWithheld):
        await subscriptions.enable("made")
    assert await store.load_streams() == before


async def test_it_can_be_deleted() -> None:
    store = await a_store_with_it()
    subscriptions = await started(store, key=OTHER)
    await subscriptions.delete("made")
    assert subscriptions.all == ()
    assert not subscriptions.withheld
    assert not await store.load_streams()


async def test_a_destination_that_nothing_speaks_to_any_more_is_waited_for_too() -> None:
    store = await a_store_with_it()
    lanes = Lanes()
    lanes.impossible.add(SECRET.url)
    subscriptions = await started(store, key=RIGHT, lanes=lanes)
    assert subscriptions.withheld == {"made": "The destination of made is impossible."}
    assert lanes.streams["made"].paused


async def test_one_that_is_disabled_need_not_be_delivered_to() -> None:
    store = await a_store_with_it()
    subscriptions = await started(store, key=RIGHT)
    await subscriptions.change("made", lambda each: replace(each, enabled=False))
    lanes = Lanes()
    lanes.impossible.add(SECRET.url)
    # Whoever enables it is told then; a lane is made of none.
    assert not (await started(store, key=RIGHT, lanes=lanes)).withheld
