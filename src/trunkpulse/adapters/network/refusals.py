"""What a UDP socket hears of ICMP: Linux's error queue (``IP_RECVERR``, ip(7), ipv6(7)).

Each error names who sent it. "Port unreachable" from the far side itself means that it is there and
nobody listens: *refused*. From anybody else, such as a firewall on the way that rejects what we
send, it says nothing of the far side, and is no sign of life: *unreachable*.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
import sys
from collections.abc import Iterator
from typing import Final, NamedTuple

from trunkpulse.model import FailureKind
from trunkpulse.ports import Address

__all__ = ["ErrorQueue", "Refusal", "teller_of"]

_AT_ONCE: Final = 1_024
"""Errors that are read before the loop may do something else."""

# Linux, <linux/in.h>, <linux/in6.h>; the socket module lacks them.
_IP_RECVERR: Final = 11
_IPV6_RECVERR: Final = 25

_EXTENDED_ERROR: Final = struct.Struct("=IBBBxII")
"""``sock_extended_err`` of <linux/errqueue.h>: errno, origin, type, code, pad, info, data."""

_ORIGIN_ICMP: Final = 2
_ORIGIN_ICMP6: Final = 3
_ICMP_ORIGINS: Final = frozenset({_ORIGIN_ICMP, _ORIGIN_ICMP6})
_QUOTED_BYTES: Final = 2_048
"""An ICMP error quotes at most 576 (RFC 1812) or 1,280 bytes (RFC 4443) of what caused it."""
_ANCILLARY_BYTES: Final = 256

_LEAST_ADDRESS_BYTES: Final = 16
_IPV6_ADDRESS_BYTES: Final = 28
"""``struct sockaddr_in`` and ``sockaddr_in6``, which follow it."""

_ICMP_WORDS: Final = {
    (_ORIGIN_ICMP, 3, 0): "network unreachable",
    (_ORIGIN_ICMP, 3, 1): "host unreachable",
    (_ORIGIN_ICMP, 3, 2): "protocol unreachable",
    (_ORIGIN_ICMP, 3, 3): "port unreachable",
    (_ORIGIN_ICMP, 3, 9): "network prohibited",
    (_ORIGIN_ICMP, 3, 10): "host prohibited",
    (_ORIGIN_ICMP, 3, 13): "communication prohibited",
    (_ORIGIN_ICMP, 11, 0): "time to live exceeded",
    (_ORIGIN_ICMP6, 1, 0): "no route to destination",
    (_ORIGIN_ICMP6, 1, 1): "communication prohibited",
    (_ORIGIN_ICMP6, 1, 3): "address unreachable",
    (_ORIGIN_ICMP6, 1, 4): "port unreachable",
    (_ORIGIN_ICMP6, 3, 0): "hop limit exceeded",
}

_ERROR_MESSAGES: Final = frozenset(
    {(socket.IPPROTO_IP, _IP_RECVERR), (socket.IPPROTO_IPV6, _IPV6_RECVERR)}
)


class Refusal(NamedTuple):
    """A datagram that did not arrive."""

    data: bytes
    """Perhaps cut short."""
    destination: Address
    kind: FailureKind
    detail: str


class ErrorQueue:
    """The queue of one socket; empty for ever where there is none."""

    def __init__(self, sock: socket.socket) -> None:
        """Turns it on."""
        self._socket = sock
        self._there = sys.platform == "linux"
        if self._there and sock.family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, _IPV6_RECVERR, 1)
        elif self._there:
            sock.setsockopt(socket.IPPROTO_IP, _IP_RECVERR, 1)

    def read(self) -> Iterator[Refusal | None]:
        """What ICMP said, as far as it is known by now; None for what is no refusal."""
        for _ in range(_AT_ONCE if self._there else 0):
            try:
                data, ancillary, _flags, destination = self._socket.recvmsg(
                    _QUOTED_BYTES, _ANCILLARY_BYTES, socket.MSG_ERRQUEUE
                )
            except OSError:
                return  # EAGAIN: the queue is empty
            for level, message, value in ancillary:
                if (level, message) not in _ERROR_MESSAGES:
                    continue
                number, origin, icmp_type, icmp_code, _info, _data = _EXTENDED_ERROR.unpack_from(
                    value
                )
                if origin not in _ICMP_ORIGINS:
                    continue  # found on this machine: ``sendto`` has raised it as well
                if number == errno.EMSGSIZE:
                    yield None  # the path's MTU is known now: a retransmission fits through
                    continue
                words = _ICMP_WORDS.get(
                    (origin, icmp_type, icmp_code), f"type {icmp_type} code {icmp_code}"
                )
                kind = FailureKind.UNREACHABLE
                if number == errno.ECONNREFUSED:
                    teller = teller_of(value)
                    if teller is None or teller == str(destination[0]).partition("%")[0]:
                        kind = FailureKind.REFUSED
                    else:
                        words += f" from {teller}"
                yield Refusal(data, destination, kind, f"{os.strerror(number)} (ICMP {words})")


def teller_of(error: bytes) -> str | None:
    """The address of whoever sent this ICMP error (``SO_EE_OFFENDER``); None if it is not told."""
    rest = error[_EXTENDED_ERROR.size :]
    if len(rest) < _LEAST_ADDRESS_BYTES:
        return None
    family = int.from_bytes(rest[:2], sys.byteorder)
    if family == socket.AF_INET:
        return socket.inet_ntop(family, rest[4:8])
    if family == socket.AF_INET6 and len(rest) >= _IPV6_ADDRESS_BYTES:
        return socket.inet_ntop(family, rest[8:24])
    return None
