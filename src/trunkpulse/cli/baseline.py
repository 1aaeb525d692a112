"""A baseline test: every server of one URI probed side by side, with all that the wire showed.

The prober, the transactions and the transports are the service's own, so what works here works
there. Only the judge is another one: instead of hysteresis an ``AttemptSink`` that keeps each
attempt. Between prober and each transport sits a tap that sees every message both ways.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, ParamSpec

from trunkpulse.adapters.clock import SystemClock
from trunkpulse.adapters.network.local import LocalAddresses
from trunkpulse.adapters.network.resolver import SystemResolver
from trunkpulse.adapters.network.streams import StreamTransport
from trunkpulse.adapters.network.udp import UdpTransport
from trunkpulse.cli.probe_certificate import shown_certificate
from trunkpulse.cli.probe_facts import ProbedAttempt, ProbedServer, ProbePlan
from trunkpulse.cli.probe_watch import Watch, Watches
from trunkpulse.model import FailureKind, KeepalivePolicy, TransportProtocol
from trunkpulse.ports import (
    Address,
    Certificate,
    Clock,
    Location,
    MessageReceiver,
    MessageTransport,
    Obstacle,
    ResolutionFailed,
    Resolver,
    Server,
    TransportPlan,
)
from trunkpulse.probing.prober import Prober
from trunkpulse.probing.sockets import ProbeSockets
from trunkpulse.probing.target import ProbeSettings, ProbeTarget

__all__ = ["BaselineTest", "Sighting"]

USER_AGENT: Final = "trunkpulse"
_AFTER_THE_LAST_SECONDS: Final = 3600.0
"""When the attempt after the last one would start; the prober is closed long before."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """A message that went over the wire, or that did not."""

    sent: bool
    """False: received."""
    data: bytes
    peer: Address
    protocol: TransportProtocol
    at_ms: int
    obstacle: Obstacle | None = None
    """Why ``data`` was given back instead, an ICMP error for one."""


P = ParamSpec("P")


class BaselineTest:
    """See the module's opening; the prober's ``AttemptSink``."""

    def __init__(
        self,
        plan: ProbePlan,
        *,
        started: Callable[[list[ProbedServer]], None],
        finished: Callable[[ProbedServer, ProbedAttempt], None],
        wire: Callable[[Sighting], None] | None = None,
        resolver: Resolver | None = None,
    ) -> None:
        """``started`` hears of all servers, ``finished`` of every attempt's end.

        ``wire`` hears of every message, and of each that the network gave back. ``resolver``
        finds the servers; None: as this machine is set up.
        """
        self._plan = plan
        self._started = started
        self._finished = self._unless_gone(finished)
        self._clock = SystemClock()
        self._prober = Prober(clock=self._clock, sink=self)
        self._watches = Watches()
        self._wire = None if wire is None else self._unless_gone(wire)
        self._gone: BrokenPipeError | None = None
        """Whoever was told has hung up."""
        self._resolver = resolver or SystemResolver()
        self._by_target: dict[ProbeTarget, Watch] = {}
        self._unfinished = 0
        self._done = asyncio.Event()
        self.servers: list[ProbedServer] = []
        """Best first; complete when ``run`` has returned."""
        self.left_out: list[Server] = []
        """Found, but of another address family than the source."""

    def _unless_gone(self, tell: Callable[P, None]) -> Callable[P, None]:
        """``tell``, except that a reader who has gone ends the test, not the event loop's turn."""

        def told(*what: P.args, **more: P.kwargs) -> None:
            try:
                tell(*what, **more)
            except BrokenPipeError as gone:
                self._gone = gone
                self._done.set()

        return told

    @property
    def under_way(self) -> int:
        """Servers that have been sent a request and have not answered it yet."""
        return sum(watch.awaits_answer for watch in self._by_target.values())

    def stop(self) -> None:
        """Let ``run`` return now; attempts under way are dropped without a verdict."""
        self._done.set()

    async def run(self) -> None:
        """Make all attempts.

        Raises ResolutionFailed if the URI leads nowhere, OSError with a sentence if the source
        address or a file cannot be used, SipError if the OPTIONS cannot be written as planned, and
        BrokenPipeError if whoever reads what is told has gone.
        """
        location = await self._resolver.locate(self._plan.way)
        if self._done.is_set():
            return
        sockets = ProbeSockets(self._prober, self._open, LocalAddresses().towards, USER_AGENT)
        try:
            targets = list(self._targets(location, sockets))
            self._started(self.servers)
            self._unfinished = len(targets)
            self._prober.add(targets)
            self._prober.spread(targets)
            await self._done.wait()
            if self._gone is not None:
                raise self._gone
            await self._read_certificates()
        finally:
            self._prober.close()
            sockets.close()

    def _targets(self, location: Location, sockets: ProbeSockets) -> Iterable[ProbeTarget]:
        """A target for each server that the source can reach."""
        plan = self._plan
        policy = KeepalivePolicy(
            interval_seconds=plan.interval_seconds, timeout_seconds=plan.timeout_seconds
        )
        for server in location.servers:
            settings = sockets.settings_for(policy, plan.identity, plan.way, server)
            if settings is None:
                self.left_out.append(server)
                continue
            watch = Watch(
                ProbedServer(server=server, local=_local(settings, server.address)),
                next_hop_only=plan.identity.max_forwards == 0,
            )
            target = ProbeTarget(str(plan.uri), "baseline", settings, server.address)
            self.servers.append(watch.probed)
            self._by_target[target] = watch
            self._watches.add(watch)
            yield target
        if not self.servers and plan.identity.source is not None:
            source = plan.identity.source[0]
            family = "IPv6" if ":" in source else "IPv4"
            raise ResolutionFailed(
                f"{plan.way.host}: it has no {family} address to go with the source {source}"
            )

    def _open(self, plan: TransportPlan, receiver: MessageReceiver) -> MessageTransport:
        return _Tap(partial(_opened, plan), receiver, self._watches, self._clock, self._wire)

    async def _read_certificates(self) -> None:
        """Keep what was shown, also by those that were not trusted: a person wants to see why."""
        for target, watch in self._by_target.items():
            probed = watch.probed
            transport = target.settings.transport
            if probed.protocol is TransportProtocol.TLS:
                probed.certificate = transport.certificate(probed.address)
            if probed.certificate is None and probed.failures()[FailureKind.TLS]:
                tls, way = self._plan.identity.tls, self._plan.way
                name = tls.server_name or way.host
                probed.certificate = await shown_certificate(tls, probed.address, name)

    # --- the prober speaks (AttemptSink) ---------------------------------------------------

    def answered(self, target: ProbeTarget, code: int, rtt_seconds: float, data: bytes) -> float:
        """Note a final answer and what else it said; returns seconds to the next attempt."""
        watch = self._by_target[target]
        refused = self._prober.why_challenged(target) if code in {401, 407} else None
        return self._note(
            watch, watch.answered(code, rtt_seconds, data, refused or "", self._now_ms())
        )

    def failed(self, target: ProbeTarget, kind: FailureKind, detail: str) -> float:
        """Note why no answer came; returns seconds to the next attempt."""
        watch = self._by_target[target]
        return self._note(watch, watch.failed(kind, detail, self._now_ms()))

    def _now_ms(self) -> int:
        return int(self._clock.wall() * 1000)

    def _note(self, watch: Watch, attempt: ProbedAttempt) -> float:
        if self._done.is_set():
            return _AFTER_THE_LAST_SECONDS
        watch.probed.attempts.append(attempt)
        self._finished(watch.probed, attempt)
        if attempt.number < self._plan.count:
            return self._plan.interval_seconds
        self._unfinished -= 1
        if not self._unfinished:
            self._done.set()
        return _AFTER_THE_LAST_SECONDS


class _Tap:
    """Between prober and transport: a transport for one, a receiver for the other."""

    def __init__(
        self,
        open_for: Callable[[MessageReceiver, Clock], MessageTransport],
        receiver: MessageReceiver,
        watches: Watches,
        clock: Clock,
        wire: Callable[[Sighting], None] | None,
    ) -> None:
        self._receiver = receiver
        self._watches = watches
        self._clock = clock
        self._wire = wire
        self._transport = open_for(self, clock)

    @property
    def protocol(self) -> TransportProtocol:
        return self._transport.protocol

    @property
    def local_address(self) -> Address:
        return self._transport.local_address

    def send(self, data: bytes, destination: Address) -> None:
        self._watches.sent(data, self.protocol, destination, self._clock.monotonic())
        self._saw(sent=True, data=data, peer=destination)
        self._transport.send(data, destination)

    def send_many(self, messages: Sequence[bytes], destinations: Sequence[Address]) -> None:
        for data, destination in zip(messages, destinations, strict=True):
            self.send(data, destination)

    def withdraw(self, data: bytes, destination: Address) -> Obstacle | None:
        return self._transport.withdraw(data, destination)

    def settled(self, data: bytes, destination: Address) -> None:
        self._transport.settled(data, destination)

    def drain(self) -> None:
        self._transport.drain()

    def dropped_datagrams(self) -> int:
        return self._transport.dropped_datagrams()

    def certificate(self, destination: Address) -> Certificate | None:
        return self._transport.certificate(destination)

    def close(self) -> None:
        self._transport.close()

    def message_received(self, data: bytes, source: Address, now: float) -> None:
        self._saw(sent=False, data=data, peer=source)
        receipt = self._watches.received(data, self.protocol, source, now)
        self._receiver.message_received(data, source, now)
        self._watches.handed_over(receipt)

    def message_left(self, data: bytes, now: float) -> None:
        self._watches.left(data, now)
        self._receiver.message_left(data, now)

    def send_failed(
        self, data: bytes, destination: Address, kind: FailureKind, detail: str, now: float
    ) -> None:
        self._saw(sent=True, data=data, peer=destination, obstacle=Obstacle(kind, detail))
        self._receiver.send_failed(data, destination, kind, detail, now)

    def batch_finished(self) -> None:
        self._receiver.batch_finished()

    def _saw(
        self, *, sent: bool, data: bytes, peer: Address, obstacle: Obstacle | None = None
    ) -> None:
        if self._wire is not None:
            at_ms = int(self._clock.wall() * 1000)
            self._wire(Sighting(sent, data, peer, self.protocol, at_ms, obstacle))


def _opened(plan: TransportPlan, receiver: MessageReceiver, clock: Clock) -> MessageTransport:
    if plan.protocol is TransportProtocol.UDP:
        return UdpTransport.open(plan.local, receiver, clock)
    return StreamTransport.open(plan, receiver, clock)


def _local(settings: ProbeSettings, far: Address) -> Address:
    """Where probes to ``far`` leave from, a wildcard filled in."""
    host, port = settings.transport.local_address[:2]
    if host in {"0.0.0.0", "::"}:  # noqa: S104 - compared, not bound
        host = LocalAddresses().towards(far)
    return host, port
