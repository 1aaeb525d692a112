"""A wall clock that is set back holds up nothing that waits."""

from __future__ import annotations

import asyncio

from alert_lane_bench import DOWN, TRIGGER, UPDATE
from alert_lane_bench import Bench as AlertBench
from delivery_bench import BUSY, OK, Bench, Receiver, cancelled, in_turn
from trunkpulse.events.lane import LONGEST_SLEEP_SECONDS
from trunkpulse.events.set_back import SetBack
from virtual_time import VirtualClock, run_virtual

TEN_HOURS = 10 * 3600.0


def test_a_retry_comes_when_it_would_have_come_and_frees_its_trunk() -> None:
    async def main() -> None:
        bench = Bench()
        receiver = Receiver(in_turn(BUSY, OK, OK))
        await bench.record("a", "a")
        lane = bench.lane(receiver)
        task = asyncio.create_task(lane.run())
        await receiver.came.wait()
        await bench.clock.advance(0.1)
        bench.clock.step_wall(-TEN_HOURS)
        await bench.clock.advance(2 * LONGEST_SLEEP_SECONDS)
        assert receiver.accepted == ["a-1", "a-2"]
        await cancelled(task)

    run_virtual(main)


def test_an_alert_that_waits_for_others_and_its_update_come_when_they_would_have_come() -> None:
    async def main() -> None:
        bench = AlertBench()
        lane = bench.lane()
        task = asyncio.create_task(lane.run())
        await bench.clock.advance(1)
        await bench.change(DOWN, "a")
        lane.wake()
        await bench.clock.advance(1)
        bench.clock.step_wall(-TEN_HOURS)
        await bench.clock.advance(120)
        assert bench.kinds == [TRIGGER]
        bench.clock.step_wall(-TEN_HOURS)
        await bench.clock.advance(2 * LONGEST_SLEEP_SECONDS)
        await bench.change(DOWN, "b")
        lane.wake()
        await bench.clock.advance(3600)
        assert bench.kinds == [TRIGGER, UPDATE]
        await cancelled(task)

    run_virtual(main)


def test_what_could_not_be_made_up_for_is_still_to_be() -> None:
    async def main() -> None:
        clock = VirtualClock()
        set_back = SetBack(clock)
        clock.step_wall(-0.5)
        assert set_back.ms() == 0
        clock.step_wall(-60)
        assert set_back.ms() == set_back.ms() == 60_500
        set_back.made_up(60_500)
        assert set_back.ms() == 0
        clock.step_wall(3600)
        assert set_back.ms() == 0
        clock.step_wall(-3600)
        assert set_back.ms() == 3_600_000

    run_virtual(main)
