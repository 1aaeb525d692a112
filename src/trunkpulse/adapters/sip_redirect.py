"""The redirect server of one local address: asks the routes, remembers each call for a while.

An INVITE is answered at once: the decision needs nothing but what is in memory, so calls go on
being directed while the database is away. What was answered is kept as a transaction
(``sip.invite``) until its ACK and a little longer, so that the same INVITE is not decided twice;
there is one timer for all of them. Their number is bounded: the oldest that has its ACK gives way.
So are the bytes of their answers; a request whose answer would be very long is refused.

Who asks for too much is refused before this machine drowns, with a 503 that costs next to nothing:
no decision, and nothing is remembered (RFC 3261 8.2.7). That is so

* for one source, beyond its rate;
* while a queue stands before us: a request that waited in the socket is no trouble by itself, for
  any hiccup leaves a heap behind that is soon gone, but one that stays for a while says that more
  comes in than can be dealt with (the idea is that of CoDel, RFC 8289); then one call in four is
  decided and the others are refused;
* for one source, when so many of its transactions wait for an ACK that others would lack room.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

import structlog

from trunkpulse.adapters.call_table import CallTable, KnownCall, StandingQueue
from trunkpulse.adapters.network.responder import Fate
from trunkpulse.adapters.network.sources import Rates
from trunkpulse.ports import Address, Clock, MessageTransport
from trunkpulse.probing.histogram import Histogram
from trunkpulse.probing.schedule import TimingWheel
from trunkpulse.sip.asked import Asked, peek_invite, peek_key, read_asked, write_answer
from trunkpulse.sip.errors import MalformedMessage
from trunkpulse.sip.invite import InviteEvent
from trunkpulse.sip.redirect import refusal, status
from trunkpulse.sip.transaction import T2_SECONDS

__all__ = ["RedirectCounts", "RedirectServer", "RedirectSettings", "Refused"]

log = structlog.get_logger(__name__)

MOST_CALLS: Final = 65_536
"""Transactions of one address that are kept; at 10,000 calls a second those of six seconds."""
ANSWER_BOUNDS_SECONDS: Final = (
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0,
)  # fmt: skip
OVERLOAD_RETRY_SECONDS: Final = 1
LONGEST_URI_BYTES: Final = 1024
"""Of a Request-URI: each of up to 16 Contacts has its user part."""
MOST_COPIED_BYTES: Final = 8192
"""Of the headers of a request that its answer copies."""
_TICK_SECONDS: Final = 0.02
_TICKS: Final = 512
_SAY_AGAIN_SECONDS: Final = 10.0
"""Between two lines of the log about the same trouble."""


class Refused(StrEnum):
    """Why an INVITE was answered 503 without a decision."""

    RATE = "rate"
    """Its source calls more often than it may."""
    QUEUE = "queue"
    """Requests wait in the socket, and have done so for a while."""
    TABLE = "table"
    """As many transactions of its source wait for an ACK as may."""
    DRAINING = "draining"
    """This instance is about to end."""


_REFUSALS: Final = {
    Refused.RATE: "You call more often than you may",
    Refused.QUEUE: "More calls come in than can be dealt with",
    Refused.TABLE: "More of your calls wait for their ACK than can be kept",
    Refused.DRAINING: "This instance is about to end",
}
_TOO_LONG: Final = refusal("The Request-URI, or what the answer copies of the request, is too long")


@dataclass(frozen=True, slots=True, kw_only=True)
class RedirectSettings:
    """How calls are answered."""

    tag_key: bytes
    """Up to 64 secret bytes that make our To tags unguessable."""
    server: str = "trunkpulse"
    calls_per_second: float = 10_000.0
    """Of one source address; as many may come at once."""
    drain_retry_after_seconds: int = 60

    def rates(self) -> Rates:
        """What tells the calls that are too many for their source."""
        return Rates(self.calls_per_second, round(self.calls_per_second))


@dataclass(slots=True)
class RedirectCounts:
    """What became of the calls so far, over all addresses."""

    answers: dict[int, int] = field(default_factory=dict)
    """By status code, without repetitions."""
    refused: dict[Refused, int] = field(default_factory=lambda: dict.fromkeys(Refused, 0))
    """Of the 503 among them: those without a decision."""
    absorbed: int = 0
    """INVITEs that came again."""
    unacknowledged: int = 0
    """Answers whose ACK never came."""
    seconds: Histogram = field(default_factory=lambda: Histogram(ANSWER_BOUNDS_SECONDS))
    """From the arrival of an INVITE to its answer."""

    def answered(self, code: int, seconds: float) -> None:
        self.answers[code] = self.answers.get(code, 0) + 1
        self.seconds.observe(seconds)


class RedirectServer:
    """See the module's opening; a ``CallTaker`` on the running loop."""

    def __init__(
        self,
        settings: RedirectSettings,
        *,
        verdict: Callable[[Asked], tuple[int, bytes]],
        counts: RedirectCounts,
        clock: Clock,
        rates: Rates | None = None,
        most_calls: int = MOST_CALLS,
    ) -> None:
        """``verdict`` gives the status code, 300 to 699, and the header lines of an answer.

        ``rates`` are those of all servers that count a source's calls together.
        """
        self._settings = settings
        self._verdict = verdict
        self._counts = counts
        self._clock = clock
        self._server = f"Server: {settings.server}\r\n".encode()
        self._rates = rates or settings.rates()
        self._calls = CallTable(most_calls)
        self._queue = StandingQueue()
        self._wheel = _new_wheel(clock.monotonic())
        self._timer: asyncio.TimerHandle | None = None
        self._transport: MessageTransport | None = None
        self._refusals: dict[Refused, bytes] = {}
        """The header lines of each kind, once it was needed."""
        self._said: dict[Refused, float] = {}
        """When the log last told of a refusal."""

    # --- CallTaker -----------------------------------------------------------------------------

    def serve(self, transport: MessageTransport) -> None:
        """From now on answers leave through ``transport``."""
        self._transport = transport
        self._reliable = transport.protocol.reliable

    def request_received(
        self, data: bytes, source: Address, now: float, *, draining: bool
    ) -> Fate | None:
        """What became of an INVITE, ACK or CANCEL; None: answer it like any other request."""
        if data.startswith(b"ACK "):
            return self._acknowledged(data, source)
        try:
            asked = peek_invite(data, source[:2]) or read_asked(data, source[:2])
        except MalformedMessage:
            return None
        if data.startswith(b"CANCEL "):
            return self._cancel(asked, source, now)
        call = self._calls.find(asked.key)
        if call is not None:
            self._counts.absorbed += 1
            if call.on_invite() is InviteEvent.RESEND:
                self._send(call.answer, call.destination)
            return Fate.ANSWERED
        if self._calls.is_confirmed(asked.key):
            self._counts.absorbed += 1
            return Fate.ANSWERED
        return self._invite(asked, source, now, draining=draining)

    def close(self) -> None:
        """Send nothing more; safe to repeat."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # --- one call ------------------------------------------------------------------------------

    def _invite(self, asked: Asked, source: Address, arrived: float, *, draining: bool) -> Fate:
        now = self._clock.monotonic()
        destination = self._destination(asked, source)
        refused = self._refused(source, arrived, now, draining=draining)
        if refused is not None:
            self._refuse(asked, destination, refused)
            self._counts.answered(503, self._clock.monotonic() - arrived)
            return Fate.RATE_LIMITED if refused is Refused.RATE else Fate.ANSWERED
        if (code := _too_long(asked)) is not None:
            # Kept, this might be 64 KB. A repetition gets the same as long as it is not.
            headers = _TOO_LONG + self._server
            answer = write_answer(asked, status(code), headers, self._settings.tag_key)
            self._send(answer, destination)
            self._counts.answered(code, self._clock.monotonic() - arrived)
            return Fate.ANSWERED
        code, headers = self._verdict(asked)
        answer = write_answer(asked, status(code), headers + self._server, self._settings.tag_key)
        call = KnownCall(asked.key, destination, now, reliable=self._reliable)
        call.on_answer(answer, now)
        self._calls.add(call)
        self._arm(call, now)
        self._send(answer, destination)
        self._counts.answered(code, self._clock.monotonic() - arrived)
        return Fate.ANSWERED

    def _refused(
        self, source: Address, arrived: float, now: float, *, draining: bool
    ) -> Refused | None:
        if draining:
            return Refused.DRAINING
        if self._queue.refuses(now - arrived, now):
            return Refused.QUEUE
        if not self._rates.admit(source[0], arrived):
            return Refused.RATE
        return None if self._calls.make_room(source[0]) else Refused.TABLE

    def _refuse(self, asked: Asked, destination: Address, why: Refused) -> None:
        draining = why is Refused.DRAINING
        seconds = self._settings.drain_retry_after_seconds if draining else OVERLOAD_RETRY_SECONDS
        headers = self._refusals.get(why)
        if headers is None:
            headers = self._refusals[why] = refusal(_REFUSALS[why], seconds) + self._server
        self._send(write_answer(asked, status(503), headers, self._settings.tag_key), destination)
        self._counts.refused[why] += 1
        now = self._clock.monotonic()
        if now - self._said.get(why, -_SAY_AGAIN_SECONDS) >= _SAY_AGAIN_SECONDS:
            self._said[why] = now
            log.warning("redirect.refusing", why=str(why), so_far=self._counts.refused[why])

    def _acknowledged(self, data: bytes, source: Address) -> Fate:
        try:
            key = peek_key(data) or read_asked(data, source[:2]).key
        except MalformedMessage:
            return Fate.NOT_ANSWERABLE
        call = self._calls.find(key)
        now = self._clock.monotonic()
        if call is not None and call.on_ack(now) is InviteEvent.CONFIRMED:
            if self._reliable:
                self._due(call, now)  # Timer I is 0
            else:
                self._calls.confirm(call)
                self._wheel.disarm(call)
        return Fate.NOT_ANSWERABLE

    def _cancel(self, asked: Asked, source: Address, now: float) -> Fate:
        """What it would cancel has its final answer already, so nothing follows (9.2)."""
        if not self._rates.admit(source[0], now):
            return Fate.RATE_LIMITED
        known = self._calls.find(asked.key) is not None or self._calls.is_confirmed(asked.key)
        code = 200 if known else 481
        answer = write_answer(asked, status(code), self._server, self._settings.tag_key)
        self._send(answer, self._destination(asked, source))
        return Fate.ANSWERED

    def _destination(self, asked: Asked, source: Address) -> Address:
        # What follows host and port in an IPv6 address is its scope, and stays.
        return source if self._reliable else (source[0], asked.port, *source[2:])

    def _send(self, data: bytes, destination: Address) -> None:
        assert self._transport is not None, "it serves no transport yet"
        self._transport.send(data, destination)

    # --- all calls -----------------------------------------------------------------------------

    def _arm(self, call: KnownCall, now: float) -> None:
        if self._timer is None:
            # Nobody has moved the wheel while no call was known, and the first one after a quiet
            # night must not wait until it has walked through all of that.
            self._wheel = _new_wheel(now)
        # What is over by then stays in the wheel until its turn, so that is never long.
        self._wheel.arm(call, min(call.deadline, now + T2_SECONDS))
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_TICK_SECONDS, self._tick)

    def _tick(self) -> None:
        self._timer = None
        now = self._clock.monotonic()
        while (due := self._wheel.take(now)) is not None:
            for call in due[1]:
                self._due(call, now)
        self._calls.expire(now)
        if len(self._calls):
            self._timer = asyncio.get_running_loop().call_later(_TICK_SECONDS, self._tick)

    def _due(self, call: KnownCall, now: float) -> None:
        event = call.on_deadline(now)
        if event in {InviteEvent.NOTHING, InviteEvent.RESEND}:
            if event is InviteEvent.RESEND:
                self._send(call.answer, call.destination)
            self._wheel.arm(call, min(call.deadline, now + T2_SECONDS))
        else:
            self._calls.forget(call)
            self._wheel.disarm(call)
            self._counts.unacknowledged += event is InviteEvent.UNACKNOWLEDGED


def _new_wheel(now: float) -> TimingWheel[KnownCall]:
    return TimingWheel(now, tick_seconds=_TICK_SECONDS, slots=_TICKS)


def _too_long(asked: Asked) -> int | None:
    """The status code of a request whose answer would be very long (RFC 3261 21.4.12, 21.5.7)."""
    if len(asked.uri) > LONGEST_URI_BYTES:
        return 414
    copied = (asked.vias, asked.sender, asked.recipient, asked.call_id, asked.cseq)
    return 513 if sum(map(len, copied)) > MOST_COPIED_BYTES else None
