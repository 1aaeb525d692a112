"""A lane that is to end: what is on its way may arrive, within a deadline."""

from __future__ import annotations

import asyncio

import pytest
from structlog.testing import capture_logs

from delivery_bench import OK, Bench, FlakyOutbox, Receiver, always, never
from trunkpulse.adapters.storage.memory import MemoryStore
from trunkpulse.ports import Delivery, SinkAnswer
from virtual_time import run_virtual


def test_a_drain_lets_sends_end_settles_them_and_claims_nothing_more() -> None:
    async def main() -> None:
        bench = Bench()

        async def slow(_delivery: Delivery) -> SinkAnswer:
            await asyncio.sleep(5)
            return OK

        receiver = Receiver(slow)
        await bench.record("a")
        lane = bench.lane(receiver)
        task = asyncio.create_task(lane.run())
        await receiver.came.wait()
        await bench.record("b")
        lane.drain(10)
        lane.wake()
        started = bench.clock.monotonic()
        await task
        assert bench.clock.monotonic() - started == pytest.approx(5)
        assert receiver.event_ids == ["a-1"]
        assert lane.progress.delivered == 1
        assert await bench.store.next_due_ms("noc") == 0  # only b-1, never claimed

    run_virtual(main)


def test_a_send_that_outlasts_the_drain_is_interrupted_and_falls_due_at_once() -> None:
    async def main() -> None:
        bench = Bench()
        receiver = Receiver(never)
        await bench.record("a")
        lane = bench.lane(receiver)
        task = asyncio.create_task(lane.run())
        await receiver.came.wait()
        lane.drain(2)
        await task
        assert receiver.open_trunks == []
        successor = Receiver(always(OK))
        await bench.run_for(bench.lane(successor), 0.01)
        assert successor.event_ids == ["a-1"]

    run_virtual(main)


def test_a_drain_ends_by_its_deadline_with_a_claim_that_hangs() -> None:
    async def main() -> None:
        bench = Bench()
        claiming = asyncio.Event()

        class HangingOutbox(MemoryStore):
            async def claim(
                self, stream_id: str, *, now_ms: int, limit: int, lease_ms: int
            ) -> list[Delivery]:
                claiming.set()
                await asyncio.Event().wait()
                return []

        lane = bench.lane(Receiver(always(OK)), outbox=HangingOutbox())
        task = asyncio.create_task(lane.run())
        await claiming.wait()
        started = bench.clock.monotonic()
        lane.drain(3)
        await task
        assert bench.clock.monotonic() - started == pytest.approx(3)

    run_virtual(main)


def test_a_drain_may_be_repeated_while_a_claim_is_on_its_way_out() -> None:
    async def main() -> None:
        bench = Bench()
        claiming = asyncio.Event()

        class LingeringOutbox(MemoryStore):
            async def claim(
                self, stream_id: str, *, now_ms: int, limit: int, lease_ms: int
            ) -> list[Delivery]:
                claiming.set()
                try:
                    await asyncio.Event().wait()
                finally:
                    await bench.clock.advance(0.5)  # as a transaction that has begun
                return []

        lane = bench.lane(Receiver(always(OK)), outbox=LingeringOutbox())
        task = asyncio.create_task(lane.run())
        await claiming.wait()
        started = bench.clock.monotonic()
        lane.drain(0)
        await bench.clock.advance(0.2)
        lane.drain(0)
        await task
        assert bench.clock.monotonic() - started == pytest.approx(0.5)

    run_virtual(main)


def test_a_drain_with_the_database_away_ends_all_the_same() -> None:
    async def main() -> None:
        bench = Bench()
        outbox = FlakyOutbox(bench)
        receiver = Receiver(always(OK))
        await outbox.bench.record("a")
        lane = bench.lane(receiver, outbox=outbox)
        outbox.settle_away_until = float("inf")
        task = asyncio.create_task(lane.run())
        await receiver.came.wait()
        lane.drain(2)
        with capture_logs() as logs:
            await task
        assert "delivery.unsettled" in [log["event"] for log in logs]

    run_virtual(main)
