"""The log of what happened, and how it reaches whoever must know."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
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
    "Outbox",
    "ProberLog",
    "RecordedEvent",
    "SinkAnswer",
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
    result: DeliveryResult
    at_ms: int
    due_ms: int | None = None
    """With RETRY and PARKED: not before this moment (None: at once)."""
    detail: str = ""


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

    async def release(self) -> None:
        """At start: give back every claim that an earlier life of this process held."""


class DeliveryOutcome(StrEnum):
    """What a destination said."""

    ACCEPTED = "accepted"
    TRY_LATER = "try_later"
    """Time-out, connection error, 429, 5xx: the same delivery may succeed later."""
    REFUSED = "refused"
    """The destination will never take this delivery."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SinkAnswer:
    """A destination's answer to one delivery."""

    outcome: DeliveryOutcome
    detail: str = ""
    retry_after_seconds: float | None = None


class DestinationInvalid(ValueError):
    """A stream's destination can never work as it is configured; the message is for a person."""


class EventSink(Protocol):
    """One destination. Never raises for what the destination did; cancellation is clean."""

    async def deliver(self, delivery: Delivery) -> SinkAnswer:
        """Send it once, within a deadline of the sink's own."""

    async def close(self) -> None:
        """Release connections; safe to repeat."""
