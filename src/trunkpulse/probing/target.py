"""One slotted object per target: all that is remembered of a million of them.

Times of the wire (`started`, `due_tick`) are monotonic; times a person reads (`last_success`,
an attempt's `at`) are wall-clock seconds.
"""

from __future__ import annotations

import ipaddress
from collections import deque
from dataclasses import dataclass
from typing import NamedTuple

from trunkpulse.health.hysteresis import Run
from trunkpulse.model import (
    AttemptEvidence,
    FailureKind,
    KeepalivePolicy,
    ProbeIdentity,
    TargetState,
)
from trunkpulse.ports import Address, MessageTransport
from trunkpulse.probing.schedule import NEVER
from trunkpulse.sip.request import SharedOptions, request_uri_bytes
from trunkpulse.sip.transaction import NonInviteClientTransaction
from trunkpulse.sip.uri import SipUri

__all__ = ["Attempt", "ProbeSettings", "ProbeTarget", "literal_address"]

REMEMBERED_ATTEMPTS = 16


@dataclass(frozen=True, slots=True)
class ProbeSettings:
    """What the targets of like trunks have in common; they share one object."""

    policy: KeepalivePolicy
    identity: ProbeIdentity
    options: SharedOptions
    transport: MessageTransport


class Attempt(NamedTuple):
    """How one attempt ended."""

    at: float
    """Wall-clock seconds at which it ended."""
    code: int | None
    """Status code on the wire, if an answer came."""
    failure: FailureKind | None
    detail: str | None
    rtt_seconds: float | None

    @property
    def success(self) -> bool:
        return self.failure is None


class ProbeTarget:
    """A URI that is probed from one socket, and what is believed about it."""

    __slots__ = (
        "address",
        "attempts",
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
        "started",
        "state",
        "successes",
        "transaction",
        "unresolved",
        "uri",
    )

    def __init__(self, uri: str, owner: str, settings: ProbeSettings) -> None:
        """``uri`` is a SIP URI, checked before; an address in digits is taken from it."""
        parsed = SipUri.parse(uri)
        self.uri = uri
        self.owner = owner
        """Id of the trunk; what the prober's sink goes by."""
        self.adopt(settings, parsed)
        self.address = literal_address(parsed)
        """None while the host's name is not resolved."""
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
        self.transaction: NonInviteClientTransaction | None = None

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
        """The last few attempts, kept from the first one that was not plain sailing."""

    def adopt(self, settings: ProbeSettings, parsed: SipUri | None = None) -> None:
        """From the next attempt on probe like this; ``parsed`` is the URI, if it is at hand."""
        self.settings = settings
        chosen = settings.identity.request_uri
        self.request_uri = request_uri_bytes(
            SipUri.parse(chosen) if chosen else parsed or SipUri.parse(self.uri)
        )

    @property
    def run(self) -> Run:
        return Run(self.state, self.failures, self.successes)

    @run.setter
    def run(self, run: Run) -> None:
        self.state, self.failures, self.successes = run

    def remember(self, attempt: Attempt) -> None:
        """Keep ``attempt`` for whoever asks why."""
        if self.attempts is None:
            self.attempts = deque(maxlen=REMEMBERED_ATTEMPTS)
        self.attempts.append(attempt)
        if attempt.failure is not None:
            self.failure = attempt.failure

    def forget(self) -> None:
        """Back to UNKNOWN: what was seen before no longer counts."""
        self.run = Run(TargetState.UNKNOWN)
        self.attempts = None
        self.failure = None

    def evidence(self) -> AttemptEvidence:
        """What the last attempt showed."""
        last = self.attempts[-1] if self.attempts else None
        success_ms = None if self.last_success is None else int(self.last_success * 1000)
        if last is None or (self.last_success is not None and self.last_success > last.at):
            # Plain sailing leaves nothing behind but the moment and the round trip.
            code, failure, detail = self.code, None, None
            rtt, at_ms = self.rtt_seconds, success_ms
        else:
            code, failure, detail, rtt = last.code, last.failure, last.detail, last.rtt_seconds
            at_ms = int(last.at * 1000)
        return AttemptEvidence(
            target=self.uri,
            state=self.state,
            code=code,
            failure=failure,
            detail=detail,
            rtt_ms=None if rtt is None else round(rtt * 1000, 3),
            at_ms=at_ms,
            failed_attempts=self.failures,
            last_success_ms=success_ms,
        )


def literal_address(uri: SipUri) -> Address | None:
    """The socket address that ``uri`` names in digits; None if its host is a name."""
    try:
        literal = ipaddress.ip_address(uri.host.strip("[]"))
    except ValueError:
        return None
    port = uri.effective_port
    return (str(literal), port) if literal.version == 4 else (str(literal), port, 0, 0)
