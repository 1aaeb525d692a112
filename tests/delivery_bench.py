"""What tests of the delivery share: a store, a clock and destinations under virtual time."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from random import Random

from trunkpulse.adapters.storage.memory import MemoryStore
from trunkpulse.events.delivery import DeliveryLimits, StreamDelivery
from trunkpulse.model import Reason, StateChange, TrunkState
from trunkpulse.ports import (
    Delivery,
    DeliveryOutcome,
    DeliveryReport,
    HealthCommit,
    SinkAnswer,
    StoredHealth,
    StoreUnavailable,
)
from virtual_time import VirtualClock

OK = SinkAnswer(outcome=DeliveryOutcome.ACCEPTED, detail="200 OK")
BUSY = SinkAnswer(outcome=DeliveryOutcome.TRY_LATER, detail="503 Service Unavailable")
GONE = SinkAnswer(outcome=DeliveryOutcome.REFUSED, detail="410 Gone")


class Receiver:
    """A destination whose answers the test gives; it remembers what came, and when."""

    def __init__(self, answer: Callable[[Delivery], Awaitable[SinkAnswer]]) -> None:
        self._answer = answer
        self._loop = asyncio.get_running_loop()
        self.received: list[Delivery] = []
        self.moments: list[float] = []
        self.accepted: list[str] = []
        self.open_trunks: list[str] = []
        self.open_in_order: list[str] = []
        """The same without the parked, which have lost their place."""
        self.most_open = 0
        self.closed = False
        self.came = asyncio.Event()

    async def deliver(self, delivery: Delivery) -> SinkAnswer:
        assert not self.closed
        in_order = not delivery.times_parked
        if in_order:
            assert delivery.trunk_id not in self.open_in_order, "two of one trunk at a time"
            self.open_in_order.append(delivery.trunk_id)
        self.received.append(delivery)
        self.moments.append(self._loop.time())
        self.open_trunks.append(delivery.trunk_id)
        self.most_open = max(self.most_open, len(self.open_trunks))
        self.came.set()
        try:
            answer = await self._answer(delivery)
        finally:
            self.open_trunks.remove(delivery.trunk_id)
            if in_order:
                self.open_in_order.remove(delivery.trunk_id)
        if answer.outcome is DeliveryOutcome.ACCEPTED:
            self.accepted.append(delivery.event_id)
        return answer

    async def close(self) -> None:
        self.closed = True

    @property
    def event_ids(self) -> list[str]:
        return [delivery.event_id for delivery in self.received]


def always(answer: SinkAnswer) -> Callable[[Delivery], Awaitable[SinkAnswer]]:
    async def give(_delivery: Delivery) -> SinkAnswer:
        return answer

    return give


async def never(_delivery: Delivery) -> SinkAnswer:
    await asyncio.Event().wait()
    return OK


def in_turn(*answers: SinkAnswer) -> Callable[[Delivery], Awaitable[SinkAnswer]]:
    left = list(answers)

    async def give(_delivery: Delivery) -> SinkAnswer:
        return left.pop(0)

    return give


class Bench:
    """A store, a clock and lanes, on the virtual loop that is running."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.store = MemoryStore()
        self._sequences: defaultdict[str, int] = defaultdict(int)

    async def record(self, *trunk_ids: str, tell: Sequence[str] = ("noc",)) -> list[str]:
        """One change of each trunk, told to the streams ``tell``; the event ids."""
        commits = []
        for trunk_id in trunk_ids:
            self._sequences[trunk_id] += 1
            change = StateChange(
                event_id=f"{trunk_id}-{self._sequences[trunk_id]}",
                trunk_id=trunk_id,
                trunk_name=trunk_id,
                sequence=self._sequences[trunk_id],
                at_ms=round(self.clock.wall() * 1000),
                previous_state=TrunkState.AVAILABLE,
                state=TrunkState.DOWN,
                reason=Reason.KEEPALIVE_FAILURE,
                failed_attempts=3,
                last_success_ms=None,
                instance_id="i",
                region="r",
            )
            health = StoredHealth(
                trunk_id=trunk_id,
                state=change.state,
                reason=change.reason,
                sequence=change.sequence,
                since_ms=change.at_ms,
                admin_enabled=True,
            )
            commits.append(HealthCommit(health=health, change=change, tell=tuple(tell)))
        assert not await self.store.commit(commits)
        return [commit.change.event_id for commit in commits if commit.change is not None]

    def lane(
        self,
        receiver: Receiver,
        *,
        outbox: MemoryStore | None = None,
        limits: DeliveryLimits | None = None,
        seed: int = 1,
    ) -> StreamDelivery:
        return StreamDelivery(
            "noc",
            receiver,
            outbox=outbox or self.store,
            clock=self.clock,
            rng=Random(seed),
            limits=limits,
        )

    async def run_for(self, lane: StreamDelivery, seconds: float) -> None:
        task = asyncio.create_task(lane.run())
        await self.clock.advance(seconds)
        lane.drain(0)
        await task


async def cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


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
