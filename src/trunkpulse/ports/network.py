"""How messages leave and arrive, and where names lead."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from trunkpulse.model import FailureKind, TlsSettings, TransportProtocol
from trunkpulse.sip.uri import SipUri

__all__ = [
    "Address",
    "Certificate",
    "LinkProblem",
    "LinkWatch",
    "Location",
    "MessageReceiver",
    "MessageTransport",
    "Obstacle",
    "ResolutionFailed",
    "Resolver",
    "Server",
    "TransportPlan",
]


Address = tuple[str, int] | tuple[str, int, int, int]
"""A socket address of IPv4 or IPv6 as the ``socket`` module writes it."""


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

    def send_many(self, messages: Sequence[bytes], destinations: Sequence[Address]) -> None:
        """``send`` each to its destination, in their order, as cheaply as there is a way to."""

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
