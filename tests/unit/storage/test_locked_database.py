"""A stop while another program keeps the database file locked."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

from structlog.testing import capture_logs

from contracts.stores import StillClock, commit_of, open_sqlite, stream
from trunkpulse.events.delivery import Deliveries
from trunkpulse.model import EventStream
from trunkpulse.ports import Delivery, DeliveryOutcome, SinkAnswer

STREAMS = tuple(f"stream-{n}" for n in range(15))


@contextmanager
def locked(file: Path) -> Iterator[None]:
    other_program = sqlite3.connect(file, isolation_level=None)
    other_program.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        other_program.close()


class Gate:
    """A destination that takes its time to accept: until the gate is opened."""

    def __init__(self) -> None:
        self.waiting: set[str] = set()
        self.accepted: list[tuple[str, str]] = []
        self.all_waiting = asyncio.Event()
        self.opened = asyncio.Event()

    def sink_for(self, _stream: EventStream) -> Gate:
        return self

    async def deliver(self, delivery: Delivery) -> SinkAnswer:
        self.waiting.add(delivery.stream_id)
        if len(self.waiting) == len(STREAMS):
            self.all_waiting.set()
        await self.opened.wait()
        self.accepted.append((delivery.stream_id, delivery.event_id))
        return SinkAnswer(outcome=DeliveryOutcome.ACCEPTED)

    async def close(self) -> None:
        pass


async def test_a_stop_with_many_streams_tries_the_locked_database_once_and_loses_nothing(
    tmp_path: Path,
) -> None:
    file = tmp_path / "trunkpulse.db"
    streams = [stream(stream_id) for stream_id in STREAMS]
    store = await open_sqlite(file)
    gate = Gate()
    await store.commit([commit_of("a", 1, tell=STREAMS)])
    async with asyncio.TaskGroup() as tasks:
        deliveries = Deliveries(
            tasks, outbox=store, sink_for=gate.sink_for, clock=StillClock(), rng=Random(1)
        )
        await deliveries.apply(streams)
        await gate.all_waiting.wait()
        with locked(file), capture_logs() as logs:
            await deliveries.drain(0)
        assert [(log["event"], log["deliveries"]) for log in logs] == [("delivery.unsettled", 15)]
    assert gate.accepted == []
    await store.close()

    store = await open_sqlite(file)
    await store.release()
    gate = Gate()
    gate.opened.set()
    async with asyncio.TaskGroup() as tasks:
        deliveries = Deliveries(
            tasks, outbox=store, sink_for=gate.sink_for, clock=StillClock(), rng=Random(1)
        )
        await deliveries.apply(streams)
        await gate.all_waiting.wait()
        await deliveries.drain(5)
    assert sorted(gate.accepted) == sorted((stream_id, "a-1") for stream_id in STREAMS)
    assert {await store.next_due_ms(stream_id) for stream_id in STREAMS} == {None}
    await store.close()
