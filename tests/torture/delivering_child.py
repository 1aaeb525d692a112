"""A process that records and delivers as fast as it can, to be killed."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from contracts.stores import commit_of, url_of
from trunkpulse.adapters.clock import SystemClock
from trunkpulse.adapters.storage.database import DatabaseStore
from trunkpulse.adapters.storage.place import locate
from trunkpulse.events.backoff import RetrySchedule
from trunkpulse.events.lane import DeliveryLimits, StreamDelivery
from trunkpulse.ports import Clock, Delivery, DeliveryOutcome, EventSink, Outbox, SinkAnswer

STREAMS = ("noc", "audit")
TRUNKS = tuple(f"trunk-{n}" for n in range(8))

IMPATIENT = RetrySchedule(
    shortest_delay_seconds=0.001,
    longest_delay_seconds=0.004,
    park_after_seconds=0.02,
    parked_delays_seconds=(0.005,) * 10_000,
)
"""What takes minutes and days otherwise, in milliseconds; nothing is ever given up."""


def lanes(
    outbox: Outbox, sink_for: Callable[[str], EventSink], clock: Clock, rng: random.Random
) -> list[StreamDelivery]:
    """A lane for each stream."""
    return [
        StreamDelivery(
            stream_id,
            sink_for(stream_id),
            outbox=outbox,
            clock=clock,
            rng=rng,
            schedule=IMPATIENT,
            limits=DeliveryLimits(in_flight=4),
        )
        for stream_id in STREAMS
    ]


def read_delivery(line: bytes) -> Delivery:
    """What a `_Line` wrote."""
    return Delivery(**json.loads(line))


class _Line:
    """A destination at the other end of a connection of its own."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def deliver(self, delivery: Delivery) -> SinkAnswer:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            writer.write(json.dumps(asdict(delivery)).encode() + b"\n")
            outcome = DeliveryOutcome((await reader.readline()).decode().strip())
        finally:
            writer.close()
        return SinkAnswer(outcome=outcome)

    async def close(self) -> None:
        """Nothing to release."""


def run(file: str, port: int, seed: int) -> None:
    """Record and deliver until killed."""
    asyncio.run(_for_ever(Path(file), port, random.Random(seed)))


async def _for_ever(file: Path, port: int, rng: random.Random) -> None:
    clock = SystemClock()
    store = DatabaseStore(locate(url_of(file)), instance_id="edge-1", clock=clock)
    await store.release()
    sequences = {trunk_id: health.sequence for trunk_id, health in (await store.load()).items()}
    running = lanes(store, lambda _: _Line(port), clock, rng)
    async with asyncio.TaskGroup() as tasks:
        for lane in running:
            tasks.create_task(lane.run())
        while True:
            commits = []
            for trunk_id in rng.sample(TRUNKS, rng.randint(1, 3)):
                sequences[trunk_id] = sequences.get(trunk_id, 0) + 1
                commits.append(commit_of(trunk_id, sequences[trunk_id], tell=STREAMS))
            if await store.commit(commits):
                raise RuntimeError("Nobody else writes, yet a commit was refused.")
            for lane in running:
                lane.wake()
            await asyncio.sleep(0.005)
