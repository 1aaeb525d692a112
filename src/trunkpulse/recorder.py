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
from typing import NamedTuple

import structlog

from trunkpulse.board import UNDECIDED
from trunkpulse.events.filters import StreamIndex, subscribers
from trunkpulse.model import EventStream, Reason, StateChange, Trunk, TrunkState, TrunkStatus
from trunkpulse.ports import HealthCommit, HealthStore, StoredHealth, StoredTarget, StoreUnavailable
from trunkpulse.probing.attempt import Seen
from trunkpulse.probing.target import ProbeTarget
from trunkpulse.progress import Progress, Step, unseen

__all__ = ["Decided", "Recorder", "TrunkRecord"]

log = structlog.get_logger(__name__)

BATCH = 500
"""Trunks per transaction."""
TRUNKS_PER_TURN = 50
"""Spelled out, a millisecond of work, before the event loop does anything else."""
OVERDUE_SECONDS = 0.05
"""Probes that are later than this come before what is to be written …"""
GRACE_SECONDS = 0.25
"""… for so long before each transaction; then it is its turn."""
LOOK_SECONDS = 0.02
PENDING_LIMIT = 16
"""Changes of one trunk that wait for the database before the newest are merged."""
RETRY_SECONDS = (0.1, 5.0)
"""First and longest pause while the database is away."""


class Decided(NamedTuple):
    """A change of a trunk's state that is not recorded yet, as small as it can be kept."""

    at_ms: int
    previous_state: TrunkState
    state: TrunkState
    reason: Reason
    failed_attempts: int
    last_success: float | None
    """Wall-clock seconds."""
    seen: tuple[Seen, ...]


@functools.lru_cache(maxsize=4096)
def _status(state: TrunkState, reason: Reason | None, since_ms: int | None) -> TrunkStatus:
    """One object for equal ones: where there are very many trunks, many change together."""
    status = TrunkStatus(state, reason, since_ms)
    return UNDECIDED if status == UNDECIDED else status


class TrunkRecord:
    """A trunk as it runs: its configuration, its targets, and the state decided last."""

    __slots__ = (
        "_targets",
        "admin_enabled",
        "pending",
        "queued",
        "sequence",
        "status",
        "trunk",
        "unsaved",
    )

    def __init__(self, trunk: Trunk, stored: StoredHealth | None) -> None:
        self.trunk = trunk
        self._targets: ProbeTarget | tuple[ProbeTarget, ...] = ()
        self.status = UNDECIDED
        """What was decided last: the board has the same object."""
        self.sequence = 0
        self.admin_enabled = True
        self.pending: tuple[Decided, ...] = ()
        """Decided and not yet recorded, oldest first; the newest is number ``sequence``."""
        self.queued = False
        """True while the recorder holds it."""
        self.unsaved = False
        """True if something changed since the last commit was put together."""
        if stored is not None:
            self.adopt(stored)

    @property
    def targets(self) -> tuple[ProbeTarget, ...]:
        """Those that it is probed at."""
        # Most of a million trunks have one, and a tuple of one takes 48 bytes.
        return self._targets if isinstance(self._targets, tuple) else (self._targets,)

    @targets.setter
    def targets(self, targets: tuple[ProbeTarget, ...]) -> None:
        self._targets = targets[0] if len(targets) == 1 else targets

    @property
    def state(self) -> TrunkState:
        return self.status.state

    @property
    def reason(self) -> Reason | None:
        return self.status.reason

    @property
    def since_ms(self) -> int | None:
        return self.status.since_ms

    def adopt(self, stored: StoredHealth) -> None:
        """Believe what the store holds."""
        self.status = _status(stored.state, stored.reason, stored.since_ms)
        self.sequence = stored.sequence
        self.admin_enabled = stored.admin_enabled

    def retire(self) -> None:
        """The trunk is no longer configured.

        Its count of changes stays, and so does what an administrator decided about it.
        """
        self.targets = ()
        self.status = UNDECIDED

    def add(self, change: Decided) -> None:
        """Take on a decided change; it is given the next sequence number."""
        self.status = _status(change.state, change.reason, change.at_ms)
        self.sequence += 1
        self.pending = (*self.pending, change)
        if len(self.pending) > PENDING_LIMIT:
            self._merge_newest()

    def _merge_newest(self) -> None:
        *oldest, older, newer = self.pending
        self.sequence -= 2
        if older.previous_state is not newer.state:
            self.sequence += 1
            oldest.append(newer._replace(previous_state=older.previous_state))
        self.pending = tuple(oldest)

    def recorded(self) -> None:
        """The oldest pending change is in the store."""
        self.pending = self.pending[1:]

    def health(self) -> StoredHealth:
        """What shall be stored once the oldest pending change is recorded."""
        targets = tuple(
            StoredTarget(
                target.uri,
                target.state,
                None if target.last_success is None else int(target.last_success * 1000),
                None if target.place is None else str(target.place),
            )
            for target in self.targets
        )
        first = self.pending[0] if self.pending else None
        return StoredHealth(
            trunk_id=self.trunk.id,
            state=first.state if first else self.state,
            reason=first.reason if first else self.reason,
            sequence=self.sequence - max(0, len(self.pending) - 1),
            since_ms=first.at_ms if first else self.since_ms,
            admin_enabled=self.admin_enabled,
            targets=targets,
        )


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
        self._owed: set[tuple[str, str]] = set()
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
        self._owed = await self._store.load_owed()
        return await self._store.load(functools.partial(progress, Step.RESTORING))

    def set_streams(self, streams: Sequence[EventStream]) -> None:
        """From now on these streams are told."""
        self._streams = StreamIndex(streams)
        kept = {stream.id for stream in streams}
        self._owed = {owed for owed in self._owed if owed[0] in kept}

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
        while waited < GRACE_SECONDS and self.overdue_seconds() > OVERDUE_SECONDS:
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
                self._owed.update((stream, trunk_id) for stream in commit.opened)
                self._owed.difference_update((stream, trunk_id) for stream in commit.closed)
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
            self._owed = await self._store.load_owed()
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
        telling = subscribers(change, self._streams.covering(change.trunk_id), self._owed)
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
