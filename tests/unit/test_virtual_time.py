from __future__ import annotations

import asyncio

import pytest

from virtual_time import Deadlock, RanTooLong, VirtualClock, run_virtual


def test_hours_pass_in_order_and_exactly() -> None:
    async def main() -> list[tuple[str, float]]:
        clock = VirtualClock()
        started, wall_started = clock.monotonic(), clock.wall()
        log: list[tuple[str, float]] = []

        async def wait(name: str, seconds: float) -> None:
            await clock.advance(seconds)
            log.append((name, round(clock.monotonic() - started, 6)))

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(wait("a day and a half", 36 * 3600))
            tasks.create_task(wait("a blink", 0.001))
            tasks.create_task(wait("an hour", 3600))
        assert clock.wall() - wall_started == pytest.approx(36 * 3600)
        return log

    assert run_virtual(main) == [
        ("a blink", 0.001),
        ("an hour", 3600),
        ("a day and a half", 36 * 3600),
    ]


def test_a_timeout_strikes_at_its_moment() -> None:
    async def main() -> float:
        clock = VirtualClock()
        started = clock.monotonic()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(12.5):
                await asyncio.Event().wait()
        return clock.monotonic() - started

    assert run_virtual(main) == pytest.approx(12.5)


def test_time_stands_still_while_anything_is_ready() -> None:
    async def main() -> float:
        clock = VirtualClock()
        started = clock.monotonic()
        alarm = asyncio.get_running_loop().call_later(0.001, lambda: None)
        for _ in range(1000):
            await asyncio.sleep(0)
        alarm.cancel()
        return clock.monotonic() - started

    assert run_virtual(main) == 0


def test_waiting_for_nothing_is_a_deadlock_that_says_who_waits_where() -> None:
    async def main() -> None:
        await asyncio.Event().wait()

    with pytest.raises(Deadlock, match=r"nothing is ready.*Task-\d+ at .*test_virtual_time.py:\d+"):
        run_virtual(main)


def test_periodic_work_without_end_is_cut_off() -> None:
    async def main() -> None:
        clock = VirtualClock()
        while True:
            await clock.advance(60)

    with pytest.raises(RanTooLong, match="would pass 3600 s"):
        run_virtual(main, limit_seconds=3600)


def test_a_failed_run_still_cleans_up_its_tasks() -> None:
    cleaned: list[str] = []

    async def main() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cleaned.append("main")

    with pytest.raises(Deadlock):
        run_virtual(main)
    assert cleaned == ["main"]


def test_the_wall_clock_can_be_set_without_time_passing() -> None:
    async def main() -> tuple[float, float]:
        clock = VirtualClock()
        wall, monotonic = clock.wall(), clock.monotonic()
        clock.step_wall(-7200)
        return clock.wall() - wall, clock.monotonic() - monotonic

    assert run_virtual(main) == (-7200, 0)
