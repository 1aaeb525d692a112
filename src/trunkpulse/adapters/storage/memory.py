"""The store without a disk: the same answers as a database, for simulations and tests."""

from __future__ import annotations

import heapq
from bisect import bisect_left, bisect_right
from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from operator import attrgetter

from trunkpulse.adapters.storage.rules import AT_ONCE, conflicts, forgotten
from trunkpulse.events.envelope import encode
from trunkpulse.model import EventStream, StateChange
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
class _Pending:
    """A delivery that is not settled; only the first of its trunk's queue is ever due."""

    delivery: Delivery
    due_ms: int = AT_ONCE
    claimed: bool = False


class MemoryStore:
    """HealthStore, EventLog and Outbox in plain dictionaries; gone with the process.

    No call ever waits, so each is one atomic step of the event loop.
    """

    def __init__(self) -> None:
        self._health: dict[str, StoredHealth] = {}
        self._owed: set[tuple[str, str]] = set()
        self._events: list[RecordedEvent] = []
        self._events_of: defaultdict[str, list[RecordedEvent]] = defaultdict(list)
        self._queues: defaultdict[str, dict[str, deque[_Pending]]] = defaultdict(dict)
        self._pending: dict[int, _Pending] = {}
        self._last_position = 0
        self._last_delivery_id = 0

    # --- HealthStore ---

    async def load(self) -> dict[str, StoredHealth]:
        """Every trunk's last recorded state, forgotten ones included."""
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
        """Keep only the sequence of these trunks; what they owed is dropped."""
        for trunk_id in trunk_ids:
            if trunk_id in self._health:
                self._health[trunk_id] = forgotten(self._health[trunk_id])
        gone = set(trunk_ids)
        self._owed = {owed for owed in self._owed if owed[1] not in gone}

    async def close(self) -> None:
        """Nothing to release; what was stored stays, as a database's file would."""

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
        needed = {pending.delivery.position for pending in self._pending.values()}
        kept = [e for e in self._events if e.at_ms >= before_ms or e.position in needed]
        dropped = len(self._events) - len(kept)
        self._events = kept
        self._events_of.clear()
        for event in kept:
            self._events_of[event.trunk_id].append(event)
        return dropped

    # --- Outbox ---

    async def sync_streams(self, streams: Sequence[EventStream]) -> None:
        """Drop the pending deliveries and owed recoveries of all other streams."""
        known = {stream.id for stream in streams}
        for stream_id in self._queues.keys() - known:
            for queue in self._queues.pop(stream_id).values():
                for pending in queue:
                    del self._pending[pending.delivery.id]
        self._owed = {owed for owed in self._owed if owed[0] in known}

    async def claim(
        self, stream_id: str, *, now_ms: int, limit: int, lease_ms: int
    ) -> list[Delivery]:
        """Take due deliveries, oldest first, at most one per trunk."""
        due = (head for head in self._heads(stream_id) if head.due_ms <= now_ms)
        taken = heapq.nsmallest(limit, due, key=lambda head: head.delivery.position)
        for head in taken:
            head.due_ms = now_ms + lease_ms
            head.claimed = True
        return [head.delivery for head in taken]

    async def settle(self, reports: Sequence[DeliveryReport]) -> None:
        """Record how claimed deliveries ended; one that is already settled is left alone."""
        for report in reports:
            pending = self._pending.get(report.delivery_id)
            if pending is None:
                continue
            if report.result is not DeliveryResult.RETRY:
                self._remove(pending.delivery)
            elif pending.claimed:
                attempts = pending.delivery.attempts + 1
                pending.delivery = replace(pending.delivery, attempts=attempts)
                pending.due_ms = report.at_ms if report.due_ms is None else report.due_ms
                pending.claimed = False

    async def next_due_ms(self, stream_id: str) -> int | None:
        """When the next delivery falls due; None if none is pending."""
        return min((head.due_ms for head in self._heads(stream_id)), default=None)

    async def release(self) -> None:
        """Give back every claim."""
        for pending in self._pending.values():
            if pending.claimed:
                pending.claimed = False
                pending.due_ms = AT_ONCE

    # --- inside ---

    def _log(self, trunk_id: str | None) -> list[RecordedEvent]:
        return self._events if trunk_id is None else self._events_of.get(trunk_id, [])

    def _heads(self, stream_id: str) -> list[_Pending]:
        return [queue[0] for queue in self._queues.get(stream_id, {}).values()]

    def _record(self, change: StateChange, tell: Sequence[str]) -> None:
        self._last_position += 1
        event = RecordedEvent(
            position=self._last_position,
            event_id=change.event_id,
            trunk_id=change.trunk_id,
            at_ms=change.at_ms,
            body=encode(change),
        )
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
            pending = _Pending(delivery)
            self._pending[delivery.id] = pending
            self._queues[stream_id].setdefault(delivery.trunk_id, deque()).append(pending)

    def _remove(self, delivery: Delivery) -> None:
        pending = self._pending.pop(delivery.id)
        queues = self._queues[delivery.stream_id]
        queues[delivery.trunk_id].remove(pending)
        if not queues[delivery.trunk_id]:
            del queues[delivery.trunk_id]
