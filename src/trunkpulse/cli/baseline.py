"""A baseline test: one endpoint probed a few times, with everything noted that the wire showed.

The prober, the transactions and the socket are the service's own, so what works here works there.
Only the judge is another one: instead of hysteresis an ``AttemptSink`` that keeps each attempt.
Between prober and socket sits a tap that sees every datagram both ways; the prober asks no more of
an answer than its status code, a person wants to know the rest.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from trunkpulse.adapters.clock import SystemClock
from trunkpulse.adapters.network.local import LocalAddresses
from trunkpulse.adapters.network.resolver import SystemResolver
from trunkpulse.adapters.network.udp import UdpTransport
from trunkpulse.model import FailureKind, KeepalivePolicy, ProbeIdentity
from trunkpulse.ports import Address, MessageTransport, ResolutionFailed
from trunkpulse.probing.prober import Prober
from trunkpulse.probing.target import ProbeSettings, ProbeTarget
from trunkpulse.sip.errors import MalformedMessage
from trunkpulse.sip.grammar import host_and_port
from trunkpulse.sip.headers import Via
from trunkpulse.sip.message import Response, parse_message
from trunkpulse.sip.request import SharedOptions
from trunkpulse.sip.uri import SipUri

__all__ = ["BaselineTest", "Datagram", "ProbePlan", "ProbedAttempt", "Undelivered", "place"]

_AFTER_THE_LAST_SECONDS: Final = 3600.0
"""When the attempt after the last one would start; the prober is closed long before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbePlan:
    """What to probe, how often, and as whom."""

    uri: SipUri
    count: int
    interval_seconds: float
    """Between attempts, start to start."""
    timeout_seconds: float
    """One attempt, retransmissions included."""
    from_uri: str | None = None
    contact_uri: str | None = None
    headers: tuple[tuple[str, str], ...] = ()
    source: tuple[str, int] | None = None
    """Local address to probe from; None: the one that the system's routes choose."""


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
    """From the first transmission to the answer."""
    failure: FailureKind | None = None
    """None if a final answer came, whatever it said."""
    detail: str = ""
    """Why no answer came, in words."""
    retransmissions: int = 0
    software: str | None = None
    """What the far side calls itself (Server or User-Agent)."""
    retry_after: str | None = None
    answered_from: Address | None = None
    seen_as: str | None = None
    """Our address as the far side saw it (RFC 3581), if it said so."""

    @property
    def healthy(self) -> bool:
        """True if the answer is one that counts by default: any 2xx."""
        return self.code is not None and 200 <= self.code < 300


@dataclass(frozen=True, slots=True)
class Datagram:
    """Something that went over the wire."""

    sent: bool
    """False: received."""
    data: bytes
    peer: Address
    at_ms: int


@dataclass(frozen=True, slots=True)
class Undelivered:
    """What the network said of a datagram that it did not deliver, an ICMP error for one."""

    kind: FailureKind
    detail: str
    peer: Address
    at_ms: int


Sighting = Datagram | Undelivered
"""Whatever can be seen at the socket."""


class BaselineTest:
    """See the module's opening; the prober's ``AttemptSink``."""

    def __init__(
        self,
        plan: ProbePlan,
        *,
        started: Callable[[Address, Address], None],
        finished: Callable[[ProbedAttempt], None],
        wire: Callable[[Sighting], None] | None = None,
    ) -> None:
        """``started`` hears the far and the local address, ``finished`` every attempt's end.

        ``wire`` hears of every datagram, and of each that the network gave back.
        """
        self._plan = plan
        self._started = started
        self._finished = finished
        self._clock = SystemClock()
        self._prober = Prober(clock=self._clock, sink=self)
        self._tap = _Tap(self._prober, wire)
        self._done = asyncio.Event()
        self.attempts: list[ProbedAttempt] = []
        """In order; complete when ``run`` has returned."""

    @property
    def late_answers(self) -> int:
        """Answers that came after their attempt had been given up, or twice."""
        return self._prober.counts.late_answers

    def stop(self) -> None:
        """Let ``run`` return now; an attempt under way is dropped without a verdict."""
        self._done.set()

    async def run(self) -> None:
        """Make all attempts.

        Raises ResolutionFailed if the host has no address, OSError with a sentence if the source
        address cannot be used, and SipError if the OPTIONS cannot be written as planned.
        """
        plan = self._plan
        address = await _locate(plan)
        local = plan.source or (LocalAddresses().towards(address), 0)
        transport = self._tap.transport = UdpTransport.open(local, self._tap, self._clock)
        try:
            target = self._target(transport)
            target.address = address
            self._started(address, transport.local_address)
            self._prober.add([target])
            self._prober.spread([target])
            await self._done.wait()
        finally:
            self._prober.close()
            transport.close()

    def _target(self, transport: MessageTransport) -> ProbeTarget:
        plan = self._plan
        host, port = transport.local_address[:2]
        options = SharedOptions(
            sent_by=host_and_port(host, port),
            from_uri=plan.from_uri,
            contact_uri=plan.contact_uri,
            headers=plan.headers,
        )
        policy = KeepalivePolicy(
            interval_seconds=plan.interval_seconds, timeout_seconds=plan.timeout_seconds
        )
        settings = ProbeSettings(policy, ProbeIdentity(), options, self._tap)
        return ProbeTarget(str(plan.uri), "baseline", settings)

    # --- the prober speaks (AttemptSink) ---------------------------------------------------

    def answered(self, target: ProbeTarget, code: int, rtt_seconds: float) -> float:
        """Note a final answer and what else it said; returns seconds to the next attempt."""
        del target
        data, source = self._tap.last_received
        said = _read(data)
        return self._note(
            ProbedAttempt(
                number=len(self.attempts) + 1,
                ended_ms=int(self._clock.wall() * 1000),
                code=code,
                reason_phrase=said.reason_phrase,
                rtt_seconds=rtt_seconds,
                retransmissions=self._tap.resent(),
                software=said.software,
                retry_after=said.retry_after,
                answered_from=source,
                seen_as=said.seen_as,
            )
        )

    def failed(self, target: ProbeTarget, kind: FailureKind, detail: str) -> float:
        """Note why no answer came; returns seconds to the next attempt."""
        del target
        return self._note(
            ProbedAttempt(
                number=len(self.attempts) + 1,
                ended_ms=int(self._clock.wall() * 1000),
                failure=kind,
                detail=detail,
                retransmissions=self._tap.resent(),
            )
        )

    def _note(self, attempt: ProbedAttempt) -> float:
        if self._done.is_set():
            return _AFTER_THE_LAST_SECONDS
        self.attempts.append(attempt)
        self._finished(attempt)
        if attempt.number < self._plan.count:
            return self._plan.interval_seconds
        self._done.set()
        return _AFTER_THE_LAST_SECONDS


class _Tap:
    """Between prober and socket: a transport for one, a receiver for the other."""

    def __init__(self, prober: Prober, wire: Callable[[Sighting], None] | None) -> None:
        self._prober = prober
        self._wire = wire
        self._sent = 0
        self.transport: MessageTransport | None = None
        self.last_received: tuple[bytes, Address] = (b"", ("", 0))

    def resent(self) -> int:
        """How often the attempt that has just ended was sent again."""
        sent, self._sent = self._sent, 0
        return max(0, sent - 1)

    @property
    def local_address(self) -> Address:
        assert self.transport is not None
        return self.transport.local_address

    def send(self, data: bytes, destination: Address) -> None:
        assert self.transport is not None
        self._sent += 1
        self._note(sent=True, data=data, peer=destination)
        self.transport.send(data, destination)

    def close(self) -> None:
        assert self.transport is not None
        self.transport.close()

    def message_received(self, data: bytes, source: Address, now: float) -> None:
        self.last_received = (data, source)
        self._note(sent=False, data=data, peer=source)
        self._prober.message_received(data, source, now)

    def send_failed(
        self, data: bytes, destination: Address, kind: FailureKind, detail: str, now: float
    ) -> None:
        if self._wire is not None:
            self._wire(Undelivered(kind, detail, destination, int(time.time() * 1000)))
        self._prober.send_failed(data, destination, kind, detail, now)

    def batch_finished(self) -> None:
        self._prober.batch_finished()

    def _note(self, *, sent: bool, data: bytes, peer: Address) -> None:
        if self._wire is not None:
            self._wire(Datagram(sent, data, peer, int(time.time() * 1000)))


@dataclass(frozen=True, slots=True)
class _Said:
    """What an answer says beyond its status code."""

    reason_phrase: str = ""
    software: str | None = None
    retry_after: str | None = None
    seen_as: str | None = None


def _read(data: bytes) -> _Said:
    try:
        message = parse_message(data)
        if not isinstance(message, Response):
            return _Said()
        via = Via.parse(message.headers.members("Via")[0])
    except (MalformedMessage, IndexError):
        # The prober recognised its branch, so the status counts; the rest stays unsaid.
        return _Said()
    headers = message.headers
    seen_as = None
    if via.received and via.rport and via.rport.isascii() and via.rport.isdigit():
        seen_as = host_and_port(via.received, int(via.rport))
    return _Said(
        message.reason,
        headers.first("Server") or headers.first("User-Agent"),
        headers.first("Retry-After"),
        seen_as,
    )


async def _locate(plan: ProbePlan) -> Address:
    found = await SystemResolver().resolve(plan.uri.host, plan.uri.effective_port)
    if plan.source is None:
        return found[0]
    wants_ipv6 = ":" in plan.source[0]
    for address in found:
        if (len(address) == 4) is wants_ipv6:
            return address
    family = "IPv6" if wants_ipv6 else "IPv4"
    raise ResolutionFailed(
        f"{plan.uri.host}: it has no {family} address to go with the source {plan.source[0]}"
    )


def place(address: Address) -> str:
    """A socket address as people write it: ``192.0.2.1:5060``, ``[2001:db8::1]:5060``."""
    return host_and_port(address[0], address[1])
