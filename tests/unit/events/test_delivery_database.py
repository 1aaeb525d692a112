"""A database that comes and goes under a lane, and leases that run out."""

from __future__ import annotations

import asyncio

import pytest
from structlog.testing import capture_logs

from delivery_bench import OK, Bench, FlakyOutbox, Receiver, always, cancelled, never
from trunkpulse.events.delivery import DeliveryLimits
from trunkpulse.ports import Delivery, SinkAnswer
from virtual_time import run_virtual


def test_a_lost_database_is_reported_once_not_hurried_and_outlived() -> None:
    async def main() -> None:
        bench = Bench()
        outbox = FlakyOutbox(bench)
        outbox.claim_away_until = bench.clock.monotonic() + 600
        receiver = Receiver(always(OK))
        await bench.record("a")
        lane = bench.lane(receiver)
        with capture_logs() as logs:
            task = asyncio.create_task(lane.run())
            for _ in range(1000):  # commits of others do not make it try sooner
                await bench.clock.advance(0.61)
                lane.wake()
            await cancelled(task)
        assert receiver.accepted == ["a-1"]
        assert outbox.calls_in_vain < 600 / 5 + 10
        assert [log["event"] for log in logs] == [
            "delivery.store_unavailable",
            "delivery.store_available",
        ]

    run_virtual(main)


def test_a_delivery_whose_end_could_not_be_recorded_is_not_sent_twice() -> None:
    async def main() -> None:
        bench = Bench()
        outbox = FlakyOutbox(bench)
        outbox.settle_away_until = bench.clock.monotonic() + 300  # beyond any lease
        receiver = Receiver(always(OK))
        await bench.record("a")
        await bench.record("a")
        lane = bench.lane(receiver)
        await bench.run_for(lane, 400)
        assert receiver.event_ids == ["a-1", "a-2"]
        assert lane.progress.delivered == 2

    run_virtual(main)


def test_what_ends_while_others_are_being_settled_is_settled_next() -> None:
    async def main() -> None:
        bench = Bench()
        outbox = FlakyOutbox(bench)
        outbox.settle_seconds = 1.0

        async def one_after_another(delivery: Delivery) -> SinkAnswer:
            await bench.clock.advance(delivery.position * 0.3)
            return OK

        receiver = Receiver(one_after_another)
        await bench.record(*"abcdef")
        lane = bench.lane(receiver)
        await bench.run_for(lane, 20)
        assert sorted(receiver.accepted) == ["a-1", "b-1", "c-1", "d-1", "e-1", "f-1"]
        assert (lane.progress.delivered, lane.progress.in_flight) == (6, 0)
        assert await outbox.next_due_ms("noc") is None

    run_virtual(main)


def test_a_lease_expired_under_a_send_does_not_repeat_it() -> None:
    async def main() -> None:
        bench = Bench()
        receiver = Receiver(never)
        await bench.record("a")
        lane = bench.lane(receiver)
        task = asyncio.create_task(lane.run())
        await receiver.came.wait()
        bench.clock.step_wall(7200)
        lane.wake()
        await bench.clock.advance(20)
        assert receiver.event_ids == ["a-1"]
        await cancelled(task)

    run_virtual(main)


def test_a_lease_that_runs_out_under_a_send_is_not_accepted() -> None:
    with pytest.raises(ValueError, match="must be above send_seconds"):
        DeliveryLimits(send_seconds=30, lease_seconds=30)
