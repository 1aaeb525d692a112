"""The store without a disk: the same answers as a database, for simulations and tests."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable, Sequence
from operator import attrgetter

from trunkpulse.adapters.storage.memory_alert_attempts import MemoryAlertAttempts
from trunkpulse.adapters.storage.memory_alerts import MemoryAlerts
from trunkpulse.adapters.storage.memory_audit import MemoryAudit
from trunkpulse.adapters.storage.memory_documents import MemoryDocuments
from trunkpulse.adapters.storage.memory_measures import MemoryMeasures
from trunkpulse.adapters.storage.memory_search import searched
from trunkpulse.adapters.storage.memory_stream_health import MemoryStreamHealth
from trunkpulse.adapters.storage.memory_streams import MemoryStreams
from trunkpulse.adapters.storage.rules import conflicts, forgotten
from trunkpulse.events.envelope import encode
from trunkpulse.events.prober_envelope import encode_prober
from trunkpulse.events.stream_envelope import encode_disabled
from trunkpulse.model import EventStream, ProberEvent, StateChange, StreamDisabled
from trunkpulse.ports import (
    FoundEvents,
    HealthCommit,
    RecordedEvent,
    StoredHealth,
    StreamHealth,
    WantedEvents,
)

__all__ = ["MemoryStore"]

_position = attrgetter("position")


class MemoryStore(
    MemoryAlertAttempts,
    MemoryStreams,
    MemoryStreamHealth,
    MemoryAlerts,
    MemoryMeasures,
    MemoryDocuments,
    MemoryAudit,
):
    """What a database keeps, in plain dictionaries; gone with the process.

    No call ever waits, so each is one atomic step of the event loop.
    """

    def __init__(self) -> None:
        super().__init__()
        self._health: dict[str, StoredHealth] = {}
        self._owed: set[tuple[str, str]] = set()
        self._events_of: defaultdict[str, list[RecordedEvent]] = defaultdict(list)
        self._last_position = 0

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
        return self._sequences.get(f"prober:{instance_id}", 0)

    async def record_prober(self, event: ProberEvent, tell: Sequence[str]) -> bool:
        """Write the event, its number and its deliveries; False if it does not come next."""
        if not self._comes_next(event.entity, event.sequence):
            return False
        recorded = RecordedEvent(
            position=self._last_position + 1,
            event_id=event.event_id,
            trunk_id=event.entity,
            at_ms=event.at_ms,
            body=encode_prober(event),
        )
        self._append(recorded, tell)
        return True

    # --- StreamWatch ---

    async def record_disabled(
        self, event: StreamDisabled, health: StreamHealth, tell: Sequence[str]
    ) -> bool:
        """Remember that it is given up, with the event and its deliveries."""
        if not self._comes_next(event.entity, event.sequence):
            return False
        recorded = RecordedEvent(
            position=self._last_position + 1,
            event_id=event.event_id,
            trunk_id=event.entity,
            at_ms=event.at_ms,
            body=encode_disabled(event),
        )
        self._append(recorded, tell)
        await self.note_health(event.stream_id, health)
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

    async def search(
        self,
        wanted: WantedEvents,
        *,
        after: int | None,
        limit: int,
        looks: int,
        newest_first: bool = False,
    ) -> FoundEvents:
        """At most ``limit`` of the events that are wanted, among ``looks`` that are looked at."""
        log = self._log(wanted.trunk_id)
        return searched(
            log, wanted, after=after, limit=limit, looks=looks, newest_first=newest_first
        )

    async def last_position(self) -> int:
        """The position of the newest event, 0 if there is none."""
        return self._events[-1].position if self._events else 0

    async def prune(self, before_ms: int) -> int:
        """Drop events older than ``before_ms`` that no delivery waits for; how many."""
        needed = {waiting.delivery.position for waiting in self._waiting.values()}
        kept = [e for e in self._events if e.at_ms >= before_ms or e.position in needed]
        dropped = len(self._events) - len(kept)
        self._drop_settled({e.position for e in self._events} - {e.position for e in kept})
        self._events = kept
        self._events_of.clear()
        for event in kept:
            self._events_of[event.trunk_id].append(event)
        return dropped

    # --- Outbox and StreamStore ---

    async def sync_streams(self, streams: Sequence[EventStream]) -> None:
        """Drop what waits for all other streams, what they are owed, and their trouble."""
        await super().sync_streams(streams)
        known = {stream.id for stream in streams}
        self._owed = {owed for owed in self._owed if owed[0] in known}
        for stream_id in self._stream_health.keys() - known:
            del self._stream_health[stream_id]
        for stream_id in self._alerts.keys() - known:
            self._forget_alerts(stream_id)

    async def drop_backlog(self, stream_id: str) -> None:
        """Forget what waits for it."""
        self._drop_waiting(lambda each: each == stream_id)

    async def drop_stream(self, stream_id: str) -> None:
        """Forget it with all that waits for it."""
        await super().drop_stream(stream_id)
        await self.note_health(stream_id, None)
        self._drop_waiting(lambda each: each == stream_id)

    async def drop_remains(self, stream_id: str) -> None:
        """Forget what it was owed, its alerts and what was said to it."""
        self._forget_alerts(stream_id)
        self._said.pop(stream_id, None)
        self._owed = {owed for owed in self._owed if owed[0] != stream_id}

    # --- inside ---

    def _log(self, trunk_id: str | None) -> list[RecordedEvent]:
        return self._events if trunk_id is None else self._events_of.get(trunk_id, [])

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
        self._deliver(event, tell)
