"""What a baseline test plans and finds out: plain values, from the wire to the report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from trunkpulse.cli.output import amount
from trunkpulse.model import FailureKind, ProbeIdentity, TransportProtocol
from trunkpulse.ports import Address, Certificate, Server
from trunkpulse.sip.echo import HeaderDifference
from trunkpulse.sip.grammar import host_and_port
from trunkpulse.sip.middlebox import Finding
from trunkpulse.sip.uri import SipUri

__all__ = ["FarSide", "ProbePlan", "ProbedAttempt", "ProbedServer", "place", "share_of"]

NEXT_HOP_ALIVE: Final = 483
"""What a living next hop answers to Max-Forwards 0 (RFC 3261 8.1.1.6, 16.3)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbePlan:
    """What to probe, how often, and as whom."""

    uri: SipUri
    count: int
    """Attempts at each server."""
    interval_seconds: float
    """Between attempts at one server, start to start."""
    timeout_seconds: float
    """One attempt, retransmissions included."""
    identity: ProbeIdentity = field(default_factory=ProbeIdentity)
    password_from: str = "env:TRUNKPULSE_PASSWORD"  # noqa: S105 - where it is, not what it is
    """Where the password came from, as a configuration file writes it."""

    @property
    def way(self) -> SipUri:
        """The URI that probes are sent to (RFC 3261 8.1.2)."""
        proxy = self.identity.outbound_proxy
        return self.uri if proxy is None else SipUri.parse(proxy)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbedAttempt:
    """How one attempt went."""

    number: int
    """From 1."""
    ended_ms: int
    code: int | None = None
    """Status code that came over the wire; None if no final answer did."""
    reason_phrase: str = ""
    rtt_seconds: float | None = None
    """From the first transmission to the answer; of the last request if it was challenged."""
    failure: FailureKind | None = None
    """None if a final answer came, whatever it said."""
    detail: str = ""
    """Why no answer came, or why a challenge could not be met, in words."""
    retransmissions: int = 0
    challenges: int = 0
    """How often it was sent once more with credentials."""
    connect_seconds: float | None = None
    """What it took to open the connection; None over UDP and on one that was open already."""
    provisional_seconds: float | None = None
    """When the first 1xx came, from the first transmission on; None if none did."""
    retry_after: str | None = None
    answered_from: Address | None = None
    seen_as: str | None = None
    """Our address as the far side saw it (RFC 3581), if it said so."""
    software: str | None = None
    """What the far side calls itself (Server or User-Agent)."""
    findings: tuple[Finding, ...] = ()
    """What the answers show that arrived meanwhile, those included that the prober had to drop."""
    dropped_answers: int = 0
    """Answers to this attempt that no prober could take for one, for something changed them."""
    next_hop_only: bool = False
    """True if Max-Forwards was 0."""

    @property
    def healthy(self) -> bool:
        """True if the answer is one that counts by default: any 2xx, 483 of a next hop alone."""
        if self.code is None:
            return False
        return 200 <= self.code < 300 or (self.next_hop_only and self.code == NEXT_HOP_ALIVE)


@dataclass(frozen=True, slots=True, kw_only=True)
class FarSide:
    """What the last answer that could be read said of whoever sent it."""

    software: str | None = None
    allow: tuple[str, ...] = ()
    """Methods that it takes."""
    accept: tuple[str, ...] = ()
    """Types of bodies that it reads."""
    supported: tuple[str, ...] = ()
    """SIP extensions that it knows."""
    contacts: tuple[str, ...] = ()
    """URIs of its Contact headers."""


@dataclass(slots=True, kw_only=True)
class ProbedServer:
    """One place that the URI leads to, and all that was seen of it."""

    server: Server
    local: Address
    """Where probes leave from; port 0 if every connection has another."""
    attempts: list[ProbedAttempt] = field(default_factory=list)
    """In order."""
    far_side: FarSide = FarSide()
    certificate: Certificate | None = None
    echo: tuple[HeaderDifference, ...] | None = None
    """What changed on the way there; None if the far side does not echo."""
    late_seconds: list[float] = field(default_factory=list)
    """For answers that came after their attempt had been given up: how long each took."""
    duplicates: int = 0
    """Answers that came more than once."""

    @property
    def protocol(self) -> TransportProtocol:
        """What carries the messages."""
        return self.server.protocol

    @property
    def address(self) -> Address:
        """Where it is."""
        return self.server.address

    @property
    def place(self) -> str:
        """``udp:192.0.2.1:5060``."""
        return f"{self.protocol}:{place(self.address)}"

    @property
    def answered(self) -> int:
        """Attempts that got a final answer."""
        return sum(attempt.code is not None for attempt in self.attempts)

    @property
    def lost_percent(self) -> float:
        """Share of the attempts that got none."""
        sent = len(self.attempts)
        return 100 * (sent - self.answered) / sent if sent else 0.0

    @property
    def connections(self) -> tuple[int, int]:
        """Attempts on a new connection, and on one that was open already."""
        opened = sum(attempt.connect_seconds is not None for attempt in self.attempts)
        return opened, sum(
            attempt.code is not None and attempt.connect_seconds is None
            for attempt in self.attempts
        )

    def findings(self) -> list[Finding]:
        """What was noticed on the wire, each thing once."""
        once: dict[str, Finding] = {}
        for attempt in self.attempts:
            for finding in attempt.findings:
                once.setdefault(finding.code, finding)
        return list(once.values())

    def failures(self) -> Counter[FailureKind]:
        """How often each kind of failure ended an attempt."""
        return Counter(attempt.failure for attempt in self.attempts if attempt.failure)


def place(address: Address) -> str:
    """A socket address as people write it: ``192.0.2.1:5060``, ``[2001:db8::1]:5060``.

    Without a port (0) it is the host alone.
    """
    return host_and_port(address[0], address[1] or None)


def share_of(count: int, attempts: Sequence[ProbedAttempt]) -> str:
    """`` (2 of 5 attempts)``, to follow what happened to ``count`` of them; nothing if to all."""
    return "" if count == len(attempts) else f" ({count} of {amount(len(attempts), 'attempt')})"
