"""A life of the delivery that ends at a chosen step, and what a receiver saw of all lives.

A crash is not an exception that somebody could clean up after. At its step a life simply stops: the
call that would go on never returns, nor does any later one, and what was under way is cut off. What
the database holds by then is all that the next life finds.
"""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Awaitable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Never, TypeVar

from sqlalchemy import Connection, Engine, event

from trunkpulse.adapters.storage.database import DatabaseStore
from trunkpulse.events.envelope import decode
from trunkpulse.ports import (
    Delivery,
    DeliveryOutcome,
    DeliveryReport,
    RecordedEvent,
    SinkAnswer,
)

TAKEN = SinkAnswer(outcome=DeliveryOutcome.ACCEPTED, detail="200")
BUSY = SinkAnswer(outcome=DeliveryOutcome.TRY_LATER, detail="503")

ResultT = TypeVar("ResultT")


class PowerCut(Exception):
    """The process ends within a transaction, just before it would be committed."""


@dataclass
class Life:
    """A process: ends after so many steps; without a number of them it goes on."""

    steps: int | None = None
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    marked: asyncio.Event = field(default_factory=asyncio.Event)
    """Something has been settled."""
    died_at: str | None = None

    async def step(self, place: str) -> None:
        """Pass by ``place``, or never return."""
        if not self.takes_a_step(place):
            await self.end()

    async def end(self) -> Never:
        """Stop here."""
        self.ended.set()
        await asyncio.Event().wait()
        raise AssertionError("the dead do not go on")

    async def within(self, call: Awaitable[ResultT]) -> ResultT:
        """What ``call`` gives, if no power cut falls into its transaction."""
        try:
            return await call
        except PowerCut:
            await self.end()

    def cut(self, connection: Connection) -> None:
        """Just before a transaction is committed."""
        if not self.takes_a_step("within a transaction"):
            raise PowerCut

    def takes_a_step(self, place: str) -> bool:
        """False if this is where it ends, or if it has ended."""
        if self.steps is not None and self.died_at is None:
            self.steps -= 1
            if self.steps < 0:
                self.died_at = place
        return self.died_at is None


class CrashingOutbox:
    """The outbox of a store, with a step before and after each call."""

    def __init__(self, store: DatabaseStore, life: Life) -> None:
        self._store = store
        self._life = life

    async def sync_streams(self, streams: Sequence[object]) -> None:
        raise AssertionError("no stream comes or goes")

    async def release(self) -> None:
        raise AssertionError("the harness does that")

    async def bring_forward(self, stream_id: str, by_ms: int) -> None:
        raise AssertionError("nobody sets the clock back")

    async def claim(
        self, stream_id: str, *, now_ms: int, limit: int, lease_ms: int
    ) -> list[Delivery]:
        await self._life.step("before a claim")
        claimed = await self._life.within(
            self._store.claim(stream_id, now_ms=now_ms, limit=limit, lease_ms=lease_ms)
        )
        if claimed:
            await self._life.step("claimed and not sent")
        return claimed

    async def settle(self, reports: Sequence[DeliveryReport]) -> None:
        await self._life.step("answered and not marked")
        await self._life.within(self._store.settle(reports))
        await self._life.step("marked")
        self._life.marked.set()

    async def next_due_ms(self, stream_id: str) -> int | None:
        return await self._store.next_due_ms(stream_id)


@contextmanager
def power_may_fail(life: Life) -> Iterator[None]:
    """While it lasts, a commit of whatever engine may be the end of ``life``."""
    event.listen(Engine, "commit", life.cut)
    try:
        yield
    finally:
        event.remove(Engine, "commit", life.cut)


@dataclass(frozen=True)
class Arrival:
    """What a receiver was sent."""

    delivery: Delivery
    accepted: bool


class Receivers:
    """Destinations that outlive every life; they are the witnesses."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self.arrivals: defaultdict[str, list[Arrival]] = defaultdict(list)
        self.share_taken = 0.8
        """Of what comes, so much is accepted."""

    def answer(self, delivery: Delivery) -> SinkAnswer:
        accepted = self._rng.random() < self.share_taken
        self.arrivals[delivery.stream_id].append(Arrival(delivery, accepted))
        return TAKEN if accepted else BUSY


class CrashingSink:
    """The way to the receivers, with a step before it, in the middle and behind."""

    def __init__(self, receivers: Receivers, life: Life) -> None:
        self._receivers = receivers
        self._life = life

    async def deliver(self, delivery: Delivery) -> SinkAnswer:
        await self._life.step("before a send")
        answer = self._receivers.answer(delivery)
        await self._life.step("received and not answered")
        return answer

    async def close(self) -> None:
        """Nothing to release."""


def check(
    recorded: Sequence[RecordedEvent], arrivals: Sequence[Arrival], *, complete: bool
) -> Counter[str]:
    """Nothing that was sent is made up, changed or out of order; ``complete``: nothing is lost.

    Says how often each event was sent.
    """
    events = {each.event_id: each for each in recorded}
    newest: dict[str, int] = {}
    for arrival in arrivals:
        delivery = arrival.delivery
        recorded_event = events[delivery.event_id]
        assert delivery.body == recorded_event.body
        assert delivery.trunk_id == recorded_event.trunk_id
        change = decode(delivery.body)
        assert change.event_id == delivery.event_id
        if not delivery.times_parked:
            before = newest.get(delivery.trunk_id, 0)
            assert change.sequence >= before, f"{delivery.event_id} came after {before}"
            newest[delivery.trunk_id] = change.sequence
    if complete:
        accepted = {each.delivery.event_id for each in arrivals if each.accepted}
        assert accepted == events.keys()
    return Counter(each.delivery.event_id for each in arrivals)
