"""Records that the prober isolated or restored itself, and has the streams told that ask for it.

Whoever decides does not wait for the database: what is decided is kept here, in order, until it is
written. Isolations and restorations take turns, so a pair that the database has not seen when
there are too many of them can be left out without anybody noticing a gap.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Protocol

import structlog

from trunkpulse.events.prober_envelope import decode_prober
from trunkpulse.model import (
    EventStream,
    IsolationEvidence,
    IsolationRule,
    ProberEvent,
    ProberState,
)
from trunkpulse.ports import EventLog, ProberLog, StoreUnavailable

__all__ = ["Announcements"]

log = structlog.get_logger(__name__)

PENDING_LIMIT = 16
RETRY_SECONDS = 1.0


class Store(ProberLog, EventLog, Protocol):
    """Where the events are written, and read again after a restart."""


class Announcements:
    """See the module's opening."""

    def __init__(
        self,
        store: Store,
        instance_id: str,
        *,
        writing: asyncio.Lock,
        recorded: Callable[[frozenset[str]], None],
    ) -> None:
        """``writing`` is held during each commit, ``recorded`` hears whom one goes to."""
        self._store = store
        self._instance_id = instance_id
        self._writing = writing
        self._streams: Sequence[EventStream] = ()
        self._recorded = recorded
        self._pending: deque[ProberEvent] = deque()
        self._work = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    async def isolation_on_record(self, now_ms: int) -> IsolationEvidence | None:
        """What the last event on record, of an earlier life, says if it isolated us.

        ``now_ms`` stands for its beginning if that was so long ago that the event is gone.
        """
        if await self._store.prober_sequence(self._instance_id) % 2 == 0:
            return None
        entity = f"prober:{self._instance_id}"
        for recorded in await self._store.latest(limit=1, trunk_id=entity):
            return decode_prober(recorded.body).evidence
        return IsolationEvidence(
            rule=IsolationRule.RESTART, since_ms=now_ms, problem="it was isolated"
        )

    def set_streams(self, streams: Sequence[EventStream]) -> None:
        """From now on these streams are told."""
        self._streams = streams

    def add(self, event: ProberEvent) -> None:
        """Have ``event`` logged now and recorded soon; it is numbered then."""
        _log(event)
        if len(self._pending) >= PENDING_LIMIT:
            self._pending.pop()  # its opposite: together they say nothing
            return
        self._pending.append(event)
        self._idle.clear()
        self._work.set()

    async def flushed(self) -> None:
        """Return once nothing is waiting to be written."""
        await self._idle.wait()

    async def run(self) -> None:
        """Write until cancelled."""
        complained = False
        while True:
            await self._work.wait()
            try:
                await self._write_first()
            except StoreUnavailable as problem:
                if not complained:
                    log.error("prober.unrecorded", problem=str(problem))
                complained = True
                await asyncio.sleep(RETRY_SECONDS)
                continue
            complained = False
            if not self._pending:
                self._work.clear()
                self._idle.set()

    async def _write_first(self) -> None:
        async with self._writing:
            if not self._pending:
                return
            event = self._pending[0]
            sequence = await self._store.prober_sequence(self._instance_id) + 1
            isolates = event.state is ProberState.ISOLATED
            if isolates is not (sequence % 2 == 1):
                self._pending.popleft()  # it is on record already, of a life before
                return
            tell = [
                stream.id
                for stream in self._streams
                if stream.enabled and event.event_type in stream.event_types
            ]
            if await self._store.record_prober(replace(event, sequence=sequence), tell):
                self._pending.popleft()
        self._recorded(frozenset(tell))


def _log(event: ProberEvent) -> None:
    evidence = event.evidence
    found = {
        "rule": evidence.rule.value,
        "silent_carriers": evidence.silent_carriers,
        "asked_carriers": evidence.asked_carriers,
    }
    if event.state is ProberState.ISOLATED:
        since = datetime.fromtimestamp(evidence.since_ms / 1000, UTC)
        log.warning(
            "prober.isolated",
            **found,
            problem=evidence.problem,
            since=since.isoformat(timespec="seconds"),
            done="states are held",
        )
    else:
        seconds = max(0, event.at_ms - evidence.since_ms) / 1000
        log.info(
            "prober.restored",
            **found,
            why=evidence.problem,
            isolated_for_seconds=seconds,
            hold_expired=evidence.hold_expired,
            done="all targets are probed anew, from a clean run",
        )
