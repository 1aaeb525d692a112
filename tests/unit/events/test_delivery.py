from __future__ import annotations

import asyncio
from collections.abc import Sequence
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from delivery_bench import BUSY, GONE, OK, Bench, Receiver, always, cancelled, in_turn, never
from trunkpulse.adapters.storage.memory import MemoryStore
from trunkpulse.events.delivery import DeliveryLimits
from trunkpulse.ports import (
    Delivery,
    DeliveryOutcome,
    DeliveryReport,
    SinkAnswer,
    StoreUnavailable,
)
from virtual_time import run_virtual


def test_what_is_recorded_is_delivered_once_and_the_outbox_is_empty() -> None:
    async def main() -> None:
        bench = Bench()
        receiver = Receiver(always(OK))
        recorded = await bench.record("a", "b") + await bench.record("a", "c")
        lane = bench.lane(receiver)
        await bench.run_for(lane, 3600)
        assert sorted(receiver.event_ids) == sorted(recorded)
        assert await bench.store.next_due_ms("noc") is None
        assert (lane.progress.delivered, lane.progress.in_flight) == (4, 0)

    run_virtual(main)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32), failures=st.floats(0, 0.97))
def test_events_of_a_trunk_arrive_in_order_whatever_fails(seed: int, failures: float) -> None:
    async def main() -> None:
        bench = Bench()
        rng = Random(seed)

        async def moody(_delivery: Delivery) -> SinkAnswer:
            await asyncio.sleep(rng.choice([0.0, 0.01, 1.0, 20.0, 40.0]))
            return BUSY if rng.random() < failures else OK

        receiver = Receiver(moody)
        lane = bench.lane(receiver, limits=DeliveryLimits(in_flight=3), seed=seed)
        task = asyncio.create_task(lane.run())
        for _ in range(12):
            await bench.record(*rng.sample("abcde", k=rng.randint(1, 5)))
            lane.wake()
            await bench.clock.advance(rng.choice([0.0, 0.3, 5.0, 60.0]))
        while await bench.store.next_due_ms("noc") is not None:
            await bench.clock.advance(600)
        for trunk_id in "abcde":
            received = [d for d in receiver.received if d.trunk_id == trunk_id]
            in_order = [d.position for d in received if not d.times_parked]
            assert in_order == sorted(in_order)
            recorded = [event.position for event in await bench.store.read(trunk_id=trunk_id)]
            assert sorted({d.position for d in received}) == recorded
        assert lane.progress.delivered + lane.progress.dead == await bench.store.last_position()
        await cancelled(task)

    run_virtual(main)


def test_no_more_than_the_limit_is_in_flight_and_all_of_the_limit_is_used() -> None:
    async def main() -> None:
        bench = Bench()

        async def slow(_delivery: Delivery) -> SinkAnswer:
            await asyncio.sleep(1)
            return OK

        receiver = Receiver(slow)
        await bench.record(*(f"t{n}" for n in range(20)))
        started = bench.clock.monotonic()
        await bench.run_for(bench.lane(receiver, limits=DeliveryLimits(in_flight=4)), 100)
        assert receiver.most_open == 4
        assert len(receiver.accepted) == 20
        assert receiver.moments[-1] == pytest.approx(started + 4)

    run_virtual(main)


def test_a_wake_delivers_at_once_and_without_one_the_lane_looks_by_itself() -> None:
    async def main() -> None:
        bench = Bench()
        receiver = Receiver(always(OK))
        lane = bench.lane(receiver)
        task = asyncio.create_task(lane.run())
        await bench.clock.advance(1)
        await bench.record("a")
        lane.wake()
        await receiver.came.wait()
        assert receiver.moments == [bench.clock.monotonic()]
        receiver.came.clear()
        await bench.record("a")
        await receiver.came.wait()
        assert receiver.moments[1] - receiver.moments[0] <= 30
        await cancelled(task)

    run_virtual(main)


def test_a_failed_delivery_is_retried_with_growing_pauses() -> None:
    async def main() -> None:
        bench = Bench()
        receiver = Receiver(in_turn(BUSY, BUSY, BUSY, OK))
        await bench.record("a")
        lane = bench.lane(receiver)
        await bench.run_for(lane, 60)
        assert receiver.event_ids == ["a-1"] * 4
        assert [delivery.attempts for delivery in receiver.received] == [0, 1, 2, 3]
        pauses = [b - a for a, b in zip(receiver.moments, receiver.moments[1:], strict=False)]
        for pause, ceiling in zip(pauses, (1, 2, 4), strict=True):
            assert 0.499 <= pause <= ceiling + 0.051
        assert (lane.progress.delivered, lane.progress.retried) == (1, 3)
        assert lane.progress.last_error is None

    run_virtual(main)


def test_the_receivers_retry_after_is_waited_for() -> None:
    async def main() -> None:
        bench = Bench()
        wait = SinkAnswer(outcome=DeliveryOutcome.TRY_LATER, retry_after_seconds=1000)
        receiver = Receiver(in_turn(wait, OK))
        await bench.record("a")
        await bench.run_for(bench.lane(receiver), 2000)
        assert receiver.moments[1] - receiver.moments[0] == pytest.approx(1000, abs=0.1)

    run_virtual(main)


def test_a_wall_clock_set_forward_does_not_leave_the_lane_asleep() -> None:
    async def main() -> None:
        bench = Bench()
        wait = SinkAnswer(outcome=DeliveryOutcome.TRY_LATER, retry_after_seconds=3600)
        receiver = Receiver(in_turn(wait, OK))
        await bench.record("a")
        task = asyncio.create_task(bench.lane(receiver).run())
        await bench.clock.advance(1)
        bench.clock.step_wall(3600)
        await bench.clock.advance(31)
        assert receiver.accepted == ["a-1"]
        await cancelled(task)

    run_virtual(main)


def test_after_five_minutes_a_delivery_is_parked_and_newer_state_passes() -> None:
    async def main() -> None:
        bench = Bench()

        async def hates_the_first(delivery: Delivery) -> SinkAnswer:
            return BUSY if delivery.event_id == "a-1" else OK

        receiver = Receiver(hates_the_first)
        await bench.record("a")
        await bench.record("a")
        lane = bench.lane(receiver)
        started = bench.clock.monotonic()
        with capture_logs() as logs:
            await bench.run_for(lane, 400)
        assert receiver.accepted == ["a-2"]
        assert receiver.moments[-1] - started == pytest.approx(300, abs=0.1)
        assert (lane.progress.parked, lane.progress.delivered) == (1, 1)
        assert [(log["event"], log["stream"], log["trunk"]) for log in logs] == [
            ("delivery.parked", "noc", "a")
        ]

    run_virtual(main)


def test_a_parked_delivery_is_delivered_late_if_the_receiver_comes_back() -> None:
    async def main() -> None:
        bench = Bench()
        back = bench.clock.monotonic() + 3600

        async def away_for_an_hour(_delivery: Delivery) -> SinkAnswer:
            return OK if bench.clock.monotonic() >= back else BUSY

        receiver = Receiver(away_for_an_hour)
        await bench.record("a")
        lane = bench.lane(receiver)
        await bench.run_for(lane, 3 * 3600)
        assert receiver.accepted == ["a-1"]
        assert (lane.progress.parked, lane.progress.delivered) == (3, 1)
        assert lane.progress.last_error is None
        assert await bench.store.next_due_ms("noc") is None

    run_virtual(main)


def test_a_delivery_that_nobody_takes_is_dead_after_three_days() -> None:
    async def main() -> None:
        bench = Bench()
        receiver = Receiver(always(BUSY))
        await bench.record("a")
        lane = bench.lane(receiver)
        started = bench.clock.monotonic()
        with capture_logs() as logs:
            await bench.run_for(lane, 5 * 24 * 3600)
        days = (receiver.moments[-1] - started) / (24 * 3600)
        assert 3.1 < days < 3.5
        assert (lane.progress.parked, lane.progress.dead) == (8, 1)
        assert [log["event"] for log in logs] == ["delivery.parked"] * 8 + ["delivery.dead"]
        assert await bench.store.next_due_ms("noc") is None

    run_virtual(main)


def test_one_failure_after_a_long_outage_of_our_own_does_not_park() -> None:
    async def main() -> None:
        bench = Bench()
        receiver = Receiver(in_turn(BUSY, OK))
        await bench.record("a")
        await bench.clock.advance(7200)  # recorded, and then nobody was there to deliver it
        lane = bench.lane(receiver)
        await bench.run_for(lane, 10)
        assert receiver.accepted == ["a-1"]
        assert (lane.progress.retried, lane.progress.parked) == (1, 0)

    run_virtual(main)


def test_a_refused_delivery_is_dead_at_once_and_never_sent_again() -> None:
    async def main() -> None:
        bench = Bench()
        receiver = Receiver(always(GONE))
        await bench.record("a")
        lane = bench.lane(receiver)
        with capture_logs() as logs:
            await bench.run_for(lane, 3600)
        assert receiver.event_ids == ["a-1"]
        assert (lane.progress.dead, lane.progress.last_error) == (1, "410 Gone")
        assert [(log["event"], log["problem"]) for log in logs] == [("delivery.dead", "410 Gone")]

    run_virtual(main)


def test_a_sink_that_hangs_is_given_up_and_tried_again() -> None:
    async def main() -> None:
        bench = Bench()
        receiver = Receiver(never)
        await bench.record("a")
        lane = bench.lane(receiver)
        task = asyncio.create_task(lane.run())
        await bench.clock.advance(29)
        assert receiver.event_ids == ["a-1"]
        await bench.clock.advance(3)
        assert receiver.event_ids == ["a-1"] * 2
        assert lane.progress.last_error == "no answer within 30 seconds"
        await cancelled(task)

    run_virtual(main)


@pytest.mark.parametrize("defect", [RuntimeError("a bug"), OSError(), asyncio.CancelledError()])
def test_what_a_sink_raises_is_logged_and_tried_later(defect: BaseException) -> None:
    async def main() -> None:
        bench = Bench()

        async def breaks_once(delivery: Delivery) -> SinkAnswer:
            if delivery.event_id == "a-1" and not delivery.attempts:
                raise defect
            return OK

        receiver = Receiver(breaks_once)
        await bench.record("a")
        await bench.record("a")
        lane = bench.lane(receiver)
        task = asyncio.create_task(lane.run())
        with capture_logs() as logs:
            await receiver.came.wait()
            await bench.clock.advance(0.4)
            assert lane.progress.last_error == "the destination's adapter failed"
            await bench.clock.advance(1)
        assert receiver.accepted == ["a-1", "a-2"]
        assert [
            (log["event"], log["stream"], log["event_id"], log["exc_info"]) for log in logs
        ] == [("delivery.sink_failed", "noc", "a-1", True)]
        lane.drain(0)
        await task

    run_virtual(main)


def test_a_crash_between_sending_and_settling_repeats_the_event_with_the_same_id() -> None:
    async def main() -> None:
        bench = Bench()
        receiver = Receiver(never)
        await bench.record("a")
        task = asyncio.create_task(bench.lane(receiver).run())
        await receiver.came.wait()
        await cancelled(task)
        assert receiver.open_trunks == []
        await bench.store.release()
        successor = Receiver(always(OK))
        await bench.run_for(bench.lane(successor), 1)
        assert successor.event_ids == receiver.event_ids == ["a-1"]

    run_virtual(main)


# --- draining --------------------------------------------------------------------------------


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


# --- a database that comes and goes ----------------------------------------------------------


class FlakyOutbox(MemoryStore):
    """The bench's store, which cannot be reached until a moment of monotonic time."""

    def __init__(self, bench: Bench) -> None:
        super().__init__()
        self.bench = bench
        bench.store = self
        self.claim_away_until = 0.0
        self.settle_away_until = 0.0
        self.calls_in_vain = 0
        self.settle_seconds = 0.0

    def _check(self, away_until: float) -> None:
        if self.bench.clock.monotonic() < away_until:
            self.calls_in_vain += 1
            raise StoreUnavailable("the database is away")

    async def claim(
        self, stream_id: str, *, now_ms: int, limit: int, lease_ms: int
    ) -> list[Delivery]:
        self._check(self.claim_away_until)
        return await super().claim(stream_id, now_ms=now_ms, limit=limit, lease_ms=lease_ms)

    async def settle(self, reports: Sequence[DeliveryReport]) -> None:
        self._check(self.settle_away_until)
        batch = tuple(reports)
        await self.bench.clock.advance(self.settle_seconds)
        await super().settle(batch)


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
