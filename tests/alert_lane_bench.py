"""What tests of the lane of alerts run: lanes over a store that can go away."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from random import Random

from alert_bench import Pager, Surroundings, alerting_stream, told_commit
from delivery_bench import cancelled
from trunkpulse.adapters.storage.memory import MemoryStore
from trunkpulse.events.alert_lane import AlertDelivery
from trunkpulse.model import (
    AlertSettings,
    TrunkState,
)
from trunkpulse.ports import (
    AlertAttempt,
    AlertCommit,
    AlertKind,
    DeliveryReport,
    StoreUnavailable,
)
from virtual_time import VirtualClock

DOWN, AVAILABLE = TrunkState.DOWN, TrunkState.AVAILABLE
TRIGGER, UPDATE, RESOLVE = AlertKind.TRIGGER, AlertKind.UPDATE, AlertKind.RESOLVE


class Store(MemoryStore):
    """A database that can go away."""

    def __init__(self) -> None:
        super().__init__()
        self.away = False
        self.log_away = False
        """Only what is for people to look into."""

    async def save_alerts(self, stream_id: str, commit: AlertCommit) -> None:
        self._check()
        await super().save_alerts(stream_id, commit)

    async def settle(self, reports: Sequence[DeliveryReport]) -> None:
        self._check()
        await super().settle(reports)

    async def note_attempts(self, attempts: Sequence[AlertAttempt]) -> None:
        if self.away or self.log_away:
            raise StoreUnavailable("the database does not answer")
        await super().note_attempts(attempts)

    def _check(self) -> None:
        if self.away:
            raise StoreUnavailable("the database does not answer")


class Bench:
    """A store, a pager and lanes that come and go, on the virtual loop that is running."""

    def __init__(self, settings: AlertSettings | None = None) -> None:
        self.clock = VirtualClock()
        self.store = Store()
        self.pager = Pager()
        self.surroundings = Surroundings(self.store)
        self.surroundings.add("a", "b", "c")
        self.stream = alerting_stream(settings)
        self.judged: list[DeliveryReport] = []
        self._sequences: defaultdict[str, int] = defaultdict(int)
        self._lanes = 0

    async def change(self, state: TrunkState, *trunk_ids: str) -> None:
        """These trunks change together."""
        commits = []
        for trunk_id in trunk_ids:
            self._sequences[trunk_id] += 1
            at_ms = round(self.clock.wall() * 1000)
            commits.append(told_commit(trunk_id, self._sequences[trunk_id], state, at_ms))
        assert not await self.store.commit(commits)

    def lane(self) -> AlertDelivery:
        async def judge(reports: Sequence[DeliveryReport]) -> None:
            self.judged += reports

        self._lanes += 1
        return AlertDelivery(
            self.stream,
            self.pager,
            grounds=self.surroundings.grounds,
            outbox=self.store,
            clock=self.clock,
            rng=Random(self._lanes),
            judge=judge,
        )

    async def run_for(self, seconds: float) -> AlertDelivery:
        """A lane lives so long, and is then drained."""
        lane = self.lane()
        task = asyncio.create_task(lane.run())
        await self.clock.advance(seconds)
        lane.drain(5)
        await task
        return lane

    async def crash_after(self, seconds: float) -> None:
        """A lane lives so long, and its process is gone."""
        task = asyncio.create_task(self.lane().run())
        await self.clock.advance(seconds)
        await cancelled(task)
        await self.store.release()

    @property
    def kinds(self) -> list[AlertKind]:
        return [alert.kind for alert in self.pager.alerts]
