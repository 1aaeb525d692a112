"""The log of what happened, and how it reaches whoever must know."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from trunkpulse.model import EventStream, ProberEvent

__all__ = [
    "Delivery",
    "DeliveryOutcome",
    "DeliveryReport",
    "DeliveryResult",
    "DestinationInvalid",
    "EventLog",
    "EventSink",
    "FoundEvents",
    "Outbox",
    "ProberLog",
    "RecordedEvent",
    "SinkAnswer",
    "WantedEvents",
]


class ProberLog(Protocol):
    """What was recorded of this instance's suspicions of itself."""

    async def prober_sequence(self, instance_id: str) -> int:
        """Of the last event of this instance's prober; 0 before the first."""

    async def record_prober(self, event: ProberEvent, tell: Sequence[str]) -> bool:
        """Write the event and its deliveries to these streams; raises StoreUnavailable.

        False, and nothing is written, if ``event.sequence`` does not follow on the last one.
        """


@dataclass(frozen=True, slots=True)
class RecordedEvent:
    """A row of the event log."""

    position: int
    """Grows with every event; the cursor of readers."""
    event_id: str
    trunk_id: str
    """Or ``ProberEvent.entity``, as with a delivery."""
    at_ms: int
    body: str
    """The event as JSON, exactly as it is delivered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedEvents:
    """Which events a reader asks for; what is None does not matter."""

    trunk_id: str | None = None
    """What the event is filed under, as in ``RecordedEvent``."""
    event_type: str | None = None
    state: str | None = None
    """The one that the change leads to."""
    reason_code: str | None = None
    region: str | None = None
    from_ms: int | None = None
    """What happened at this moment or later."""
    to_ms: int | None = None
    """What happened before this moment."""


@dataclass(frozen=True, slots=True)
class FoundEvents:
    """What a search came to, and where it stopped."""

    events: Sequence[RecordedEvent]
    place: int
    """Everything up to this position has been looked at, or down to it; go on from here."""
    more: bool
    """False if there was nothing left to look at."""


class EventLog(Protocol):
    """The recorded events, oldest first, for readers."""

    async def read(
        self, *, after: int = 0, limit: int = 100, trunk_id: str | None = None
    ) -> list[RecordedEvent]:
        """At most ``limit`` events with a position above ``after``, in order."""

    async def latest(
        self, *, before: int | None = None, limit: int = 100, trunk_id: str | None = None
    ) -> list[RecordedEvent]:
        """At most ``limit`` events, newest first, with a position below ``before``."""

    async def search(
        self,
        wanted: WantedEvents,
        *,
        after: int | None,
        limit: int,
        looks: int,
        newest_first: bool = False,
    ) -> FoundEvents:
        """At most ``limit`` events, of which there may be few or none among all others.

        It begins behind the position ``after``, or with None at the log's end that it comes from,
        and looks at ``looks`` events at most.
        """

    async def last_position(self) -> int:
        """The position of the newest event, 0 if there is none."""

    async def prune(self, before_ms: int) -> int:
        """Drop events recorded before this moment, with their settled deliveries; how many went.

        An event that still waits to be delivered stays, also if its delivery is parked.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One event on its way to one stream."""

    id: int
    stream_id: str
    trunk_id: str
    event_id: str
    position: int
    body: str
    attempts: int
    """Attempts made before this one."""
    created_ms: int
    """When the event was recorded."""
    first_attempt_ms: int | None = None
    """When the first attempt had ended; None before that."""
    times_parked: int = 0
    """How often it has been parked; above 0, newer events of its trunk do not wait for it."""


class DeliveryResult(StrEnum):
    """How a delivery attempt ended."""

    DELIVERED = "delivered"
    RETRY = "retry"
    """Due again; a parked delivery stays parked."""
    PARKED = "parked"
    """Put off, so that newer events of the trunk pass; due again, out of order."""
    DEAD = "dead"
    """Given up for good (dead letter), kept in the log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryReport:
    """What the outbox is told after an attempt."""

    delivery_id: int
    stream_id: str = ""
    result: DeliveryResult
    at_ms: int
    due_ms: int | None = None
    """With RETRY and PARKED: not before this moment (None: at once)."""
    detail: str = ""
    attempt: int = 1
    """Which attempt at this delivery it was."""
    duration_ms: int = 0
    request: str = ""
    """As in ``SinkAnswer``."""
    response: str = ""
    gone: bool = False
    """The destination said that it is none any more."""


class Outbox(Protocol):
    """Deliveries that are due, until each is delivered or dead.

    Of those of one stream and trunk only the oldest pending one, its *head*, is ever due; parked
    ones are due besides it, when their own moment comes.
    """

    async def sync_streams(self, streams: Sequence[EventStream]) -> None:
        """These streams exist now: undelivered deliveries and owed recoveries of others go."""

    async def claim(
        self, stream_id: str, *, now_ms: int, limit: int, lease_ms: int
    ) -> list[Delivery]:
        """Take due deliveries for ``lease_ms``, the heads first, each kind from the oldest on."""

    async def settle(self, reports: Sequence[DeliveryReport]) -> None:
        """Record how claimed deliveries ended, in one transaction."""

    async def next_due_ms(self, stream_id: str) -> int | None:
        """When the next delivery falls due (a past moment: now); None if none ever will."""

    async def bring_forward(self, stream_id: str, by_ms: int) -> None:
        """The clock was set back: what is due at a moment is due, and was tried, so much sooner."""

    async def release(self) -> None:
        """At start: give back every claim that an earlier life of this process held."""


class DeliveryOutcome(StrEnum):
    """What a destination said."""

    ACCEPTED = "accepted"
    TRY_LATER = "try_later"
    """Time-out, connection error, 429, 5xx: the same delivery may succeed later."""
    REFUSED = "refused"
    """The destination will never take this delivery."""
    GONE = "gone"
    """The receiver says that it is none any more (410): neither this delivery nor any other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SinkAnswer:
    """A destination's answer to one delivery."""

    outcome: DeliveryOutcome
    detail: str = ""
    """One phrase for a person."""
    retry_after_seconds: float | None = None
    request: str = ""
    """What was sent, for a person who looks for a mistake: where to and the headers, without the
    event itself, secrets and signatures."""
    response: str = ""
    """What came back, bounded in the same way."""
    pinned: Mapping[str, str] = field(default_factory=dict)
    """What it wants back with all that follows on the same alert, such as its ticket's id; no
    secrets, for it is stored as it is."""


class DestinationInvalid(ValueError):
    """A stream's destination can never work as it is configured; the message is for a person."""


class EventSink(Protocol):
    """One destination. Never raises for what the destination did; cancellation is clean."""

    async def deliver(self, delivery: Delivery) -> SinkAnswer:
        """Send it once, within a deadline of the sink's own."""

    async def close(self) -> None:
        """Release connections; safe to repeat."""
