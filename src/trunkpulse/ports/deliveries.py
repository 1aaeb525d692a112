"""What became of each delivery, for whoever operates the streams, and how to have it made again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from trunkpulse.model import StreamDisabled
from trunkpulse.ports.alerts import AlertKind
from trunkpulse.ports.events import DeliveryResult

__all__ = [
    "ATTEMPTS_KEPT",
    "MAX_REPLAYED",
    "MAX_SAID_CHARACTERS",
    "DeliveryLog",
    "DeliveryState",
    "RecordedAttempt",
    "RecordedDelivery",
    "ReplayChoice",
    "Replayed",
    "StreamBacklog",
    "StreamHealth",
    "StreamWatch",
]

ATTEMPTS_KEPT = 10_000
"""Of each stream, the newest ones; a few more at times."""
MAX_SAID_CHARACTERS = 2_000
"""What is kept of a request, and of a response."""
MAX_REPLAYED = 10_000
"""Events that one call has delivered again."""


class DeliveryState(StrEnum):
    """Where a delivery stands."""

    PENDING = "pending"
    """It waits, or is being sent; newer events of its trunk wait behind it."""
    PARKED = "parked"
    """It failed for five minutes, and is tried again from time to time; or it is of an alert that
    was not taken yet."""
    DELIVERED = "delivered"
    DEAD = "dead"
    """Given up: a dead letter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedDelivery:
    """One event on its way to one stream, or at its end; or what is told of an alert."""

    id: int
    stream_id: str
    trunk_id: str
    """Or what else the event is of, as with ``RecordedEvent``, or ``alert:`` and an alert's id."""
    event_id: str
    """Of an alert, the last event that had gone into it when this was first told."""
    position: int
    state: DeliveryState
    attempts: int
    times_parked: int
    recorded_ms: int
    """When the event was recorded."""
    due_ms: int | None
    """When it is sent next, or its claim runs out; None if it waits for another, or for nothing."""
    settled_ms: int | None
    """When it was delivered, given up, or last parked."""
    replayed_ms: int | None
    """When somebody asked for this delivery; None for one that came of the event itself."""
    detail: str
    """What its destination said last."""
    alert: AlertKind | None = None
    """What of an alert it tells; None for an event. One that tells of an alert is sent again by
    its stream alone: it has no ``due_ms``, and is neither replayed nor retried."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedAttempt:
    """What was said on one attempt."""

    attempt: int
    """Counted from 1."""
    at_ms: int
    """When it ended."""
    duration_ms: int
    result: DeliveryResult
    request: str
    response: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayChoice:
    """Which events are delivered again: those for which all that is given holds."""

    event_id: str | None = None
    """This one, also if the stream was never told of it."""
    trunk_id: str | None = None
    from_ms: int | None = None
    """Recorded at this moment or later."""
    to_ms: int | None = None
    """Recorded before this moment."""
    dead_only: bool = False
    """Only those whose last delivery was given up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """What a replay has set off."""

    again: int = 0
    """New deliveries of events that had been delivered or given up."""
    hurried: int = 0
    """Parked deliveries that are now due at once."""
    reached: int = 0
    """The position of the last event that was looked at: where to go on."""
    more: bool = False
    """There are more such events behind it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamBacklog:
    """What a stream has not been given yet."""

    pending: int = 0
    parked: int = 0
    dead: int = 0
    oldest_ms: int | None = None
    """When the oldest event that is pending was recorded; replayed ones do not count."""


class DeliveryLog(Protocol):
    """Every delivery and what was said on it; raises StoreUnavailable."""

    async def deliveries(
        self,
        stream_id: str,
        *,
        state: DeliveryState | None = None,
        trunk_id: str | None = None,
        before: int | None = None,
        limit: int = 100,
    ) -> list[RecordedDelivery]:
        """At most ``limit`` of a stream, newest first, with an id below ``before``."""

    async def delivery(self, stream_id: str, delivery_id: int) -> RecordedDelivery | None:
        """One of a stream; None if it has none of this id."""

    async def attempts(self, delivery_id: int, *, limit: int = 100) -> list[RecordedAttempt]:
        """The last attempts at one delivery, newest first, as far as they are kept."""

    async def backlogs(self) -> Mapping[str, StreamBacklog]:
        """By stream id; a stream with nothing to say of is absent."""

    async def replay(
        self, stream_id: str, choice: ReplayChoice, *, now_ms: int, after: int = 0
    ) -> Replayed:
        """Deliver events again under their own ids, in order per trunk; see ``MAX_REPLAYED``.

        Only what the stream was told of before, unless the event is named. What is still pending
        is left alone, and what is parked becomes due at once. ``after`` goes on behind a position.
        """

    async def retry(self, stream_id: str, delivery_id: int) -> bool:
        """Make a parked or dead delivery due at once, with three days before it; else False."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamHealth:
    """A stream whose destination does nothing but fail."""

    failing_since_ms: int
    """The first failure that no success followed."""
    failed_ms: int
    """The last failure, to the hour."""
    detail: str
    """What the destination said."""
    disabled_ms: int | None = None
    """When the stream was given up."""


class StreamWatch(Protocol):
    """What is remembered of streams in trouble; raises StoreUnavailable."""

    async def stream_health(self) -> Mapping[str, StreamHealth]:
        """By stream id; one that is well is absent."""

    async def note_health(self, stream_id: str, health: StreamHealth | None) -> None:
        """Remember this of a stream; None: it is well."""

    async def stream_sequence(self, stream_id: str) -> int:
        """Of the last event about this stream itself; 0 before the first."""

    async def record_disabled(
        self, event: StreamDisabled, health: StreamHealth, tell: Sequence[str]
    ) -> bool:
        """Remember that it is given up, with the event and its deliveries, in one transaction.

        False, and nothing is written, if ``event.sequence`` does not follow on the last one.
        """
