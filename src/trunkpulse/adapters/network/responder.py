"""The far side of a keepalive: answers OPTIONS on one local address.

It speaks for this node (``[sip] listen``) and plays a carrier in tests and on a bench
(``trunkpulse respond``): slow, lossy, refusing, draining. What an answer says is decided by
``sip.server``; here is decided who gets one, and when.

A datagram passes these gates in order, each with its own count: the allow list, the rate of its
source, the loss that was asked for, the answer itself. Who is turned away hears nothing: an answer
to a stranger would let a forged source aim our traffic at somebody else.

An answer leaves through the socket that the request came in on, so its source is the address that
was asked (RFC 3581 section 4). On a wildcard address (0.0.0.0) the system picks the source by its
routes; with several addresses on a machine listen on each of them by name.
"""

from __future__ import annotations

import asyncio
import ipaddress
import random
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final, Self

from trunkpulse.adapters.network.udp import UdpTransport
from trunkpulse.config.settings import IpNetwork
from trunkpulse.model import FailureKind
from trunkpulse.ports import Address, Clock, MessageReceiver, MessageTransport
from trunkpulse.sip.server import AnswerSettings, answer_request

__all__ = ["Fate", "OptionsResponder", "ResponderCounts", "ResponderSettings"]

_REMEMBERED_SOURCES: Final = 10_000
"""The least recently heard source is forgotten beyond these, and starts afresh if it returns."""

_DELAYED_LIMIT: Final = 10_000
"""Answers that may wait for their delay at one time; more are dropped."""

_DRAINING_CODE: Final = 503


class Fate(StrEnum):
    """What became of a datagram that arrived."""

    ANSWERED = "answered"
    NOT_ALLOWED = "not allowed"
    """Its source is in no network of the allow list."""
    RATE_LIMITED = "rate limited"
    LOST = "lost on purpose"
    OVERFLOWED = "too many answers waiting"
    NOT_ANSWERABLE = "not answerable"
    """An ACK, a response, or no SIP at all (RFC 3261 section 17.2, 8.2)."""


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
    delay_seconds: float = 0.0
    loss: float = 0.0
    """Share of the requests that get no answer, 0 to 1."""
    drain_retry_after_seconds: int = 60
    """The Retry-After of the 503 that is answered while draining."""


@dataclass(slots=True)
class ResponderCounts:
    """What became of the datagrams so far."""

    fates: dict[Fate, int] = field(default_factory=lambda: dict.fromkeys(Fate, 0))
    send_failures: int = 0
    """Answers that could not be sent, or whose receiver had gone."""

    @property
    def received(self) -> int:
        """All datagrams that arrived."""
        return sum(self.fates.values())


class OptionsResponder:
    """See the module's opening; a ``ports.MessageReceiver``. Lives on the running loop."""

    def __init__(
        self,
        settings: ResponderSettings,
        *,
        open_transport: Callable[[MessageReceiver], MessageTransport],
        rng: random.Random,
        heard: Callable[[bytes, Address, Fate], None] | None = None,
    ) -> None:
        """``open_transport`` opens the socket that answers leave from; its OSError passes.

        ``heard`` is told of each datagram and its fate. ``rng`` decides what is lost.
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
        self._rates = _Rates(settings.requests_per_second, settings.burst)
        self._delayed: deque[tuple[float, bytes, Address]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False
        self.draining = False
        """While True every OPTIONS is answered 503 with Retry-After: calls shall go elsewhere."""
        self.counts = ResponderCounts()
        self._transport = open_transport(self)

    @classmethod
    def listen(
        cls,
        local: tuple[str, int],
        settings: ResponderSettings,
        *,
        clock: Clock,
        rng: random.Random,
        heard: Callable[[bytes, Address, Fate], None] | None = None,
    ) -> Self:
        """Answer on UDP ``local`` (port 0: the system chooses); raises OSError with a sentence."""
        return cls(
            settings,
            open_transport=lambda receiver: UdpTransport.open(local, receiver, clock),
            rng=rng,
            heard=heard,
        )

    @property
    def local_address(self) -> Address:
        """Where it listens and what its answers come from."""
        return self._transport.local_address

    def close(self) -> None:
        """Answer nothing more, delayed answers included; safe to repeat."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._delayed.clear()
        self._transport.close()

    # --- the network speaks (MessageReceiver) ---------------------------------------------

    def message_received(self, data: bytes, source: Address, now: float) -> None:
        """Answer ``data`` or not; never raises for what it says."""
        if not self._closed:
            fate = self._decide(data, source, now)
            self.counts.fates[fate] += 1
            if self._heard is not None:
                self._heard(data, source, fate)

    def send_failed(
        self, data: bytes, destination: Address, kind: FailureKind, detail: str, now: float
    ) -> None:
        """An answer did not get through; whoever asked will ask again."""
        del data, destination, kind, detail, now
        self.counts.send_failures += 1

    def batch_finished(self) -> None:
        """Nothing is put off until here: each datagram was dealt with as it came."""

    def _decide(self, data: bytes, source: Address, now: float) -> Fate:
        settings = self._settings
        host, port = source[:2]
        if settings.allow is not None and not _allowed(host, settings.allow):
            return Fate.NOT_ALLOWED
        if not self._rates.admit(host, now):
            return Fate.RATE_LIMITED
        if settings.loss and self._rng.random() < settings.loss:
            return Fate.LOST
        answer = answer_request(
            data, host, port, settings=self._draining_answer if self.draining else settings.answer
        )
        if answer is None:
            return Fate.NOT_ANSWERABLE
        destination: Address = (answer.host, answer.port)
        if len(source) == 4:
            destination = (answer.host, answer.port, source[2], source[3])  # keep the IPv6 scope
        if not settings.delay_seconds:
            self._transport.send(answer.data, destination)
        elif len(self._delayed) >= _DELAYED_LIMIT:
            return Fate.OVERFLOWED
        else:
            moment = asyncio.get_running_loop().time() + settings.delay_seconds
            self._delayed.append((moment, answer.data, destination))
            self._rearm()
        return Fate.ANSWERED

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
            self._transport.send(data, destination)
        self._rearm()


class _Rates:
    """A token bucket for each source address, for a bounded number of them."""

    def __init__(self, per_second: float | None, burst: int) -> None:
        self._per_second = per_second
        self._burst = float(max(1, burst))
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        """Host -> (tokens, moment they were counted), the least recently heard first."""

    def admit(self, host: str, now: float) -> bool:
        """Take a token of ``host``'s; False if it has none left."""
        if self._per_second is None:
            return True
        tokens, counted = self._buckets.pop(host, (self._burst, now))
        tokens = min(self._burst, tokens + (now - counted) * self._per_second)
        admitted = tokens >= 1.0
        self._buckets[host] = (tokens - 1.0 if admitted else tokens, now)
        if len(self._buckets) > _REMEMBERED_SOURCES:
            self._buckets.popitem(last=False)
        return admitted


def _allowed(host: str, networks: tuple[IpNetwork, ...]) -> bool:
    address = ipaddress.ip_address(host.partition("%")[0])
    return any(address in network for network in networks)
