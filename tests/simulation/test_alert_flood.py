"""A carrier's outage with ten thousand trunks, on a real database: one page, and one end."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from random import Random

from alert_bench import Pager, Surroundings, alerting_stream, told_commit
from trunkpulse.adapters.storage.database import DatabaseStore
from trunkpulse.events.alert_lane import AlertDelivery
from trunkpulse.model import TrunkState
from trunkpulse.ports import AlertKind, DeliveryReport

TRUNKS = 10_000
PER_COMMIT = 1000
NOON = 1_700_000_000.0


class SetClock:
    """A clock that stands still until the test sets it."""

    def __init__(self) -> None:
        self.now = NOON

    def monotonic(self) -> float:
        return self.now

    def wall(self) -> float:
        return self.now


class CountingStore(DatabaseStore):
    """A database that says when so many deliveries are settled."""

    settled = 0
    awaited = TRUNKS
    reached: asyncio.Event

    async def settle(self, reports: Sequence[DeliveryReport]) -> None:
        await super().settle(reports)
        self.settled += len(reports)
        if self.settled >= self.awaited:
            self.reached.set()


async def all_change(store: DatabaseStore, state: TrunkState, sequence: int, at_ms: int) -> None:
    for start in range(0, TRUNKS, PER_COMMIT):
        commits = [
            told_commit(f"t{number}", sequence, state, at_ms)
            for number in range(start, start + PER_COMMIT)
        ]
        assert not await store.commit(commits)


async def test_ten_thousand_trunks_that_fail_at_once_are_one_page(tmp_path: Path) -> None:
    clock = SetClock()
    url = f"sqlite:///{tmp_path / 'trunkpulse.db'}"
    store = await CountingStore.open(url, instance_id="edge-1", clock=clock)
    store.reached = asyncio.Event()
    surroundings = Surroundings(store)
    surroundings.add(*(f"t{number}" for number in range(TRUNKS)))
    pager = Pager()

    def lane() -> AlertDelivery:
        return AlertDelivery(
            alerting_stream(),
            pager,
            grounds=surroundings.grounds,
            outbox=store,
            clock=clock,
            rng=Random(1),
        )

    try:
        running = lane()
        task = asyncio.create_task(running.run())
        await all_change(store, TrunkState.DOWN, 1, round(clock.wall() * 1000))
        running.wake()
        await store.reached.wait()
        assert not pager.alerts
        clock.now += 15
        running.wake()
        await pager.came.wait()
        pager.came.clear()
        running.drain(5)
        await task
        # Another life of the process: it knows of the page, and of all who are in it.
        store.awaited, store.reached = 2 * TRUNKS, asyncio.Event()
        running = lane()
        task = asyncio.create_task(running.run())
        await all_change(store, TrunkState.AVAILABLE, 2, round(clock.wall() * 1000))
        running.wake()
        await store.reached.wait()
        await pager.came.wait()
        running.drain(5)
        await task
        assert [alert.kind for alert in pager.alerts] == [AlertKind.TRIGGER, AlertKind.RESOLVE]
        page, end = pager.alerts
        assert (page.total, page.total_down) == (TRUNKS, TRUNKS)
        assert end.total == TRUNKS
        assert page.alert_id == end.alert_id
        assert await store.load_alerts("noc") == ([], [])
    finally:
        await store.close()
