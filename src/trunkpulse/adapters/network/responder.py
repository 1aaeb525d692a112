"""The far side of a keepalive: answers OPTIONS on one local address, over UDP, TCP or TLS.

It speaks for this node (``[sip] listen``) and plays a carrier in tests and on a bench
(``trunkpulse respond``): slow, lossy, refusing, draining. What an answer says is decided by
``sip.server``; here is decided who gets one, and when.

A request passes these gates in order, each with its own count: the allow list, the rate of its
source, the loss that was asked for, the answer itself. Who is turned away hears nothing: an answer
to a stranger would let a forged source aim our traffic at somebody else.

A datagram's answer leaves through the socket that the request came in on, so its source is the
address that was asked (RFC 3581 section 4). On a wildcard address (0.0.0.0) the system picks the
source by its routes; with several addresses on a machine listen on each of them by name. What came
on a connection is answered on that connection, whatever its Via says (RFC 3261 section 18.2.2).

A response is never answered. It may be the answer to a probe of our own, though: a far side whose
connection broke opens a new one to the port in our Via, and some send datagrams there although
they should go back to the source (RFC 3261 section 18.2.2). So responses are handed to whoever
waits for ``answers``, from any source, for only who saw our request knows its branch.

Calls (INVITE, and the ACK and CANCEL that go with it) are handed to whoever takes ``calls``, once
their source is on the allow list; they have a rate of their own. Without such a one an INVITE is
answered like any method that is not taken here.
"""

from __future__ import annotations

import asyncio
import math
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final, Protocol, Self

from trunkpulse.adapters.network.listener import StreamListener, TurnedAway
from trunkpulse.adapters.network.sources import AllowList, Rates
from trunkpulse.adapters.network.udp import UdpTransport
from trunkpulse.config.settings import IpNetwork, ServerTls, SipListen
from trunkpulse.model import FailureKind, TransportProtocol
from trunkpulse.ports import Address, Clock, MessageReceiver, MessageTransport
from trunkpulse.sip.grammar import host_and_port
from trunkpulse.sip.server import AnswerSettings, answer_request

__all__ = ["CallTaker", "Fate", "Heard", "OptionsResponder", "ResponderCounts", "ResponderSettings"]

_DELAYED_LIMIT: Final = 10_000
"""Answers that may wait for their delay at one time; more are dropped."""

_DRAINING_CODE: Final = 503

_CALLS: Final = (b"INVITE ", b"ACK ", b"CANCEL ")
"""How a request begins that belongs to a call."""

_DATAGRAMS_PER_TURN: Final = 64
"""That are read before the loop may do something else: a millisecond or two of work."""


class Fate(StrEnum):
    """What became of a message that arrived."""

    ANSWERED = "answered"
    NOT_ALLOWED = "not allowed"
    """Its source is in no network of the allow list."""
    RATE_LIMITED = "rate limited"
    LOST = "lost on purpose"
    OVERFLOWED = "too many answers waiting"
    NOT_ANSWERABLE = "not answerable"
    """An ACK, a response that nobody waits for, or no SIP at all (RFC 3261 section 17.2, 8.2)."""
    FOR_PROBER = "handed to the prober"
    """A response, to a probe of ours perhaps."""


Heard = Callable[[bytes, Address, Fate], None]
"""Is told of each message, where it came from and what became of it."""


class CallTaker(Protocol):
    """Who answers INVITEs, for one address."""

    def serve(self, transport: MessageTransport) -> None:
        """From now on answers leave through ``transport``."""

    def request_received(
        self, data: bytes, source: Address, now: float, *, draining: bool
    ) -> Fate | None:
        """What became of an INVITE, ACK or CANCEL; None: answer it like any other request.

        ``draining``: whoever calls shall go elsewhere.
        """

    def close(self) -> None:
        """Send nothing more; safe to repeat."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponderSettings:
    """Who is answered, with what, how late and how reliably."""

    answer: AnswerSettings
    allow: tuple[IpNetwork, ...] | None = None
    """Networks that may ask; None: everybody."""
    requests_per_second: float | None = None
    """Of one source address, in the long run; None: any number."""
    burst: int = 20
    """Requests of one source address that may come at once."""
    responses_per_second: float | None = None
    """Of one source address that are handed on, and as many at once; None: any number."""
    delay_seconds: float = 0.0
    loss: float = 0.0
    """Share of the requests that get no answer, 0 to 1."""
    drain_retry_after_seconds: int = 60
    """The Retry-After of the 503 that is answered while draining."""


@dataclass(slots=True)
class ResponderCounts:
    """What became of the messages so far."""

    fates: dict[Fate, int] = field(default_factory=lambda: dict.fromkeys(Fate, 0))
    failed_handshakes: int = 0
    """Connections over TLS that never got as far as a message."""
    send_failures: int = 0
    """Answers that could not be sent, or whose receiver had gone."""

    @property
    def received(self) -> int:
        """All messages that arrived."""
        return sum(self.fates.values())


class OptionsResponder:
    """See the module's opening; a ``ports.MessageReceiver``. Lives on the running loop."""

    def __init__(
        self,
        settings: ResponderSettings,
        *,
        rng: random.Random,
        heard: Heard | None = None,
        answers: MessageReceiver | None = None,
        calls: CallTaker | None = None,
    ) -> None:
        """Answers nobody until it is given a transport to ``serve``; ``listen_on`` does both.

        ``rng`` decides what is lost. ``heard`` is told of each message and its fate, ``answers``
        of each response; ``calls`` takes INVITEs.
        """
        self._settings = settings
        self._draining_answer = replace(
            settings.answer,
            code=_DRAINING_CODE,
            reason=None,
            retry_after_seconds=settings.drain_retry_after_seconds,
        )
        self._rng = rng
        self._heard = heard
        self._answers = answers
        self._calls = calls
        self._allow = AllowList(settings.allow)
        self._answers_waiting = False
        """True if the prober was handed something in the batch that is under way."""
        self._rates = Rates(settings.requests_per_second, settings.burst)
        responses = settings.responses_per_second
        self._response_rates = Rates(responses, math.ceil(responses or 0))
        self._delayed: deque[tuple[float, bytes, Address]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._transport: MessageTransport | None = None
        self._closed = False
        self.draining = False
        """While True every OPTIONS is answered 503 with Retry-After: calls shall go elsewhere."""
        self.counts = ResponderCounts()

    @classmethod
    def listen(
        cls,
        local: tuple[str, int],
        settings: ResponderSettings,
        *,
        clock: Clock,
        rng: random.Random,
        heard: Heard | None = None,
        answers: MessageReceiver | None = None,
        calls: CallTaker | None = None,
    ) -> Self:
        """Answer on UDP ``local`` (port 0: the system chooses); raises OSError with a sentence."""
        responder = cls(settings, rng=rng, heard=heard, answers=answers, calls=calls)
        # Somebody waits for each answer: there is no rest, and no long reading either.
        responder.serve(
            UdpTransport.open(
                local,
                responder,
                clock,
                rest_seconds=0.0,
                datagrams_per_turn=_DATAGRAMS_PER_TURN,
            )
        )
        return responder

    @classmethod
    async def listen_on(
        cls,
        place: SipListen,
        settings: ResponderSettings,
        *,
        clock: Clock,
        rng: random.Random,
        tls: ServerTls | None = None,
        heard: Heard | None = None,
        turned_away: TurnedAway | None = None,
        answers: MessageReceiver | None = None,
        calls: CallTaker | None = None,
    ) -> Self:
        """As ``listen``, over the protocol of ``place``; for TLS alone ``tls`` says who we are.

        ``turned_away`` is told of each TLS handshake that fails.
        """
        local = (place.host, place.port)
        if place.protocol is TransportProtocol.UDP:
            return cls.listen(
                local, settings, clock=clock, rng=rng, heard=heard, answers=answers, calls=calls
            )
        identity = tls if place.protocol is TransportProtocol.TLS else None
        responder = cls(settings, rng=rng, heard=heard, answers=answers, calls=calls)

        def count(peer: Address, words: str) -> None:
            responder.counts.failed_handshakes += 1
            if turned_away is not None:
                turned_away(peer, words)

        responder.serve(
            await StreamListener.listen(
                place.protocol, local, responder, clock, tls=identity, turned_away=count
            )
        )
        return responder

    def serve(self, transport: MessageTransport) -> None:
        """From now on what ``transport`` receives is answered through it."""
        self._transport = transport
        if self._calls is not None:
            self._calls.serve(transport)

    @property
    def place(self) -> str:
        """Where it listens and what its answers come from: ``tcp:192.0.2.1:5060``."""
        transport = self._served()
        host, port = transport.local_address[:2]
        return f"{transport.protocol}:{host_and_port(host, port)}"

    @property
    def local_address(self) -> Address:
        """The same as a socket address."""
        return self._served().local_address

    def close(self) -> None:
        """Answer nothing more, delayed answers included; safe to repeat."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._delayed.clear()
        if self._calls is not None:
            self._calls.close()
        if self._transport is not None:
            self._transport.close()

    # --- the network speaks (MessageReceiver) ---------------------------------------------

    def message_received(self, data: bytes, source: Address, now: float) -> None:
        """Answer ``data`` or not; never raises for what it says."""
        if not self._closed:
            fate = self._decide(data, source, now)
            self.counts.fates[fate] += 1
            if self._heard is not None:
                self._heard(data, source, fate)

    def message_left(self, data: bytes, now: float) -> None:
        """Nobody waits for what comes back to an answer."""

    def send_failed(
        self, data: bytes, destination: Address, kind: FailureKind, detail: str, now: float
    ) -> None:
        """An answer did not get through; whoever asked will ask again."""
        del data, destination, kind, detail, now
        self.counts.send_failures += 1

    def batch_finished(self) -> None:
        """Each request was dealt with as it came; the prober may have put something off."""
        if self._answers is not None and self._answers_waiting:
            self._answers_waiting = False
            self._answers.batch_finished()

    def _decide(self, data: bytes, source: Address, now: float) -> Fate:
        message = data.lstrip(b"\r\n")
        if self._answers is not None and message[:4].upper() == b"SIP/":
            return self._hand_over(data, source, now, self._answers)
        host = source[0]
        if not self._allow.has(host):
            return Fate.NOT_ALLOWED
        if self._calls is not None and message.startswith(_CALLS):
            fate = self._calls.request_received(message, source, now, draining=self.draining)
            if fate is not None:
                return fate
        if not self._rates.admit(host, now):
            return Fate.RATE_LIMITED
        if self._settings.loss and self._rng.random() < self._settings.loss:
            return Fate.LOST
        return self._answer(data, source)

    def _hand_over(
        self, data: bytes, source: Address, now: float, answers: MessageReceiver
    ) -> Fate:
        if not self._response_rates.admit(source[0], now):
            return Fate.RATE_LIMITED
        self._answers_waiting = True
        answers.message_received(data, source, now)
        return Fate.FOR_PROBER

    def _answer(self, data: bytes, source: Address) -> Fate:
        settings = self._draining_answer if self.draining else self._settings.answer
        answer = answer_request(data, source[0], source[1], settings=settings)
        if answer is None:
            return Fate.NOT_ANSWERABLE
        destination = source
        if not self._served().protocol.reliable:
            # What follows host and port in an IPv6 address is its scope, and stays.
            destination = (answer.host, answer.port, *source[2:])
        if not self._settings.delay_seconds:
            self._served().send(answer.data, destination)
        elif len(self._delayed) >= _DELAYED_LIMIT:
            return Fate.OVERFLOWED
        else:
            moment = asyncio.get_running_loop().time() + self._settings.delay_seconds
            self._delayed.append((moment, answer.data, destination))
            self._rearm()
        return Fate.ANSWERED

    def _served(self) -> MessageTransport:
        assert self._transport is not None, "it serves no transport yet"
        return self._transport

    # --- answers that wait -----------------------------------------------------------------

    def _rearm(self) -> None:
        # All wait equally long, so the first in line is always the next one due.
        if self._timer is None and self._delayed:
            moment = self._delayed[0][0]
            self._timer = asyncio.get_running_loop().call_at(moment, self._send_due, moment)

    def _send_due(self, moment: float) -> None:
        self._timer = None
        while self._delayed and self._delayed[0][0] <= moment:
            _, data, destination = self._delayed.popleft()
            self._served().send(data, destination)
        self._rearm()
