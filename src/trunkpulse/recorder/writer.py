"""Writes what was decided: state, event and deliveries of a trunk in one commit.

The pipeline never waits for the database. It notes a change on the trunk's record and queues the
record here; one writer takes queued records in batches and commits them. While the database is
away the queue is what is owed to it: each trunk keeps its changes in order, and only if a trunk
goes back and forth many times meanwhile are its newest ones merged, so that memory stays bounded.

At the first start of a million trunks more changes than any database can write are decided in the
first half minute. So a change that waits is small (``Decided``), and is spelled out when its turn
has come; that is done some at a time, and not while probes are overdue. They come first, and what
waits is written as soon as they leave time for it.
"""

from __future__ import annotations

import asyncio
import functools
import random
import uuid
from collections import deque
from collections.abc import Callable, Sequence

import structlog

from trunkpulse.events.filters import Owed, StreamIndex, subscribers
from trunkpulse.model import EventStream, StateChange
from trunkpulse.ports import HealthCommit, HealthStore, StoredHealth, StoreUnavailable
from trunkpulse.progress import Progress, Step, unseen
from trunkpulse.recorder.record import TrunkRecord

__all__ = ["Recorder"]

log = structlog.get_logger(__name__)

BATCH = 500
"""Trunks per transaction."""
TRUNKS_PER_TURN = 50
"""Spelled out, a millisecond of work, before the event loop does anything else."""
OVERDUE_SECONDS = 0.05
"""Probes that are later than this come before what is to be written …"""
GRACE_SECONDS = 0.25
"""… for so long before each transaction at most; then it is its turn."""
GRACE_SECONDS_PER_TRUNK = 0.005
"""Little work is no burden to probes, and need not wait for them longer than it is worth."""
LOOK_SECONDS = 0.02
RETRY_SECONDS = (0.1, 5.0)
"""First and longest pause while the database is away."""
DEBTS_PER_TURN = 2000
"""Trunks whose debts are looked at, a millisecond's work, when a stream is gone."""


class Recorder:
    """See the module's opening."""

    def __init__(
        self,
        store: HealthStore,
        *,
        instance_id: str,
        region: str,
        rng: random.Random,
        recorded: Callable[[Sequence[StateChange], frozenset[str]], None],
        conflicted: Callable[[TrunkRecord, StoredHealth | None], None],
    ) -> None:
        """Write to ``store``, for this instance and, where a trunk names none, this region.

        ``rng`` gives the ids of events. ``recorded`` hears of committed changes and of the streams
        to be told of them, ``conflicted`` of a trunk that somebody else wrote to, with what the
        store holds.
        """
        self._store = store
        self._instance_id = instance_id
        self._region = region
        self._rng = rng
        self._recorded = recorded
        self._conflicted = conflicted
        self._queue: deque[TrunkRecord] = deque()
        self._batch: Sequence[TrunkRecord] = ()
        """What is being written."""
        self._leaving: dict[str, TrunkRecord] = {}
        self._waiters: dict[TrunkRecord, list[asyncio.Future[None]]] = {}
        """Who wants to know when a record that is queued has been written."""
        self._work = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._streams = StreamIndex(())
        self._stream_ids: frozenset[str] = frozenset()
        self._owed = Owed()
        self.writing = asyncio.Lock()
        """Held during each commit: who holds it has the store to themselves."""
        self.available = True
        """False while the store does not take what it is given."""
        self.overdue_seconds: Callable[[], float] = float
        """Set by whoever knows for how long probes have been waiting to leave."""

    async def start(
        self, streams: Sequence[EventStream], progress: Progress = unseen
    ) -> dict[str, StoredHealth]:
        """Load what was recorded before; call once, before anything is enqueued."""
        self._streams = StreamIndex(streams)
        self._stream_ids = frozenset(stream.id for stream in streams)
        self._owed = Owed(await self._store.load_owed())
        return await self._store.load(functools.partial(progress, Step.RESTORING))

    async def set_streams(self, streams: Sequence[EventStream]) -> None:
        """From now on these streams are told; for whoever holds ``writing``."""
        self._streams = StreamIndex(streams)
        gone = self._stream_ids.difference(stream.id for stream in streams)
        self._stream_ids = frozenset(stream.id for stream in streams)
        if gone:
            for number, trunk_id in enumerate(self._owed.trunks()):
                if number % DEBTS_PER_TURN == 0:
                    await asyncio.sleep(0)
                self._owed.close(trunk_id, tuple(gone.intersection(self._owed.to(trunk_id))))

    def __len__(self) -> int:
        return len(self._queue) + len(self._batch)

    def name_unwritten(self) -> None:
        """Say in the log what waits, at the end: only changes are worth a warning."""
        changed = sum(bool(record.pending) for record in (*self._queue, *self._batch))
        if changed:
            log.warning(
                "stop.unwritten",
                trunks=changed,
                problem="there was no time to record the last changes of these trunks",
                done="the probes of the next start find their states again",
            )
        if len(self) > changed:
            log.info(
                "stop.moments_unwritten",
                trunks=len(self) - changed,
                problem="there was no time to note when these trunks last answered",
                done="their states are recorded; the moments stay as they were noted last",
            )

    def enqueue(self, record: TrunkRecord) -> None:
        """Have the record written soon."""
        record.unsaved = True
        if not record.queued:
            record.queued = True
            self._queue.append(record)
            self._idle.clear()
            self._work.set()

    async def written(self, record: TrunkRecord) -> None:
        """Return once all that was decided about this trunk is in the store."""
        if record.queued:
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.setdefault(record, []).append(waiter)
            await waiter

    async def flushed(self) -> None:
        """Return once nothing is waiting to be written."""
        await self._idle.wait()

    def forget(self, record: TrunkRecord) -> None:
        """This trunk is no longer configured; what is pending about it is written first."""
        self._leaving[record.trunk.id] = record
        self._idle.clear()
        self._work.set()

    def keep(self, record: TrunkRecord) -> None:
        """This trunk is configured again before it was forgotten, or after."""
        self._leaving.pop(record.trunk.id, None)

    async def run(self) -> None:
        """Write until cancelled."""
        pause, longest = RETRY_SECONDS
        while True:
            await self._work.wait()
            await self._let_probes_go_first()
            try:
                async with self.writing:
                    await self._write_batch()
                    await self._forget_leaving()
            except StoreUnavailable as problem:
                if self.available:
                    log.error("store.unavailable", problem=str(problem), waiting=len(self))
                self.available = False
                await asyncio.sleep(pause)
                pause = min(pause * 2, longest)
                continue
            if not self.available:
                log.info("store.available", waiting=len(self))
            self.available = True
            pause = RETRY_SECONDS[0]
            if not self._queue and not self._leaving:
                self._work.clear()
                self._idle.set()

    async def _let_probes_go_first(self) -> None:
        waited = 0.0
        while self.overdue_seconds() > OVERDUE_SECONDS:
            owed = len(self._queue) + len(self._leaving)
            if waited >= min(GRACE_SECONDS, owed * GRACE_SECONDS_PER_TRUNK):
                return
            await asyncio.sleep(LOOK_SECONDS)
            waited += LOOK_SECONDS

    async def _write_batch(self) -> None:
        queue = self._queue
        self._batch = [queue.popleft() for _ in range(min(BATCH, len(queue)))]
        try:
            if self._batch:
                await self._write(self._batch)
        except StoreUnavailable:
            queue.extendleft(reversed(self._batch))
            raise
        finally:
            self._batch = ()

    async def _write(self, batch: Sequence[TrunkRecord]) -> None:
        commits: list[HealthCommit] = []
        for record in batch:
            if len(commits) % TRUNKS_PER_TURN == 0:
                await asyncio.sleep(0)  # probes must leave on time
            commits.append(self._commit_of(record))
        conflicts = await self._store.commit(commits)
        changes: list[StateChange] = []
        told: set[str] = set()
        for record, commit in zip(batch, commits, strict=True):
            trunk_id = commit.health.trunk_id
            if trunk_id in conflicts:
                continue
            if commit.change is not None:
                changes.append(commit.change)
                told.update(commit.tell)
                self._owed.open(trunk_id, commit.opened)
                self._owed.close(trunk_id, commit.closed)
                record.recorded()
            if record.pending or record.unsaved:
                self._queue.append(record)  # behind the others, who have waited longer
            else:
                self._finish(record)
        self._recorded(changes, frozenset(told))
        if conflicts:
            # From here on only these are to be tried again if the store fails us.
            self._batch = [record for record in batch if record.trunk.id in conflicts]
            stored = await self._store.load()
            self._owed = Owed(await self._store.load_owed())
            for record in self._batch:
                self._yield_to(record, stored.get(record.trunk.id))

    async def _forget_leaving(self) -> None:
        gone = [key for key, record in self._leaving.items() if not record.queued]
        if gone:
            await self._store.forget(gone)
            for trunk_id in gone:
                self._leaving.pop(trunk_id, None)

    def _yield_to(self, record: TrunkRecord, stored: StoredHealth | None) -> None:
        """Somebody else wrote: what they wrote is the past, what we decided is decided anew."""
        found = None if stored is None else stored.sequence
        log.error("store.conflict", trunk=record.trunk.id, decided=record.sequence, found=found)
        record.pending = ()
        self._finish(record)
        self._conflicted(record, stored)

    def _commit_of(self, record: TrunkRecord) -> HealthCommit:
        record.unsaved = False
        if not record.pending:
            return HealthCommit(health=record.health(), change=None)
        change = self._spelled_out(record)
        owed = self._owed.to(change.trunk_id)
        candidates = self._streams.candidates(change, record.trunk, owed)
        telling = subscribers(change, record.trunk, candidates, owed)
        return HealthCommit(
            health=record.health(),
            change=change,
            tell=telling.tell,
            opened=telling.opened,
            closed=telling.closed,
        )

    def _spelled_out(self, record: TrunkRecord) -> StateChange:
        """The oldest change that waits. Its id is drawn anew if it could not be written."""
        trunk, change, success = record.trunk, record.pending[0], record.pending[0].last_success
        return StateChange(
            event_id=str(uuid.UUID(int=self._rng.getrandbits(128), version=4)),
            trunk_id=trunk.id,
            trunk_name=trunk.name,
            sequence=record.sequence - len(record.pending) + 1,
            at_ms=change.at_ms,
            previous_state=change.previous_state,
            state=change.state,
            reason=change.reason,
            failed_attempts=change.failed_attempts,
            last_success_ms=None if success is None else int(success * 1000),
            instance_id=self._instance_id,
            region=trunk.region or self._region,
            evidence=tuple([each.evidence() for each in change.seen]),
        )

    def _finish(self, record: TrunkRecord) -> None:
        record.queued = False
        for waiter in self._waiters.pop(record, ()):
            if not waiter.done():
                waiter.set_result(None)
