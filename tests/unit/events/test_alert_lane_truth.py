"""The lane of a stream that wakes people: what it tells is how things are."""

from __future__ import annotations

import asyncio

from alert_bench import told_commit
from alert_lane_bench import AVAILABLE, DOWN, RESOLVE, TRIGGER, Bench
from delivery_bench import cancelled
from trunkpulse.model import (
    MaintenanceWindow,
    Reason,
    TrunkStatus,
)
from trunkpulse.ports import (
    ReplayChoice,
)
from virtual_time import run_virtual


def test_an_old_event_that_is_replayed_wakes_nobody() -> None:
    async def main() -> None:
        bench = Bench()
        bench.surroundings.board.publish("a", TrunkStatus(AVAILABLE, None, 1))
        lane = bench.lane()
        task = asyncio.create_task(lane.run())
        await bench.clock.advance(1)
        await bench.change(DOWN, "a")
        lane.wake()
        await bench.clock.advance(600)
        assert not bench.pager.alerts
        await cancelled(task)

    run_virtual(main)


def test_an_old_recovery_that_is_replayed_leaves_the_alert_open() -> None:
    async def main() -> None:
        bench = Bench()
        task = asyncio.create_task(bench.lane().run())
        await bench.change(DOWN, "a")
        await bench.clock.advance(60)
        await bench.change(AVAILABLE, "a")
        await bench.clock.advance(3600)
        before_ms = round(bench.clock.wall() * 1000)
        await bench.change(DOWN, "a")
        bench.surroundings.board.publish("a", TrunkStatus(DOWN, None, before_ms))
        await bench.clock.advance(60)
        replayed = ReplayChoice(trunk_id="a", to_ms=before_ms)
        await bench.store.replay("noc", replayed, now_ms=before_ms + 60_000)
        assert await bench.store.next_due_ms("noc") is not None
        await bench.clock.advance(3600)
        assert bench.kinds == [TRIGGER, RESOLVE, TRIGGER]
        await bench.change(AVAILABLE, "a")
        await bench.clock.advance(60)
        assert bench.kinds == [TRIGGER, RESOLVE, TRIGGER, RESOLVE]
        await cancelled(task)

    run_virtual(main)


def test_a_recovery_by_a_clock_that_was_set_back_ends_the_alert() -> None:
    async def main() -> None:
        bench = Bench()
        task = asyncio.create_task(bench.lane().run())
        await bench.clock.advance(3600)
        await bench.change(DOWN, "a")
        await bench.clock.advance(60)
        early_ms = round(bench.clock.wall() * 1000) - 600_000
        bench.surroundings.board.publish("a", TrunkStatus(AVAILABLE, None, early_ms))
        assert not await bench.store.commit([told_commit("a", 2, AVAILABLE, early_ms)])
        await bench.clock.advance(60)
        assert bench.kinds == [TRIGGER, RESOLVE]
        await cancelled(task)

    run_virtual(main)


def test_trouble_that_no_event_told_keeps_the_alert_open() -> None:
    async def main() -> None:
        bench = Bench()
        lane = bench.lane()
        task = asyncio.create_task(lane.run())
        await bench.change(DOWN, "a", "b")
        await bench.clock.advance(60)
        await bench.change(AVAILABLE, "a")
        await bench.clock.advance(60)
        bench.surroundings.board.publish("a", TrunkStatus(DOWN, None, None))
        lane.trunks_changed()
        await bench.clock.advance(1)
        await bench.change(AVAILABLE, "b")
        await bench.clock.advance(600)
        assert RESOLVE not in bench.kinds
        assert bench.pager.alerts[-1].total_down == 1
        await cancelled(task)

    run_virtual(main)


def test_an_event_of_a_trunk_that_is_not_configured_wakes_nobody() -> None:
    async def main() -> None:
        bench = Bench()
        lane = bench.lane()
        task = asyncio.create_task(lane.run())
        await bench.clock.advance(1)
        await bench.change(DOWN, "gone")
        lane.wake()
        await bench.clock.advance(600)
        await cancelled(task)
        assert not bench.pager.alerts
        assert await bench.store.next_due_ms("noc") is None

    run_virtual(main)


def test_an_alert_of_a_trunk_that_is_disabled_ends_though_no_event_told() -> None:
    async def main() -> None:
        bench = Bench()
        await bench.change(DOWN, "a")
        await bench.run_for(60)
        disabled = TrunkStatus(DOWN, Reason.ADMIN_DISABLED, round(bench.clock.wall() * 1000))
        bench.surroundings.board.publish("a", disabled)
        await bench.run_for(1)
        assert bench.kinds == [TRIGGER, RESOLVE]

    run_virtual(main)


def test_what_was_over_before_a_lane_went_on_is_not_told() -> None:
    async def main() -> None:
        bench = Bench()
        await bench.change(DOWN, "a")
        await bench.run_for(5)  # less than the first news waits
        await bench.change(AVAILABLE, "a")
        await bench.clock.advance(3600)
        await bench.run_for(60)
        assert not bench.pager.alerts

    run_virtual(main)


def test_nothing_is_told_before_all_trunks_are_known() -> None:
    async def main() -> None:
        bench = Bench()
        bench.surroundings.ready = False
        await bench.change(DOWN, "a")
        lane = bench.lane()
        task = asyncio.create_task(lane.run())
        await bench.clock.advance(600)
        assert not bench.pager.alerts
        bench.surroundings.ready = True
        lane.trunks_changed()
        await bench.clock.advance(16)
        assert bench.kinds == [TRIGGER]
        await cancelled(task)

    run_virtual(main)


def test_a_trunk_that_is_taken_out_of_the_configuration_ends_its_alert() -> None:
    async def main() -> None:
        bench = Bench()
        lane = bench.lane()
        task = asyncio.create_task(lane.run())
        await bench.change(DOWN, "a")
        lane.wake()
        await bench.clock.advance(60)
        del bench.surroundings.trunks["a"]
        lane.trunks_changed()
        await bench.clock.advance(1)
        assert bench.kinds == [TRIGGER, RESOLVE]
        await cancelled(task)

    run_virtual(main)


def test_a_recovery_that_no_event_told_ends_the_alert_all_the_same() -> None:
    async def main() -> None:
        bench = Bench()
        await bench.change(DOWN, "a")
        await bench.run_for(60)
        bench.surroundings.board.publish("a", TrunkStatus(AVAILABLE, None, None))
        await bench.run_for(1)
        assert bench.kinds == [TRIGGER, RESOLVE]

    run_virtual(main)


def test_maintenance_silences_and_what_outlasts_it_is_told() -> None:
    async def main() -> None:
        bench = Bench()
        now_ms = round(bench.clock.wall() * 1000)
        window = MaintenanceWindow(
            id="w", name="w", starts_ms=now_ms, ends_ms=now_ms + 3_600_000, carriers=("acme",)
        )
        await bench.surroundings.maintenance.add(window, now_ms)
        await bench.change(DOWN, "a", "b")
        await bench.crash_after(1800)
        await bench.change(AVAILABLE, "b")
        await bench.run_for(1799)
        assert not bench.pager.alerts
        await bench.run_for(2)
        (alert,) = bench.pager.alerts
        assert [member.trunk_id for member in alert.members] == ["a"]

    run_virtual(main)


def test_maintenance_that_is_called_off_is_told_of_at_once() -> None:
    async def main() -> None:
        bench = Bench()
        now_ms = round(bench.clock.wall() * 1000)
        window = MaintenanceWindow(id="w", name="w", starts_ms=now_ms, ends_ms=now_ms + 10**9)
        await bench.surroundings.maintenance.add(window, now_ms)
        lane = bench.lane()
        task = asyncio.create_task(lane.run())
        await bench.change(DOWN, "a")
        lane.wake()
        await bench.clock.advance(60)
        await bench.surroundings.maintenance.remove("w")
        lane.maintenance_changed()
        await bench.clock.advance(0.1)
        assert bench.kinds == [TRIGGER]
        await cancelled(task)

    run_virtual(main)


def test_maintenance_that_was_called_off_while_no_lane_ran_is_told_of_at_once() -> None:
    async def main() -> None:
        bench = Bench()
        now_ms = round(bench.clock.wall() * 1000)
        window = MaintenanceWindow(id="w", name="w", starts_ms=now_ms, ends_ms=now_ms + 10**9)
        await bench.surroundings.maintenance.add(window, now_ms)
        await bench.change(DOWN, "a")
        await bench.run_for(60)
        await bench.surroundings.maintenance.remove("w")
        await bench.run_for(1)
        assert bench.kinds == [TRIGGER]

    run_virtual(main)
