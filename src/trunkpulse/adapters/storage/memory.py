"""The store without a disk: the same answers as a database, for simulations and tests."""

from __future__ import annotations

import heapq
from bisect import bisect_left, bisect_right
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from operator import attrgetter

from trunkpulse.adapters.storage.memory_measures import MemoryMeasures
from trunkpulse.adapters.storage.rules import AT_ONCE, conflicts, forgotten
from trunkpulse.events.envelope import encode
from trunkpulse.events.prober_envelope import encode_prober
from trunkpulse.model import EventStream, ProberEvent, StateChange
from trunkpulse.ports import (
    Delivery,
    DeliveryReport,
    DeliveryResult,
    HealthCommit,
    RecordedEvent,
    StoredHealth,
)

__all__ = ["MemoryStore"]

_position = attrgetter("position")


@dataclass(slots=True)
class _Waiting:
    """A delivery that is pending or parked."""

    delivery: Delivery
    due_ms: int = AT_ONCE
    claimed: bool = False


class MemoryStore(MemoryMeasures):
    """What a database keeps, in plain dictionaries; gone with the process.

    No call ever waits, so each is one atomic step of the event loop.
    """

    def __init__(self) -> None:
        super().__init__()
        self._health: dict[str, StoredHealth] = {}
        self._owed: set[tuple[str, str]] = set()
        self._events: list[RecordedEvent] = []
        self._events_of: defaultdict[str, list[RecordedEvent]] = defaultdict(list)
        self._queues: defaultdict[str, dict[str, deque[_Waiting]]] = defaultdict(dict)
        """By stream and trunk, the pending ones; only the first of a queue is ever due."""
        self._parked: defaultdict[str, dict[int, _Waiting]] = defaultdict(dict)
        """By stream, those that nothing waits for; all of them are due some time."""
        self._waiting: dict[int, _Waiting] = {}
        """By delivery id, pending and parked ones."""
        self._prober_sequences: dict[str, int] = {}
        """By instance id."""
        self._last_position = 0
        self._last_delivery_id = 0

    # --- HealthStore ---

    async def load(
        self, progress: Callable[[int, int], None] | None = None
    ) -> dict[str, StoredHealth]:
        """Every trunk's last recorded state, forgotten ones included."""
        if progress is not None:
            progress(len(self._health), len(self._health))
        return dict(self._health)

    async def load_owed(self) -> set[tuple[str, str]]:
        """(stream id, trunk id) of every recovery that is still owed."""
        return set(self._owed)

    async def commit(self, commits: Sequence[HealthCommit]) -> frozenset[str]:
        """Write all but the trunks that conflict, whose ids it returns."""
        touched = self._health.keys() & {commit.health.trunk_id for commit in commits}
        recorded = {trunk_id: self._health[trunk_id].sequence for trunk_id in touched}
        refused = conflicts(commits, recorded)
        for commit in commits:
            trunk_id = commit.health.trunk_id
            if trunk_id in refused:
                continue
            self._health[trunk_id] = commit.health
            if commit.change is not None:
                self._record(commit.change, commit.tell)
            self._owed.update((stream_id, trunk_id) for stream_id in commit.opened)
            self._owed.difference_update((stream_id, trunk_id) for stream_id in commit.closed)
        return refused

    async def forget(self, trunk_ids: Sequence[str]) -> None:
        """Keep only the sequence of these trunks, what an administrator decided, what is owed."""
        for trunk_id in trunk_ids:
            if trunk_id in self._health:
                self._health[trunk_id] = forgotten(self._health[trunk_id])

    async def close(self) -> None:
        """Nothing to release; what was stored stays, as a database's file would."""

    # --- ProberLog ---

    async def prober_sequence(self, instance_id: str) -> int:
        """Of the last event of this instance's prober; 0 before the first."""
        return self._prober_sequences.get(instance_id, 0)

    async def record_prober(self, event: ProberEvent, tell: Sequence[str]) -> bool:
        """Write the event, its number and its deliveries; False if it does not come next."""
        if event.sequence != self._prober_sequences.get(event.instance_id, 0) + 1:
            return False
        self._prober_sequences[event.instance_id] = event.sequence
        recorded = RecordedEvent(
            position=self._last_position + 1,
            event_id=event.event_id,
            trunk_id=event.entity,
            at_ms=event.at_ms,
            body=encode_prober(event),
        )
        self._append(recorded, tell)
        return True

    # --- EventLog ---

    async def read(
        self, *, after: int = 0, limit: int = 100, trunk_id: str | None = None
    ) -> list[RecordedEvent]:
        """At most ``limit`` events above ``after``, in order."""
        log = self._log(trunk_id)
        start = bisect_right(log, after, key=_position)
        return log[start : start + limit]

    async def latest(
        self, *, before: int | None = None, limit: int = 100, trunk_id: str | None = None
    ) -> list[RecordedEvent]:
        """At most ``limit`` events below ``before``, newest first."""
        log = self._log(trunk_id)
        end = len(log) if before is None else bisect_left(log, before, key=_position)
        return log[max(0, end - limit) : end][::-1]

    async def last_position(self) -> int:
        """The position of the newest event, 0 if there is none."""
        return self._events[-1].position if self._events else 0

    async def prune(self, before_ms: int) -> int:
        """Drop events older than ``before_ms`` that no delivery waits for; how many."""
        needed = {waiting.delivery.position for waiting in self._waiting.values()}
        kept = [e for e in self._events if e.at_ms >= before_ms or e.position in needed]
        dropped = len(self._events) - len(kept)
        self._events = kept
        self._events_of.clear()
        for event in kept:
            self._events_of[event.trunk_id].append(event)
        return dropped

    # --- Outbox ---

    async def sync_streams(self, streams: Sequence[EventStream]) -> None:
        """Drop the undelivered deliveries and owed recoveries of all other streams."""
        known = {stream.id for stream in streams}
        for delivery in [waiting.delivery for waiting in self._waiting.values()]:
            if delivery.stream_id not in known:
                self._remove(delivery)
        self._owed = {owed for owed in self._owed if owed[0] in known}

    async def claim(
        self, stream_id: str, *, now_ms: int, limit: int, lease_ms: int
    ) -> list[Delivery]:
        """Take due deliveries, the heads first, each kind from the oldest on."""
        due = (waiting for waiting in self._claimable(stream_id) if waiting.due_ms <= now_ms)
        taken = heapq.nsmallest(limit, due, key=_news_first)
        for waiting in taken:
            waiting.due_ms = now_ms + lease_ms
            waiting.claimed = True
        return [waiting.delivery for waiting in taken]

    async def settle(self, reports: Sequence[DeliveryReport]) -> None:
        """Record how claimed deliveries ended; one that is already settled is left alone."""
        for report in reports:
            waiting = self._waiting.get(report.delivery_id)
            if waiting is None:
                continue
            delivered = report.result is DeliveryResult.DELIVERED
            if not (delivered or waiting.claimed):
                continue
            if delivered or report.result is DeliveryResult.DEAD:
                self._remove(waiting.delivery)
            else:
                self._put_off(waiting, report)

    async def next_due_ms(self, stream_id: str) -> int | None:
        """When the next delivery falls due; None if none ever will."""
        return min((waiting.due_ms for waiting in self._claimable(stream_id)), default=None)

    async def release(self) -> None:
        """Give back every claim."""
        for waiting in self._waiting.values():
            if waiting.claimed:
                waiting.claimed = False
                waiting.due_ms = AT_ONCE

    # --- inside ---

    def _log(self, trunk_id: str | None) -> list[RecordedEvent]:
        return self._events if trunk_id is None else self._events_of.get(trunk_id, [])

    def _claimable(self, stream_id: str) -> list[_Waiting]:
        heads = [queue[0] for queue in self._queues.get(stream_id, {}).values()]
        return [*heads, *self._parked.get(stream_id, {}).values()]

    def _record(self, change: StateChange, tell: Sequence[str]) -> None:
        event = RecordedEvent(
            position=self._last_position + 1,
            event_id=change.event_id,
            trunk_id=change.trunk_id,
            at_ms=change.at_ms,
            body=encode(change),
        )
        self._append(event, tell)

    def _append(self, event: RecordedEvent, tell: Sequence[str]) -> None:
        self._last_position = event.position
        self._events.append(event)
        self._events_of[event.trunk_id].append(event)
        for stream_id in tell:
            self._last_delivery_id += 1
            delivery = Delivery(
                id=self._last_delivery_id,
                stream_id=stream_id,
                trunk_id=event.trunk_id,
                event_id=event.event_id,
                position=event.position,
                body=event.body,
                attempts=0,
                created_ms=event.at_ms,
            )
            waiting = _Waiting(delivery)
            self._waiting[delivery.id] = waiting
            self._queues[stream_id].setdefault(delivery.trunk_id, deque()).append(waiting)

    def _put_off(self, waiting: _Waiting, report: DeliveryReport) -> None:
        parked = report.result is DeliveryResult.PARKED
        before = waiting.delivery
        if parked and not before.times_parked:
            self._leave_queue(waiting)
            self._parked[before.stream_id][before.id] = waiting
        first_ms = before.first_attempt_ms
        waiting.delivery = replace(
            before,
            attempts=before.attempts + 1,
            first_attempt_ms=report.at_ms if first_ms is None else first_ms,
            times_parked=before.times_parked + parked,
        )
        waiting.due_ms = report.at_ms if report.due_ms is None else report.due_ms
        waiting.claimed = False

    def _remove(self, delivery: Delivery) -> None:
        waiting = self._waiting.pop(delivery.id)
        if delivery.times_parked:
            del self._parked[delivery.stream_id][delivery.id]
        else:
            self._leave_queue(waiting)

    def _leave_queue(self, waiting: _Waiting) -> None:
        queues = self._queues[waiting.delivery.stream_id]
        queue = queues[waiting.delivery.trunk_id]
        queue.remove(waiting)
        if not queue:
            del queues[waiting.delivery.trunk_id]


def _news_first(waiting: _Waiting) -> tuple[int, int]:
    return waiting.delivery.times_parked, waiting.delivery.position
