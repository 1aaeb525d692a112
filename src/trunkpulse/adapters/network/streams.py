"""Connections over TCP and TLS to any number of far sides, opened when needed and used again.

Everything towards one far side is a *flow*: at most one connection, the messages that wait for it,
and the requests that went over it and have had no answer. What can go wrong with a connection is
told of each of these messages as it was: refused, unreachable, timed out, reset, badly certified.

A connection that was used before may have been closed by the far side at the very moment it is
used again; many close what is idle. A request that was lost so is sent once more over a new
connection: nothing is known of the far side yet, and OPTIONS may be repeated. A connection that was
opened for a request and is closed without an answer is a failure at once.

After a failure the next try waits a little longer each time, with jitter, so that a thousand
targets behind one dead far side do not knock at once; the messages wait meanwhile, and the time of
their attempts goes on. Between probes an idle connection is pinged (RFC 5626 4.4.1): that keeps
NATs open, and finds a dead connection before a probe has to. It proves a path, never a service.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from typing import Final, Self

from trunkpulse.adapters.network.connection import Connection
from trunkpulse.adapters.network.dialling import Dialler
from trunkpulse.adapters.network.flow import (
    Flow,
    Request,
    RestingFlows,
    StreamCounts,
    answered_branch,
    branch_of,
    renewal_seconds,
)
from trunkpulse.adapters.network.obstacles import (
    CONNECTING,
    UNENDED,
    Misnamed,
    why_ended,
    why_not_opened,
)
from trunkpulse.model import FailureKind, TransportProtocol
from trunkpulse.ports import (
    Address,
    Certificate,
    Clock,
    MessageReceiver,
    Obstacle,
    TransportPlan,
)
from trunkpulse.sip.framing import FramingLost

__all__ = ["StreamCounts", "StreamTransport"]

WAITING_LIMIT: Final = 4096
"""Messages that wait for one connection; more are refused."""
CONNECT_SECONDS: Final = 32.0
"""Longer than any attempt may take."""
FIRST_BACKOFF_SECONDS: Final = 0.25
LONGEST_BACKOFF_SECONDS: Final = 2.0
PING_AFTER_SECONDS: Final = 20.0
PONG_WITHIN_SECONDS: Final = 10.0
UNUSED_SECONDS: Final = 600.0
ROUND_SECONDS: Final = 5.0
"""How often idle connections are looked after."""


class StreamTransport:
    """See the module's opening; a ``ports.MessageTransport``. Lives on the running loop."""

    def __init__(
        self,
        plan: TransportPlan,
        receiver: MessageReceiver,
        clock: Clock,
        *,
        dialler: Dialler,
        rng: random.Random,
    ) -> None:
        """``open`` is the usual way in."""
        self._plan = plan
        self._shows_certificate = plan.tls is not None and plan.tls.cert_file is not None
        self._receiver = receiver
        self._clock = clock
        self._dialler = dialler
        self._rng = rng
        self._flows: dict[Address, Flow] = {}
        self._resting = RestingFlows()
        self._by_connection: dict[Connection, Address] = {}
        self._loop = asyncio.get_running_loop()
        self._round: asyncio.TimerHandle | None = None
        self._closed = False
        self.counts = StreamCounts()

    @classmethod
    def open(
        cls,
        plan: TransportPlan,
        receiver: MessageReceiver,
        clock: Clock,
        *,
        rng: random.Random | None = None,
    ) -> Self:
        """Connections as ``plan`` says; none is opened yet.

        Raises BindFailed for a local address that this machine lacks, and TlsUnusable for a file
        that cannot be used.
        """
        dialler = Dialler(plan, clock)
        return cls(plan, receiver, clock, dialler=dialler, rng=rng or random.Random())

    # --- ports.MessageTransport ------------------------------------------------------------

    @property
    def protocol(self) -> TransportProtocol:
        """TCP or TLS."""
        return self._plan.protocol

    @property
    def local_address(self) -> Address:
        """The local host; port 0, because each connection has one of its own."""
        host = self._plan.local[0]
        return (host, 0, 0, 0) if ":" in host else (host, 0)

    def send(self, data: bytes, destination: Address) -> None:
        """Send over the connection that is there, or over one that is opened now."""
        request = Request(data)
        astray = "this transport is closed" if self._closed else self._dialler.astray(destination)
        if astray is not None:
            self._refuse(destination, request, astray)
            return
        flow = self._flow(destination)
        connection = flow.connection
        if connection is not None and connection.is_open:
            if connection.is_congested or len(flow.unanswered) >= WAITING_LIMIT:
                self._refuse(destination, request, "the far side reads nothing")
                return
            self.counts.reused += 1
            request.on_fresh = False
            self._write(flow, connection, request)
        elif len(flow.waiting) >= WAITING_LIMIT:
            words = f"{WAITING_LIMIT} messages wait for a connection already"
            self._refuse(destination, request, words)
        else:
            flow.waiting[branch_of(data)] = request
            self._open_soon(flow, destination)

    def send_many(self, messages: Sequence[bytes], destinations: Sequence[Address]) -> None:
        """``send`` each."""
        for data, destination in zip(messages, destinations, strict=True):
            self.send(data, destination)

    def _refuse(self, destination: Address, request: Request, words: str) -> None:
        obstacle = Obstacle(FailureKind.UNREACHABLE, words)
        self._loop.call_soon(self._fail, destination, [request], obstacle)

    def withdraw(self, data: bytes, destination: Address) -> Obstacle | None:
        """Nobody waits for an answer to ``data`` any more; what stood in its way, if anything."""
        flow = self._flows.get(destination)
        if flow is None:
            return None
        branch = branch_of(data)
        if flow.waiting.pop(branch, None) is not None:
            obstacle = flow.obstacle
            if not flow.waiting and flow.opening is not None:
                flow.opening.cancel()
                flow.opening = None
            return obstacle
        request = flow.unanswered.pop(branch, None)
        connection = flow.connection
        if request is None or connection is None or request.repeated:
            return None  # what came over from a connection before says too little of this one
        if connection.last_read < request.sent_at:
            # A dead path swallows whatever is written; the next attempt shall try another one.
            self._give_up(flow, destination, connection)
        elif connection.is_stuck(since=request.sent_at):
            # A length that was too large swallows every answer that follows.
            self._give_up(flow, destination, connection)
            return UNENDED
        return None

    def settled(self, data: bytes, destination: Address) -> None:
        """It is not asked again when the connection ends, and stands in nobody's way."""
        flow = self._flows.get(destination)
        if flow is not None:
            flow.unanswered.pop(branch_of(data), None)

    def drain(self) -> None:
        """What arrives over connections is handed over by the loop; there is nothing to hurry."""

    def dropped_datagrams(self) -> int:
        """Connections lose nothing that they do not notice."""
        return 0

    def certificate(self, destination: Address) -> Certificate | None:
        """What ``destination`` last showed, trusted or not; None without TLS or before."""
        flow = self._flows.get(destination)
        return self._resting.certificate(destination) if flow is None else flow.certificate

    def close(self) -> None:
        """End all connections; safe to repeat."""
        self._closed = True
        if self._round is not None:
            self._round.cancel()
            self._round = None
        for flow in self._flows.values():
            if flow.opening is not None:
                flow.opening.cancel()
            if flow.connection is not None:
                flow.connection.abort()
        self._flows.clear()
        self._resting.clear()

    # --- opening ---------------------------------------------------------------------------

    def _flow(self, destination: Address) -> Flow:
        now = self._clock.monotonic()
        flow = self._flows.get(destination)
        if flow is None:
            flow = self._flows[destination] = self._resting.take(destination) or Flow(now)
            if self._round is None and not self._closed:
                self._round = self._loop.call_later(ROUND_SECONDS, self._look_after)
        flow.last_used = now
        return flow

    def _open_soon(self, flow: Flow, destination: Address) -> None:
        if flow.opening is None and not self._closed:
            flow.opening = self._loop.create_task(self._open(flow, destination))

    async def _open(self, flow: Flow, destination: Address) -> None:
        if flow.connection is not None:
            # It is closing, and its end has not been told yet: what was lost with it waits as well.
            self.connection_ended(flow.connection, None)
        flow.phase = CONNECTING
        flow.refusal = None
        flow.pausing = True
        try:
            # A pause between tries, unless this is the first one.
            await asyncio.sleep(max(0.0, flow.not_before - self._clock.monotonic()))
            flow.pausing = False
            async with asyncio.timeout(CONNECT_SECONDS):
                connection = Connection(self, self._clock, expects_pongs=True)
                await self._dialler.dial(flow, destination, connection)
        except asyncio.CancelledError:
            if not flow.pausing:
                self.counts.failed += 1
                self._back_off(flow, flow.obstacle)
            raise
        except (OSError, UnicodeError, Misnamed) as problem:
            flow.opening = None
            self.counts.failed += 1
            obstacle = why_not_opened(problem, flow.phase, flow.certificate)
            self._back_off(flow, obstacle)
            waiting = list(flow.waiting.values())
            flow.waiting.clear()
            self._fail(destination, waiting, obstacle)
        else:
            flow.opening = None
            self._opened(flow, destination, connection)

    def _opened(self, flow: Flow, destination: Address, connection: Connection) -> None:
        if self._closed:
            connection.abort()
            return
        self.counts.opened += 1
        flow.connection = connection
        flow.failures = 0
        flow.last_failure = None
        self._by_connection[connection] = destination
        now = self._clock.monotonic()
        if self._plan.protocol is TransportProtocol.TLS:
            seconds = renewal_seconds(flow.certificate, self._clock.wall())
            flow.renew_at = now + seconds * self._rng.uniform(0.75, 1.0)  # not all at once
        waiting = list(flow.waiting.values())
        flow.waiting.clear()
        for request in waiting:
            request.on_fresh = True
            self._write(flow, connection, request)
            self._receiver.message_left(request.data, now)
        self._receiver.batch_finished()
        if connection.has_ended:  # before anybody knew that it is ours
            self.connection_ended(connection, connection.cause)

    def _back_off(self, flow: Flow, obstacle: Obstacle) -> None:
        pause = min(FIRST_BACKOFF_SECONDS * 2**flow.failures, LONGEST_BACKOFF_SECONDS)
        flow.failures = min(flow.failures + 1, 16)
        flow.last_failure = obstacle
        flow.not_before = self._clock.monotonic() + pause * self._rng.uniform(0.75, 1.25)

    # --- what goes and comes ---------------------------------------------------------------

    def _write(self, flow: Flow, connection: Connection, request: Request) -> None:
        request.sent_at = self._clock.monotonic()
        flow.unanswered[branch_of(request.data)] = request
        connection.write(request.data)

    def message_came(self, connection: Connection, data: bytes, now: float) -> None:
        """An answer, or a request of the far side's, which the receiver will not know."""
        destination = self._by_connection.get(connection)
        if destination is None:
            return
        flow = self._flows.get(destination)
        if flow is not None:
            flow.unanswered.pop(answered_branch(data), None)
        self._receiver.message_received(data, destination, now)

    def portion_ended(self, connection: Connection) -> None:
        """The driver may re-arm its timer."""
        self._receiver.batch_finished()

    def connection_ended(self, connection: Connection, cause: Exception | None) -> None:
        """What was asked over it is asked again, or has failed."""
        destination = self._by_connection.pop(connection, None)
        flow = None if destination is None else self._flows.get(destination)
        if destination is None or flow is None or flow.connection is not connection:
            return
        flow.connection = None
        lost = list(flow.unanswered.values())
        flow.unanswered.clear()
        # What is sent once more goes over a fresh connection, so it is not sent a third time.
        again = [each for each in lost if not each.on_fresh]
        if isinstance(cause, FramingLost) or connection.message_since is not None:
            again = []
        kept = set(map(id, again))
        for request in again:
            self.counts.repeated += 1
            request.repeated = True
            flow.waiting[branch_of(request.data)] = request
        if again:
            self._open_soon(flow, destination)
        failed = [each for each in lost if id(each) not in kept]
        if failed:
            wants_certificate = self._may_want_certificate(flow, connection)
            obstacle = why_ended(cause, wants_certificate=wants_certificate)
            self._back_off(flow, obstacle)
            self._fail(destination, failed, obstacle)

    def _may_want_certificate(self, flow: Flow, connection: Connection) -> bool:
        """True if we showed none: some tell so by closing alone, after the handshake (TLS 1.3)."""
        shown = flow.certificate
        early = shown is not None and shown.protocol == "TLSv1.3"
        return early and not connection.has_spoken and not self._shows_certificate

    def _give_up(self, flow: Flow, destination: Address, connection: Connection) -> None:
        """Use this connection no more; what else was asked over it is asked over another one."""
        self._by_connection.pop(connection, None)
        flow.connection = None
        connection.abort()
        for branch, request in flow.unanswered.items():
            self.counts.repeated += 1
            request.repeated = True
            flow.waiting[branch] = request
        flow.unanswered.clear()
        if flow.waiting:
            self._open_soon(flow, destination)

    def _fail(self, destination: Address, requests: list[Request], obstacle: Obstacle) -> None:
        now = self._clock.monotonic()
        for request in requests:
            self._receiver.send_failed(
                request.data, destination, obstacle.kind, obstacle.detail, now
            )
        self._receiver.batch_finished()

    # --- between probes --------------------------------------------------------------------

    def _look_after(self) -> None:
        """Ping what is idle, give up what is dead, close what nobody uses any more."""
        self._round = None
        now = self._clock.monotonic()
        for destination, flow in list(self._flows.items()):
            if now - flow.last_used > UNUSED_SECONDS and not flow.waiting:
                self._part(flow)
                self._resting.put(destination, self._flows.pop(destination))
            elif flow.connection is not None and flow.connection.is_open:
                if flow.is_idle and now >= flow.renew_at:
                    self._part(flow)  # the next probe sees which certificate is shown by then
                else:
                    self._keep_alive(flow, destination, flow.connection, now)
        self._resting.forget(now)
        if (self._flows or self._resting) and not self._closed:
            self._round = self._loop.call_later(ROUND_SECONDS, self._look_after)

    def _part(self, flow: Flow) -> None:
        """Close the connection, over which nobody waits for anything."""
        if flow.connection is not None:
            self._by_connection.pop(flow.connection, None)
            flow.connection.abort()
            flow.connection = None
        flow.unanswered.clear()

    def _keep_alive(
        self, flow: Flow, destination: Address, connection: Connection, now: float
    ) -> None:
        pinged = connection.pinged_at
        # One that never answered a ping is only kept awake; one that says anything is alive.
        if pinged is not None and connection.pongs and connection.last_read < pinged:
            if now - pinged > PONG_WITHIN_SECONDS:
                self.counts.dead_flows += 1
                self._give_up(flow, destination, connection)
        elif now - max(connection.last_read, connection.last_write) >= PING_AFTER_SECONDS:
            self.counts.pings += 1
            connection.ping()
