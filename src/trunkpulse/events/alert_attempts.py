"""What was said on each attempt at an alert, on its way into the log of deliveries.

The log is for people who look into it later; that somebody is woken must not wait for it. So
attempts are noted in memory and written by a task of their own. If the database is away for so
long that there are too many of them, the oldest are forgotten, and the log of the process says so.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final

import structlog

from trunkpulse.events.lane import STORE_RETRY_SECONDS
from trunkpulse.ports import (
    Alert,
    AlertAttempt,
    AlertStore,
    DeliveryOutcome,
    DeliveryReport,
    SinkAnswer,
    StoreUnavailable,
)

__all__ = ["INTERRUPTED", "AttemptLog"]

log = structlog.get_logger(__name__)

MOST_WAITING = 1_000
"""Attempts that may wait for the database, and are in memory until then."""
WRITTEN_AT_ONCE = 50
"""In one transaction: others wait for it."""
INTERRUPTED: Final = SinkAnswer(
    outcome=DeliveryOutcome.TRY_LATER, detail="interrupted: the stream was stopped"
)


class AttemptLog:
    """The attempts of one stream; `run` it once, in a task."""

    def __init__(self, store: AlertStore, stream_id: str) -> None:
        self._store = store
        self._stream_id = stream_id
        self._waiting: deque[AlertAttempt] = deque()
        self._forgotten = 0
        self._stirred = asyncio.Event()
        self._ended = asyncio.Event()

    def note(self, alert: Alert, report: DeliveryReport) -> None:
        """``alert`` was told, or was to be; waits for nothing."""
        trunks = f"{alert.total:,} {'trunk' if alert.total == 1 else 'trunks'}"
        told = f"{alert.kind} of alert {alert.alert_id} ({trunks})"
        self._waiting.append(
            AlertAttempt(
                stream_id=self._stream_id,
                alert_id=alert.alert_id,
                kind=alert.kind,
                position=alert.position,
                at_ms=report.at_ms,
                duration_ms=report.duration_ms,
                result=report.result,
                detail=report.detail,
                request=f"{told}\n{report.request}" if report.request else told,
                response=report.response,
            )
        )
        while len(self._waiting) > MOST_WAITING:
            self._waiting.popleft()
            self._forgotten += 1
        self._stirred.set()

    def end(self) -> None:
        """End `run`; what is not written by then is for a last `write`."""
        self._ended.set()
        self._stirred.set()

    async def run(self) -> None:
        """Write what is noted, soon after it is, until `end`."""
        first_seconds, longest_seconds = STORE_RETRY_SECONDS
        pause_seconds = 0.0
        while not self._ended.is_set():
            self._stirred.clear()
            try:
                await self.write()
            except StoreUnavailable:  # of which the lane says more than enough
                pause_seconds = min(max(first_seconds, pause_seconds * 2), longest_seconds)
                await self._ended_within(pause_seconds)
                continue
            pause_seconds = 0.0
            if not self._ended.is_set():
                await self._stirred.wait()

    async def write(self) -> None:
        """Write all that is noted; raises StoreUnavailable, and what is not written waits."""
        while self._waiting:
            size = min(WRITTEN_AT_ONCE, len(self._waiting))
            batch = [self._waiting.popleft() for _ in range(size)]
            try:
                await self._store.note_attempts(batch)
            except BaseException:
                self._waiting.extendleft(reversed(batch))
                raise
        if self._forgotten:
            log.warning("alert.attempts_forgotten", stream=self._stream_id, count=self._forgotten)
            self._forgotten = 0

    async def _ended_within(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._ended.wait()
        except TimeoutError:
            return
