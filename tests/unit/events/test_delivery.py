"""What a lane delivers, in which order, and how often it tries."""

from __future__ import annotations

import asyncio
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from delivery_bench import BUSY, GONE, OK, Bench, Receiver, always, cancelled, in_turn, never
from trunkpulse.adapters.storage.memory import MemoryStore
from trunkpulse.events.delivery import DeliveryLimits
from trunkpulse.events.lane import SHORTEST_SLEEP_SECONDS
from trunkpulse.ports import Delivery, DeliveryOutcome, SinkAnswer
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


class SlowToSayWhen(MemoryStore):
    """A store that takes long to say when more is due."""

    async def next_due_ms(self, stream_id: str) -> int | None:
        await asyncio.sleep(600)
        return await super().next_due_ms(stream_id)


def test_while_events_keep_coming_none_waits_for_the_moment_of_the_next_try() -> None:
    async def main() -> None:
        bench = Bench()
        bench.store = SlowToSayWhen()
        receiver = Receiver(always(OK))
        lane = bench.lane(receiver)
        task = asyncio.create_task(lane.run())
        for number in range(20):
            (event_id,) = await bench.record(f"t{number}")
            lane.wake()
            await bench.clock.advance(SHORTEST_SLEEP_SECONDS / 2)
            assert receiver.event_ids[number:] == [event_id]
        await cancelled(task)

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
