"""One slotted object per target: all that is remembered of a million of them.

Times of the wire (`started`, `due_tick`) are monotonic; times a person reads (`last_success`,
an attempt's `at`) are wall-clock seconds.
"""

from __future__ import annotations

import ipaddress
from collections import deque
from dataclasses import dataclass, field
from typing import NamedTuple, Self

from trunkpulse.health.hysteresis import Run
from trunkpulse.model import (
    AttemptEvidence,
    FailureKind,
    KeepalivePolicy,
    ProbeIdentity,
    TargetState,
    TransportProtocol,
)
from trunkpulse.ports import Address, Certificate, MessageTransport, Server
from trunkpulse.probing.pacing import Pace
from trunkpulse.probing.schedule import NEVER
from trunkpulse.sip.grammar import host_and_port, split_sent_by
from trunkpulse.sip.request import SharedOptions, request_uri_bytes
from trunkpulse.sip.transaction import T1_SECONDS, NonInviteClientTransaction
from trunkpulse.sip.uri import SipUri

__all__ = ["Attempt", "Place", "ProbeSettings", "ProbeTarget", "Seen", "Share", "literal_server"]

REMEMBERED_RUNS = 16
"""Of like attempts in a row."""


class Place(NamedTuple):
    """Where a target is; written ``udp:192.0.2.1:5060``, ``tls:[2001:db8::1]:5061``."""

    protocol: TransportProtocol
    address: Address

    def __str__(self) -> str:
        return f"{self.protocol}:{host_and_port(self.address[0], self.address[1])}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what ``str`` wrote; raises ValueError."""
        protocol, _, sent_by = text.partition(":")
        host, port = split_sent_by(sent_by)
        literal = ipaddress.ip_address(host)
        if port is None:
            raise ValueError(f"{text!r} has no port")
        address: Address = (host, port) if literal.version == 4 else (host, port, 0, 0)
        return cls(TransportProtocol(protocol), address)


class Share(NamedTuple):
    """A target's part of its trunk's calls."""

    priority: int = 0
    """Of its SRV record; lower is tried first (RFC 2782)."""
    weight: int = 100
    """Within a priority."""


WHOLE_SHARE = Share()


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class ProbeSettings:
    """What the targets of like trunks have in common; they share one object."""

    policy: KeepalivePolicy
    identity: ProbeIdentity
    options: SharedOptions
    transport: MessageTransport
    secure: bool = False
    """True if what it is asked for is a SIPS URI (RFC 3261 26.2.2)."""
    pace: Pace | None = None
    """What caps its probes per second, if anything does."""
    reliable: bool = field(init=False)
    """True if the transport itself repeats what is lost."""
    learns_address: bool = field(init=False)
    """True if answers are read for the address that we are seen as."""
    unfolds_later: bool = field(init=False)
    """True if an attempt needs no transaction before T1 has passed."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "reliable", self.transport.protocol.reliable)
        object.__setattr__(self, "learns_address", self.identity.enable_nat)
        plain = not self.reliable and self.identity.credentials is None
        object.__setattr__(
            self, "unfolds_later", plain and self.policy.timeout_seconds > T1_SECONDS
        )


class Attempt(NamedTuple):
    """How an attempt ended, and how many before it that ended alike it stands for."""

    at: float
    """Wall-clock seconds at which it, the last of them, ended."""
    code: int | None
    """Status code on the wire, if an answer came."""
    failure: FailureKind | None
    detail: str | None
    rtt_seconds: float | None
    quiet_until: float | None = None
    """Wall-clock seconds until which the far side asked to be left alone (Retry-After)."""
    first_at: float | None = None
    """Wall-clock seconds at which the first of them ended; None: it is the only one."""
    times: int | None = 1
    """How many they are; None after plain sailing, which is not counted."""

    @property
    def success(self) -> bool:
        return self.failure is None

    def is_like(self, other: Attempt) -> bool:
        """True if both ended the same way."""
        return (self.code, self.failure, self.detail) == (other.code, other.failure, other.detail)

    def followed_by(self, other: Attempt) -> Attempt:
        """``other``, standing for what this one stands for too."""
        times = None if self.times is None else self.times + 1
        first_at = self.at if self.first_at is None else self.first_at
        return other._replace(first_at=first_at, times=times)


class Seen(NamedTuple):
    """What was believed of a target at one moment, and the attempt that it rested on.

    It refers to what is there anyway: as many as there are trunks may wait for the database.
    """

    uri: str
    protocol: TransportProtocol
    address: Address | None
    state: TargetState
    failures: int
    last: Attempt | None
    """The last attempt that is remembered."""
    last_success: float | None
    """Wall-clock seconds; the two that follow are of this success."""
    code: int | None
    rtt_seconds: float | None

    def evidence(self) -> AttemptEvidence:
        """The same in full, as it is told."""
        last = self.last
        success_ms = None if self.last_success is None else int(self.last_success * 1000)
        quiet: float | None = None
        if last is None or (self.last_success is not None and self.last_success > last.at):
            # Plain sailing leaves nothing behind but the moment and the round trip.
            code, failure, detail = self.code, None, None
            rtt, at_ms = self.rtt_seconds, success_ms
        else:
            code, failure, detail, rtt = last.code, last.failure, last.detail, last.rtt_seconds
            at_ms = int(last.at * 1000)
            quiet = last.quiet_until
        address = self.address
        return AttemptEvidence(
            target=self.uri,
            address=None if address is None else str(Place(self.protocol, address)),
            state=self.state,
            code=code,
            failure=failure,
            detail=detail,
            rtt_ms=None if rtt is None else round(rtt * 1000, 3),
            at_ms=at_ms,
            failed_attempts=self.failures,
            last_success_ms=success_ms,
            maintenance_until_ms=None if quiet is None else int(quiet * 1000),
        )


class ProbeTarget:
    """One place that a URI leads to, probed from one socket, and what is believed about it."""

    __slots__ = (
        "address",
        "attempts",
        "awaiting",
        "code",
        "due_tick",
        "failure",
        "failures",
        "index",
        "last_success",
        "locating",
        "owner",
        "request_uri",
        "rtt_seconds",
        "sequence",
        "settings",
        "share",
        "started",
        "state",
        "successes",
        "transaction",
        "unresolved",
        "uri",
    )

    def __init__(
        self,
        uri: str,
        owner: str,
        settings: ProbeSettings,
        address: Address | None = None,
        share: Share = WHOLE_SHARE,
    ) -> None:
        """``uri`` is a SIP URI, checked before; ``address`` is None if it is still to be found."""
        self.uri = uri
        self.owner = owner
        """Id of the trunk; what the prober's sink goes by."""
        self.adopt(settings)
        self.address = address
        self.share = share
        self.unresolved = "its name has not been looked up yet"
        """Why there is no address."""
        self.locating = False
        """True while the attempt under way waits for the address."""

        self.index = -1
        """The prober's slot; part of every branch."""
        self.sequence = 0
        """Attempts made; the CSeq and the other part of the branch."""
        self.due_tick = NEVER
        self.started = 0.0
        self.awaiting = False
        """True while a request of the attempt under way waits for its final answer."""
        self.transaction: NonInviteClientTransaction | None = None
        """Of a request that has waited for T1, or that needs one from the start."""

        self.state = TargetState.UNKNOWN
        self.failures = 0
        self.successes = 0
        self.failure: FailureKind | None = None
        """How the last failed attempt failed."""
        self.last_success: float | None = None
        self.code: int | None = None
        """Status code of the last success."""
        self.rtt_seconds: float | None = None
        """Round-trip time of the last success."""
        self.attempts: deque[Attempt] | None = None
        """The last few runs of like attempts, kept from the first that was not plain sailing."""

    def adopt(self, settings: ProbeSettings) -> None:
        """From the next attempt on probe like this."""
        self.settings = settings
        self.request_uri = request_uri_bytes(
            SipUri.parse(settings.identity.request_uri or self.uri)
        )

    @property
    def place(self) -> Place | None:
        """Where it is; None while that is not known."""
        if self.address is None:
            return None
        return Place(self.settings.transport.protocol, self.address)

    @property
    def certificate(self) -> Certificate | None:
        """What the far side last showed over TLS."""
        return None if self.address is None else self.settings.transport.certificate(self.address)

    @property
    def run(self) -> Run:
        return Run(self.state, self.failures, self.successes)

    @run.setter
    def run(self, run: Run) -> None:
        self.state, self.failures, self.successes = run

    def remember(self, attempt: Attempt) -> None:
        """Keep ``attempt`` for whoever asks why."""
        if self.attempts is None:
            self.attempts = deque(maxlen=REMEMBERED_RUNS)
        if self.attempts:
            self.attempts[-1] = self.with_plain_sailing(self.attempts[-1], attempt)
        if self.attempts and self.attempts[-1].is_like(attempt):
            attempt = self.attempts.pop().followed_by(attempt)
        self.attempts.append(attempt)
        if attempt.failure is not None:
            self.failure = attempt.failure

    def with_plain_sailing(self, last: Attempt, following: Attempt | None = None) -> Attempt:
        """``last``, the last one remembered, with the successes that were not remembered since."""
        success = self.last_success
        if not last.success or success is None or success <= last.at:
            return last
        if following is not None and following.success:
            return last  # it is the success itself
        first_at = last.at if last.first_at is None else last.first_at
        return Attempt(success, self.code, None, None, self.rtt_seconds, None, first_at, None)

    def forget(self) -> None:
        """Back to UNKNOWN: what was seen before no longer counts."""
        self.run = Run(TargetState.UNKNOWN)
        self.failure = None
        if self.quiet_until is None:
            self.attempts = None  # otherwise what the far side asked for still holds

    @property
    def quiet_until(self) -> float | None:
        """Wall-clock seconds until which the far side asked to be left alone, if it did."""
        return self.attempts[-1].quiet_until if self.attempts else None

    def seen(self) -> Seen:
        """What is believed of it now, and why."""
        # By position: many thousands of trunks may change within a second.
        return Seen(
            self.uri,
            self.settings.transport.protocol,
            self.address,
            self.state,
            self.failures,
            self.attempts[-1] if self.attempts else None,
            self.last_success,
            self.code,
            self.rtt_seconds,
        )

    def evidence(self) -> AttemptEvidence:
        """What the last attempt showed."""
        return self.seen().evidence()


def literal_server(uri: SipUri) -> Server | None:
    """The server that ``uri`` names in digits; None if its host is a name (RFC 3263 4.1, 4.2)."""
    try:
        literal = ipaddress.ip_address(uri.host)
    except ValueError:
        return None
    port = uri.effective_port
    host = str(literal)
    address: Address = (host, port) if literal.version == 4 else (host, port, 0, 0)
    return Server(TransportProtocol(uri.transport), address)
