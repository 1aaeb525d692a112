"""What the core needs from the outside world, one Protocol each; ``adapters`` provide them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from trunkpulse.model import (
    EventStream,
    FailureKind,
    ProberEvent,
    Reason,
    StateChange,
    TargetState,
    TlsSettings,
    TransportProtocol,
    TrunkState,
)
from trunkpulse.sip.uri import SipUri

__all__ = [
    "Address",
    "Certificate",
    "Clock",
    "Delivery",
    "DeliveryOutcome",
    "DeliveryReport",
    "DeliveryResult",
    "DestinationInvalid",
    "EventLog",
    "EventSink",
    "HealthCommit",
    "HealthStore",
    "MachineClock",
    "MeasureStore",
    "MessageReceiver",
    "MessageTransport",
    "MinuteNumbers",
    "Outbox",
    "ProberLog",
    "RecordedEvent",
    "ResolutionFailed",
    "Resolver",
    "Server",
    "SinkAnswer",
    "StoreUnavailable",
    "StoredHealth",
    "StoredTarget",
    "TransportPlan",
]

Address = tuple[str, int] | tuple[str, int, int, int]
"""A socket address of IPv4 or IPv6 as the ``socket`` module writes it."""


class Clock(Protocol):
    """Time, so that a test can drive it."""

    def monotonic(self) -> float:
        """Seconds from an arbitrary start, never backwards: for intervals."""

    def wall(self) -> float:
        """Seconds since the epoch: for what a person reads."""


class MachineClock(Clock, Protocol):
    """The time of the machine that we run on, which may sleep and whose clock may be set."""

    def boot(self) -> float:
        """Like ``monotonic``, but it goes on while the machine sleeps."""


# --- the network ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TransportPlan:
    """Which socket, or which set of connections, messages go over. Equal plans share one."""

    protocol: TransportProtocol
    local: tuple[str, int]
    """A literal address of this machine, or a wildcard; port 0 lets the system choose."""
    tls: TlsSettings | None = None
    """With TLS alone."""
    domain: str | None = None
    """With TLS alone: the host of the target's URI, whose certificate it has to be (RFC 5922)."""


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why a message could not be sent, or why nothing came back."""

    kind: FailureKind
    detail: str
    """A phrase for a person, such as "Connection refused"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """What a far side's certificate says; read whether or not it was trusted."""

    subject: str
    issuer: str
    names: tuple[str, ...]
    """Of its subjectAltName, as ``sip:example.com``, ``sbc.example.com``, ``192.0.2.1``."""
    not_before_ms: int
    not_after_ms: int
    protocol: str
    """The version of TLS that was agreed on, as "TLSv1.3"."""
    cipher: str


class MessageReceiver(Protocol):
    """Who hears what a transport received."""

    def message_received(self, data: bytes, source: Address, now: float) -> None:
        """``data``, one whole message, arrived from ``source``; ``now`` is the monotonic moment."""

    def message_left(self, data: bytes, now: float) -> None:
        """``data`` had to wait for a connection and is on its way since ``now``."""

    def send_failed(
        self, data: bytes, destination: Address, kind: FailureKind, detail: str, now: float
    ) -> None:
        """``data`` could not be sent to ``destination``, was refused, or lost its connection."""

    def batch_finished(self) -> None:
        """All that was waiting has been handed over; a driver re-arms its timer now."""


class MessageTransport(Protocol):
    """One way to send to any number of targets: a UDP socket, or connections that are reused.

    The receiver is never called from within ``send``, ``withdraw`` or ``settled``.
    """

    @property
    def protocol(self) -> TransportProtocol:
        """What carries the messages."""

    @property
    def local_address(self) -> Address:
        """Where messages leave from; a wildcard says: by the routes. Port 0: none in particular."""

    def send(self, data: bytes, destination: Address) -> None:
        """Send without blocking; a failure is reported to the receiver, never raised."""

    def withdraw(self, data: bytes, destination: Address) -> Obstacle | None:
        """Nobody waits for an answer to ``data`` any more; what stood in its way, None if nothing.

        It never left, or an answer began and did not end. A connection that is stuck so, or that
        has been silent since ``data`` left, is not used again.
        """

    def settled(self, data: bytes, destination: Address) -> None:
        """The request ``data`` has its answer, over whichever connection it came."""

    def drain(self) -> None:
        """Hand over at once what has arrived and was not read yet, as far as that can be told."""

    def dropped_datagrams(self) -> int:
        """How many the kernel has thrown away because nobody read them in time, so far."""

    def certificate(self, destination: Address) -> Certificate | None:
        """The certificate last shown by ``destination``; None without one."""

    def close(self) -> None:
        """Release sockets and connections; safe to repeat."""


class ResolutionFailed(Exception):
    """A host name could not be resolved; the message is a phrase for a person."""


@dataclass(frozen=True, slots=True)
class Server:
    """One place to send requests for a URI to (RFC 3263 4)."""

    protocol: TransportProtocol
    address: Address
    priority: int = 0
    """Of its SRV record; lower is better. 0 without one."""
    weight: int = 0
    """Of its SRV record; share within a priority. 0 without one."""


@dataclass(frozen=True, slots=True)
class Location:
    """Where a URI leads, for a while."""

    servers: tuple[Server, ...]
    """Best first, each place once, never empty."""
    ttl_seconds: float | None
    """For how long this may be believed; None: for ever (literal addresses)."""


class Resolver(Protocol):
    """Finds the servers of a SIP URI."""

    async def locate(self, uri: SipUri) -> Location:
        """All servers that RFC 3263 finds for ``uri``; raises ResolutionFailed."""


@dataclass(frozen=True, slots=True)
class LinkProblem:
    """Why what is sent cannot leave this machine."""

    problem: str
    """One phrase for a person, such as "the interface eth0 is down"."""
    interfaces: tuple[str, ...] = ()
    """Those that are down."""


class LinkWatch(Protocol):
    """Looks at this machine's own ways out, without a word to any far side. Never raises."""

    async def problem(self, paths: Sequence[tuple[str, Address]]) -> LinkProblem | None:
        """Why nearly none of ``paths``, (local address, destination), can be used; else None."""

    async def resolver_problem(self) -> str | None:
        """Why the name servers cannot be asked, a phrase for a person; None: they answer."""


# --- the store -----------------------------------------------------------------------------


class StoreUnavailable(Exception):
    """The database cannot be reached or refused to work; nothing of the call was written.

    Retryable: the caller keeps what it wanted written and tries again.
    """


@dataclass(frozen=True, slots=True)
class StoredTarget:
    """What is kept of one target so that a restart carries on where it stopped."""

    uri: str
    state: TargetState
    last_success_ms: int | None
    place: str | None = None
    """Where its name led, as ``udp:192.0.2.1:5060``; None if the URI itself says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredHealth:
    """A trunk's last recorded state."""

    trunk_id: str
    state: TrunkState
    reason: Reason | None
    """None until the first change."""
    sequence: int
    """Of the last change; 0 before the first. Also the version that compare-and-set checks."""
    since_ms: int | None
    admin_enabled: bool
    """False while an administrator has the trunk disabled."""
    targets: tuple[StoredTarget, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthCommit:
    """One trunk's part of a commit: its new health and, if its state changed, the change."""

    health: StoredHealth
    """As it shall be after the commit."""
    change: StateChange | None
    """None: only ``admin_enabled`` or ``targets`` are saved. Otherwise
    ``change.sequence == health.sequence`` and the store must hold ``sequence - 1``."""
    tell: tuple[str, ...] = ()
    """Ids of the streams that get a delivery of this change."""
    opened: tuple[str, ...] = ()
    """Streams that are hereby told of trouble on this trunk: they are owed the recovery."""
    closed: tuple[str, ...] = ()
    """Streams that are hereby told of the recovery: they are owed nothing more."""


class HealthStore(Protocol):
    """Trunk states. State, event row and deliveries are written in one transaction."""

    async def load(
        self, progress: Callable[[int, int], None] | None = None
    ) -> dict[str, StoredHealth]:
        """Every trunk's last recorded state by trunk id, forgotten ones included.

        ``progress`` hears now and then how many of how many there are so far.
        """

    async def load_owed(self) -> set[tuple[str, str]]:
        """(stream id, trunk id) of every recovery that is still owed."""

    async def commit(self, commits: Sequence[HealthCommit]) -> frozenset[str]:
        """Write all in one transaction, durable on return; raises StoreUnavailable.

        Returns the ids of trunks whose recorded sequence was not the expected one: nothing is
        written for these, all else is.
        """

    async def forget(self, trunk_ids: Sequence[str]) -> None:
        """These trunks are no longer configured: state UNKNOWN, no targets, sequence kept.

        Owed recoveries stay: an alert that was raised before a trunk was taken out of the file
        shall end when it is back and well. Events stay too.
        """

    async def close(self) -> None:
        """Release connections; safe to repeat."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class MinuteNumbers:
    """What the attempts at one target came to in one minute, or in several."""

    trunk_id: str
    uri: str
    place: str | None
    """Where its name led, as ``udp:192.0.2.1:5060``; None while that was not known."""
    minute: int
    """Which one, the first if there are several: minutes since the epoch."""
    answers: int
    """Attempts with a final answer, healthy or not."""
    losses: int
    """Attempts without one."""
    rtt_sum_seconds: float
    """Of all answers together."""
    rtt_max_seconds: float
    """0 without an answer."""
    smoothed_rtt_seconds: float | None
    """As it was at the end; None before the first answer."""
    jitter_seconds: float | None
    """As it was at the end; None before the second answer."""
    state: TargetState
    """As it was at the end."""

    @property
    def key(self) -> tuple[int, str, str]:
        """What the minutes of a trunk are in the order of: time, then URI and place."""
        return self.minute, self.uri, self.place or ""


class MeasureStore(Protocol):
    """The numbers of targets, minute by minute. Only adapters know how they are kept small."""

    async def add_minutes(self, minutes: Sequence[MinuteNumbers]) -> None:
        """Write all in one transaction; raises StoreUnavailable.

        A minute of a target that is there already, from before a restart or a step of the clock,
        is added to: counts and sums add up, the longer round trip stays, and what is told as of
        the end is that of the later writing.
        """

    async def minutes(
        self,
        trunk_id: str,
        *,
        first: int,
        last: int,
        step: int = 1,
        after: tuple[int, str, str] | None = None,
        limit: int = 1000,
    ) -> list[MinuteNumbers]:
        """A trunk's minutes from ``first`` to ``last``, inclusive, ``step`` of them summed up.

        In the order of their keys, ``limit`` entries at most, those with a key above ``after``. An
        entry stands for the minutes from a multiple of ``step`` on; one in which nothing was
        written is left out.
        """

    async def prune_minutes(self, before: int) -> int:
        """Drop minutes older than this one, in small transactions; how many went."""


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
