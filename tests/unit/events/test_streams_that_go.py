"""What waits for a stream that goes is dropped while changes are recorded as ever."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from contracts.stores import NOW_MS, commit_of, stream
from trunkpulse.adapters.storage.memory import MemoryStore
from trunkpulse.events.subscriptions import Subscriptions
from trunkpulse.model import EventStream
from trunkpulse.ports import StoreUnavailable
from unit.http.api_parts import Lanes, SetClock
from vaults import a_vault


class MuchToDrop(MemoryStore):
    """Takes until `done` to drop what waits for a stream, and may fail at the end of it."""

    def __init__(self) -> None:
        super().__init__()
        self.dropping = asyncio.Event()
        self.done = asyncio.Event()
        self.fails = False

    async def drop_backlog(self, stream_id: str) -> None:
        self.dropping.set()
        await self.done.wait()
        if self.fails:
            raise StoreUnavailable("the plug is pulled")
        await super().drop_backlog(stream_id)


class Told:
    """Two streams, one of the file and one that was made, and a recorder that tells them."""

    def __init__(self) -> None:
        self.store = MuchToDrop()
        self.writing = asyncio.Lock()
        self.streams: Sequence[EventStream] = ()
        self.lanes = Lanes()
        self.subscriptions = Subscriptions(
            self.store,
            a_vault(),
            clock=SetClock(),
            deliveries=self.lanes,
            writing=self.writing,
            tell=self.tell,
        )

    async def tell(self, streams: Sequence[EventStream]) -> None:
        self.streams = streams

    async def begin(self) -> None:
        await self.subscriptions.load([])
        await self.subscriptions.apply_file([stream("declared")])
        await self.subscriptions.create(stream("made"))

    async def record(self, trunk_id: str) -> None:
        async with self.writing:
            await self.store.commit(
                [commit_of(trunk_id, 1, tell=[each.id for each in self.streams])]
            )

    async def go(self, stream_id: str) -> None:
        if stream_id == "made":
            await self.subscriptions.delete(stream_id)
        else:
            await self.subscriptions.apply_file([])

    async def waiting_for(self, stream_id: str) -> list[str]:
        claimed = await self.store.claim(stream_id, now_ms=NOW_MS, limit=9, lease_ms=1)
        return [each.event_id for each in claimed]


@pytest.mark.parametrize(("gone", "stays"), [("made", "declared"), ("declared", "made")])
async def test_changes_are_recorded_while_what_waited_for_a_stream_is_dropped(
    gone: str, stays: str
) -> None:
    told = Told()
    await told.begin()
    await told.record("a")
    going = asyncio.create_task(told.go(gone))
    await told.store.dropping.wait()
    async with asyncio.timeout(5):
        await told.record("b")
    told.store.done.set()
    await going
    assert [each.id for each in told.streams] == [stays]
    assert await told.waiting_for(gone) == []
    assert await told.waiting_for(stays) == ["a-1", "b-1"]


async def test_a_stream_whose_end_could_not_be_written_misses_nothing_meanwhile() -> None:
    told = Told()
    await told.begin()
    told.store.fails = True
    going = asyncio.create_task(told.go("made"))
    await told.store.dropping.wait()
    await told.record("a")
    told.store.done.set()
    with pytest.raises(StoreUnavailable):
        await going
    assert set(told.lanes.streams) == {"declared", "made"}
    assert await told.waiting_for("made") == ["a-1"]
