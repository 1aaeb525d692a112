"""A receiver that is down for hours, then slow for hours: nothing is lost, nobody else waits."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from random import Random

from delivery_bench import BUSY, OK, Bench, Receiver, always
from trunkpulse.events.delivery import Deliveries
from trunkpulse.events.envelope import decode
from trunkpulse.model import Destination, EventStream
from trunkpulse.ports import Delivery, SinkAnswer
from virtual_time import run_virtual

HOUR = 3600.0
OUTAGE_SECONDS = 2 * HOUR
ANSWER_SECONDS = 29.0
TRUNKS = 200
OTHERS = ("ops", "audit", "queue")


def a_stream(stream_id: str) -> EventStream:
    destination = Destination(type="test", url="http://127.0.0.1:9/")
    return EventStream(id=stream_id, name=stream_id, destination=destination)


def delays(receiver: Receiver, wall_offset: float) -> list[float]:
    """How long after it was recorded each event came, sorted."""
    return sorted(
        moment + wall_offset - decode(delivery.body).at_ms / 1000
        for delivery, moment in zip(receiver.received, receiver.moments, strict=True)
    )


def rounds(rng: Random, count: int) -> Iterator[list[str]]:
    for _ in range(count):
        yield rng.sample([f"t{n}" for n in range(TRUNKS)], rng.randint(1, 20))


def test_a_receiver_down_for_two_hours_and_then_slow_loses_nothing_and_delays_nobody() -> None:
    async def main() -> None:
        bench = Bench()
        rng = Random(20261123)
        back = bench.clock.monotonic() + OUTAGE_SECONDS
        wall_offset = bench.clock.wall() - bench.clock.monotonic()

        async def down_then_slow(_delivery: Delivery) -> SinkAnswer:
            if bench.clock.monotonic() < back:
                return BUSY
            await asyncio.sleep(ANSWER_SECONDS)
            return OK

        slow = Receiver(down_then_slow)
        receivers = {stream_id: Receiver(always(OK)) for stream_id in OTHERS}
        everybody = ("slow", *OTHERS)
        recorded: list[str] = []
        async with asyncio.TaskGroup() as tasks:
            deliveries = Deliveries(
                tasks,
                outbox=bench.store,
                sink_for=lambda stream: receivers.get(stream.id, slow),
                clock=bench.clock,
                rng=rng,
            )
            await deliveries.apply([a_stream(stream_id) for stream_id in everybody])
            for trunk_ids in rounds(rng, 3 * 60):  # three hours, a minute each
                recorded += await bench.record(*trunk_ids, tell=everybody)
                deliveries.wake(everybody)
                await bench.clock.advance(60)
            while await bench.store.next_due_ms("slow") is not None:
                await bench.clock.advance(600)
            await deliveries.drain(0)

        for receiver in receivers.values():
            assert sorted(receiver.accepted) == sorted(recorded)
            late = delays(receiver, wall_offset)
            assert late[int(len(late) * 0.99)] < 1.0
        assert set(slow.accepted) == set(recorded)
        assert not [
            each
            for each in await bench.store.deliveries("slow", limit=9999)
            if each.detail != "200 OK"
        ]
        newest: dict[str, int] = {}
        for delivery in slow.received:
            if not delivery.times_parked:
                assert delivery.position >= newest.get(delivery.trunk_id, 0)
                newest[delivery.trunk_id] = delivery.position

    run_virtual(main)


def test_ten_thousand_trunks_down_at_once_are_ten_thousand_deliveries_and_no_more() -> None:
    async def main() -> None:
        bench = Bench()

        async def ordinary(_delivery: Delivery) -> SinkAnswer:
            await asyncio.sleep(0.05)
            return OK

        receiver = Receiver(ordinary)
        async with asyncio.TaskGroup() as tasks:
            deliveries = Deliveries(
                tasks,
                outbox=bench.store,
                sink_for=lambda _stream: receiver,
                clock=bench.clock,
                rng=Random(1),
            )
            await deliveries.apply([a_stream("noc")])
            recorded = await bench.record(*(f"t{n}" for n in range(10_000)))
            started = bench.clock.monotonic()
            deliveries.wake(["noc"])
            while await bench.store.next_due_ms("noc") is not None:
                await bench.clock.advance(1)
            await deliveries.drain(0)
        assert sorted(receiver.event_ids) == sorted(recorded)
        assert receiver.moments[-1] - started < 30

    run_virtual(main)
