"""Writes the audit: one writer, one chain, over restarts and while the database is away.

    record -> queue -> (one commit for all that wait) -> durable, and its answer may go out

Whoever records while another commit is under way waits for it, and then one of those who waited
writes for all of them. Before a write the ledger knows where the chain ends; after one whose end
is not known (the database went away in the middle, a caller was cancelled) it looks, and what did
arrive is not written twice.

While the database is away acts wait in memory and nobody waits for them: the log says so, and says
when they are written. There is an end to the room: then whatever changes something is refused
beforehand (``full``), and refusals are counted.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from dataclasses import dataclass

import structlog

from trunkpulse.access.audit import START, Act, Actor, Head, Outcome, digest_of
from trunkpulse.admission.floods import RefusedOnes
from trunkpulse.ports import AuditEntry, AuditLog, Clock, StoreUnavailable

__all__ = ["LAST_ENTRIES_SECONDS", "SERVICE", "Ledger"]

log = structlog.get_logger(__name__)

MOST_WAITING = 10_000
"""Acts in memory while the database is away."""
MOST_CHARACTERS_WAITING = 64 << 20
"""Of all of them together: an act may say before and after of many trunks."""
REFUSALS_WAITING = 5_000
"""Beyond so many that wait no refusal is added, so that there is room for acts."""
WRITTEN_AT_ONCE = 500
RETRY_SECONDS = 2.0
HEAD_TOLD_SECONDS = 3600.0
LAST_ENTRIES_SECONDS = 0.5
"""What a stop has to write the last entries."""
SERVICE = Actor("service", name="trunkpulse")
"""This process itself."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    number: int
    at_ms: int
    record: str


class Ledger:
    """See the module's opening. ``open`` it once, and have ``run`` run if anybody may."""

    def __init__(self, store: AuditLog, clock: Clock, *, most_waiting: int = MOST_WAITING) -> None:
        self._store = store
        self._clock = clock
        self.most_waiting = most_waiting
        self._refusals = RefusedOnes()
        self._queue: deque[_Waiting] = deque()
        self._characters = 0
        """Of the records in the queue."""
        self._head: Head | None = None
        """None: not known at this moment."""
        self._last_known = START
        self._attempted: list[AuditEntry] = []
        """What may have been written without our hearing of it."""
        self._taken = 0
        """How many have ever been queued."""
        self._written = 0
        """The number of the last one that is durable."""
        self._lost = 0
        self._retry_at = 0.0
        self._away = False
        self._writing = asyncio.Lock()
        self._stirred = asyncio.Event()
        self.moved = asyncio.Event()
        """Set whenever ``head`` has become another one."""

    # --- to read -----------------------------------------------------------------------------

    @property
    def head(self) -> Head | None:
        """Where the chain ends; None while that is not known."""
        return self._head

    @property
    def waiting(self) -> int:
        """How many acts are in memory alone."""
        return len(self._queue)

    @property
    def full(self) -> bool:
        """True if no more can be recorded, so nothing more may be done."""
        too_many = len(self._queue) >= self.most_waiting
        return too_many or self._characters >= MOST_CHARACTERS_WAITING

    # --- to write ----------------------------------------------------------------------------

    async def open(self) -> None:
        """Find out where the chain ends; raises StoreUnavailable."""
        async with self._writing:
            await self._find_head()

    async def record(self, act: Act) -> bool:
        """Have ``act`` recorded; True once it is durable, False if it has to wait in memory."""
        number = self._add(act)
        while self._written < number:
            if self._away and self._writing.locked():
                return False  # somebody is trying already, which may take seconds
            async with self._writing:
                if self._written >= number:
                    break  # whoever wrote before wrote this too
                if self._away and self._clock.monotonic() < self._retry_at:
                    return False
                try:
                    await self._write()
                except StoreUnavailable:
                    return False
        return True

    def note(self, act: Act) -> None:
        """Have ``act`` recorded soon; nobody waits for it."""
        self._add(act)

    def note_refusal(self, act: Act) -> None:
        """Have a refusal recorded soon; of very many only some, and the number of the others."""
        now = self._clock.monotonic()
        self._sum_up(now)
        status = act.status or 0
        if self._refusals.is_recorded(act.actor, act.address, status, now):
            if not self.full and len(self._queue) < REFUSALS_WAITING:
                self._add(act)
            else:
                self._lose(act)
        self._stirred.set()

    async def run(self) -> None:
        """Write what nobody waits for, and again what could not be written; say where it ends."""
        told = self._clock.monotonic()
        while True:
            now = self._clock.monotonic()
            self._sum_up(now)
            if now - told >= HEAD_TOLD_SECONDS:
                told = now
                self.tell_head()
            pause = told + HEAD_TOLD_SECONDS - now
            due_at = self._refusals.due_at()
            if due_at is not None:
                pause = min(pause, due_at - now)
            if self._queue:
                await self._flush()
                if self._away:
                    pause = min(pause, RETRY_SECONDS)
            await self._rest(max(pause, 0.01))

    async def close(self, deadline_seconds: float = LAST_ENTRIES_SECONDS) -> None:
        """Write what there is, as far as the database takes it by then; the log says what is lost.

        It also says where the chain ends as far as that is known, whatever the database does.
        """
        self._sum_up(self._clock.monotonic(), early=True)
        self._retry_at = 0.0
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(deadline_seconds):
                await self._flush()
        if self._queue:
            log.error("audit.lost", acts=len(self._queue), problem="the database did not take them")
        self.tell_head()

    def tell_head(self) -> None:
        """Put the newest digest into the log, which is kept elsewhere: it proves the chain."""
        head = self._head or self._last_known
        if head != START:
            log.info("audit.head", position=head.position, digest=head.digest)

    # --- within ------------------------------------------------------------------------------

    def _add(self, act: Act) -> int:
        at_ms = int(self._clock.wall() * 1000)
        record = act.record(at_ms)
        self._taken += 1
        self._queue.append(_Waiting(self._taken, at_ms, record))
        self._characters += len(record)
        self._stirred.set()
        return self._taken

    def _lose(self, act: Act) -> None:
        if not self._lost:
            log.error(
                "audit.refusals_only_counted",
                first=act.action,
                problem=f"{len(self._queue)} entries wait for the database already",
            )
        self._lost += 1

    def _sum_up(self, now: float, *, early: bool = False) -> None:
        for refused in self._refusals.take(now, early=early):
            self._add(
                Act(
                    action="service.refusals",
                    actor=refused.actor,
                    address=refused.address,
                    outcome=Outcome.REFUSED,
                    count=refused.counted,
                    details={"statuses": refused.statuses},
                )
            )

    async def _flush(self) -> None:
        with contextlib.suppress(StoreUnavailable):
            async with self._writing:
                while self._queue:
                    await self._write()

    async def _write(self) -> None:
        """Write the oldest that wait; the caller holds the lock. Raises StoreUnavailable."""
        try:
            head = self._head or await self._find_head()
            if not self._queue:
                return
            entries = self._chained(head)
            self._attempted = entries
            self._head, self._last_known = None, head
            await self._store.add_audit_entries(entries)
        except StoreUnavailable as problem:
            self._note_away(problem)
            raise
        self._wrote(entries)
        self._note_back()

    async def _find_head(self) -> Head:
        last = await self._store.last_audit_entry()
        if last is not None and self._attempted and last.digest == self._attempted[-1].digest:
            self._wrote(self._attempted)
        self._attempted = []
        self._head = START if last is None else Head(last.position, last.digest)
        return self._head

    def _wrote(self, entries: list[AuditEntry]) -> None:
        for _ in entries:
            written = self._queue.popleft()
            self._written = written.number
            self._characters -= len(written.record)
        self._head = Head(entries[-1].position, entries[-1].digest)
        self._attempted = []
        self.moved.set()

    def _chained(self, head: Head) -> list[AuditEntry]:
        entries: list[AuditEntry] = []
        for place, each in enumerate(self._queue):
            if place == WRITTEN_AT_ONCE:
                break
            digest = digest_of(head.digest, each.record)
            entries.append(
                AuditEntry(
                    position=head.position + 1,
                    at_ms=each.at_ms,
                    record=each.record,
                    previous=head.digest,
                    digest=digest,
                )
            )
            head = Head(head.position + 1, digest)
        return entries

    def _note_away(self, problem: StoreUnavailable) -> None:
        self._retry_at = self._clock.monotonic() + RETRY_SECONDS
        if not self._away:
            self._away = True
            log.error("audit.store_unavailable", waiting=len(self._queue), problem=str(problem))

    def _note_back(self) -> None:
        if self._away:
            self._away = False
            log.info("audit.store_available", waiting=len(self._queue))
        if self._lost:
            lost, self._lost = self._lost, 0
            self._add(
                Act(
                    action="service.refusals_unrecorded",
                    actor=SERVICE,
                    outcome=Outcome.REFUSED,
                    count=lost,
                )
            )

    async def _rest(self, seconds: float) -> None:
        if self._away:  # what stirs does not bring the database back
            await asyncio.sleep(seconds)
            return
        self._stirred.clear()
        if not self._queue:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._stirred.wait()
