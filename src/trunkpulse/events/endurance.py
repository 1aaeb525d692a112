"""When a destination is given up: after five days of nothing but failure, or when it is gone.

A receiver that nobody has looked after for days only costs: each event waits for it, is parked and
dies. So its stream is *disabled*. What it takes waits from then on and is not sent, and whoever
reads the other streams is told, for nobody else would notice.

Five days count from the first failure that no success followed. A stream of which nothing was sent
for two days begins anew with its next failure: of what lies in between nothing is known. A
destination that says it is gone (HTTP 410) is believed at once.

What is known is written down when it has lasted an hour, so that a receiver that fails now and then
costs no writes; a restart forgets less than that.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from random import Random

import structlog

from trunkpulse.model import EventStream, EventType, StreamDisabled, StreamReason
from trunkpulse.ports import Clock, DeliveryReport, DeliveryResult, StreamHealth, StreamWatch

__all__ = ["FAILING_SECONDS", "Endurance", "judged"]

log = structlog.get_logger(__name__)

FAILING_SECONDS = 5 * 24 * 3600.0
"""So long a destination may do nothing but fail."""
QUIET_SECONDS = 2 * 24 * 3600.0
"""After so long without an attempt, a failure is the first of its row. Parked deliveries are tried
at least every 27 hours."""
NOTED_SECONDS = 3600.0
"""Failures are noted no more often, and not before they have lasted so long."""


def judged(health: StreamHealth | None, reports: Iterable[DeliveryReport]) -> StreamHealth | None:
    """What is known of a stream after these attempts; None: it is well.

    One that is disabled stays so, whatever those attempts bring that were under way.
    """
    for report in reports:
        if health is not None and health.disabled_ms is not None:
            return health
        if report.result is DeliveryResult.DELIVERED:
            health = None
            continue
        now_ms = report.at_ms
        if health is None or now_ms - health.failed_ms > QUIET_SECONDS * 1000:
            health = StreamHealth(failing_since_ms=now_ms, failed_ms=now_ms, detail=report.detail)
        elif now_ms - health.failed_ms >= NOTED_SECONDS * 1000:
            health = replace(health, failed_ms=now_ms, detail=report.detail)
        if report.gone or now_ms - health.failing_since_ms >= FAILING_SECONDS * 1000:
            health = replace(health, failed_ms=now_ms, detail=report.detail, disabled_ms=now_ms)
    return health


class Endurance:
    """Which destinations do nothing but fail, since when, and which have been given up."""

    def __init__(
        self,
        store: StreamWatch,
        *,
        instance_id: str,
        region: str,
        clock: Clock,
        rng: Random,
        writing: asyncio.Lock,
        recorded: Callable[[frozenset[str]], None],
    ) -> None:
        """``writing`` is held during each commit, ``recorded`` hears whom one goes to."""
        self._store = store
        self._instance_id = instance_id
        self._region = region
        self._clock = clock
        self._rng = rng
        self._writing = writing
        self._recorded = recorded
        self._health: dict[str, StreamHealth] = {}
        self._noted: dict[str, StreamHealth] = {}
        """The part of it that the store holds."""

    async def load(self) -> None:
        """Take up what an earlier life of this process knew; raises StoreUnavailable."""
        self._noted = dict(await self._store.stream_health())
        self._health = dict(self._noted)
        for stream_id, health in self._health.items():
            if health.disabled_ms is not None:
                log.warning("stream.still_disabled", stream=stream_id, problem=health.detail)

    def health(self) -> Mapping[str, StreamHealth]:
        """By stream id; one that is well is absent."""
        return self._health

    def is_disabled(self, stream_id: str) -> bool:
        """True if it has been given up: what it takes waits."""
        health = self._health.get(stream_id)
        return health is not None and health.disabled_ms is not None

    def keep_only(self, stream_ids: Collection[str]) -> None:
        """Forget all other streams, as the store does."""
        for known in (self._health, self._noted):
            for stream_id in known.keys() - set(stream_ids):
                del known[stream_id]

    async def forgive(self, stream_id: str) -> None:
        """Let it begin anew; raises StoreUnavailable."""
        if self._noted.get(stream_id) is not None:
            await self._store.note_health(stream_id, None)
            self._noted.pop(stream_id, None)
        self._health.pop(stream_id, None)

    async def judge(
        self,
        stream: EventStream,
        reports: Sequence[DeliveryReport],
        others: Callable[[], Iterable[EventStream]],
    ) -> bool:
        """True if the stream has been given up just now; ``others`` may be told then.

        Raises StoreUnavailable; the next failure is then judged alike.
        """
        health = judged(self._health.get(stream.id), reports)
        if health is None:
            await self.forgive(stream.id)
            return False
        if self.is_disabled(stream.id):
            return False
        if health.disabled_ms is not None:
            gone = any(report.gone for report in reports)
            await self._give_up(stream, health, others, gone=gone)
            return True
        self._health[stream.id] = health
        lasted_ms = health.failed_ms - health.failing_since_ms
        if lasted_ms >= NOTED_SECONDS * 1000 and self._noted.get(stream.id) != health:
            await self._store.note_health(stream.id, health)
            self._noted[stream.id] = health
        return False

    async def _give_up(
        self,
        stream: EventStream,
        health: StreamHealth,
        others: Callable[[], Iterable[EventStream]],
        *,
        gone: bool,
    ) -> None:
        assert health.disabled_ms is not None
        async with self._writing:
            event = StreamDisabled(
                event_id=str(uuid.UUID(int=self._rng.getrandbits(128), version=4)),
                stream_id=stream.id,
                stream_name=stream.name,
                sequence=await self._store.stream_sequence(stream.id) + 1,
                at_ms=health.disabled_ms,
                reason=StreamReason.DESTINATION_GONE if gone else StreamReason.DESTINATION_FAILING,
                failing_since_ms=health.failing_since_ms,
                detail=health.detail,
                instance_id=self._instance_id,
                region=self._region,
            )
            tell = [
                other.id
                for other in others()
                if other.id != stream.id
                and other.enabled
                and EventType.STREAM_DISABLED in other.event_types
            ]
            # False if another instance has just done so.
            is_news = await self._store.record_disabled(event, health, tell)
        self._health[stream.id] = self._noted[stream.id] = health
        if not is_news:
            return
        since = datetime.fromtimestamp(health.failing_since_ms / 1000, UTC)
        log.error(
            "stream.disabled",
            stream=stream.id,
            reason=event.reason.value,
            failing_since=since.isoformat(timespec="seconds"),
            problem=health.detail,
            done="its events wait until it is enabled again",
        )
        self._recorded(frozenset(tell))
