"""Where a target is, how an attempt at it ended, and what was seen of it at one moment."""

from __future__ import annotations

import functools
import ipaddress
from typing import NamedTuple, Self

from trunkpulse.model import AttemptEvidence, FailureKind, TargetState, TransportProtocol
from trunkpulse.ports import Address, Server
from trunkpulse.sip.grammar import host_and_port, split_sent_by
from trunkpulse.sip.uri import SipUri

__all__ = ["Attempt", "Place", "Seen", "Written", "literal_server", "written_as"]


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


class Written(NamedTuple):
    """How a URI that is ``sip:IPV4:PORT`` or ``sip:IPV4`` is an address.

    A million targets share a few of these.
    """

    host: slice
    """Of the URI."""
    port: int


@functools.lru_cache(maxsize=1024)
def written_as(host_length: int, port: int) -> Written:
    """The one of all URIs whose host is so long and whose port this is."""
    return Written(slice(4, 4 + host_length), port)


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

    @property
    def is_plain(self) -> bool:
        """True of a success that our own probe had; a call's says so in ``detail``."""
        return self.failure is None and self.detail is None

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
    address: Address | Written | None
    """How it is written in the URI, if it is: as few bytes as can be."""
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
        success = self.last_success
        success_ms = None if success is None else int(success * 1000)
        quiet: float | None = None
        if last is None or (not self.failures and success is not None and success > last.at):
            # Plain sailing leaves nothing behind but the moment and the round trip. After a failure
            # that counts there was none, whatever a clock that was set back makes it look like.
            code, failure, detail = self.code, None, None
            rtt, at_ms = self.rtt_seconds, success_ms
        else:
            code, failure, detail, rtt = last.code, last.failure, last.detail, last.rtt_seconds
            at_ms = int(last.at * 1000)
            quiet = last.quiet_until
        address = self.address
        if isinstance(address, Written):
            address = self.uri[address.host], address.port
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
