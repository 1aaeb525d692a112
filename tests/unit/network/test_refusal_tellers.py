"""Who refused a datagram: the far side itself, or somebody on the way."""

from __future__ import annotations

import errno
import socket
import struct
import sys
from collections.abc import Iterator

from trunkpulse.adapters.network.refusals import ErrorQueue, teller_of
from trunkpulse.model import FailureKind

HAS_ERROR_QUEUE = sys.platform == "linux"
FAR = ("192.0.2.7", 5060)


def port_unreachable(sender: str) -> bytes:
    """The kernel's ``sock_extended_err`` for an ICMP error that ``sender`` sent."""
    head = struct.pack("=IBBBxII", errno.ECONNREFUSED, 2, 3, 3, 0, 0)
    return head + struct.pack("=HH4s8x", socket.AF_INET, 0, socket.inet_aton(sender))


class Socket(socket.socket):
    """A UDP socket whose error queue holds what it was given."""

    errors: Iterator[bytes] = iter(())

    def recvmsg(  # type: ignore[override]  # only what the queue is read with
        self, size: int, ancillary_size: int, flags: int
    ) -> tuple[bytes, list[tuple[int, int, bytes]], int, tuple[str, int]]:
        error = next(self.errors, None)
        if error is None:
            raise BlockingIOError
        return b"OPTIONS", [(socket.IPPROTO_IP, 11, error)], 0, FAR


def read(error: bytes) -> tuple[FailureKind, str] | None:
    """What comes of one error; None where there is no queue."""
    with Socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.errors = iter([error])
        found = list(ErrorQueue(sock).read())
    if not HAS_ERROR_QUEUE:
        assert not found
        return None
    (refusal,) = found
    assert refusal is not None
    return refusal.kind, refusal.detail


def test_port_unreachable_from_the_far_side_is_a_refusal() -> None:
    said = "Connection refused (ICMP port unreachable)"
    assert read(port_unreachable("192.0.2.7")) in {None, (FailureKind.REFUSED, said)}


def test_port_unreachable_from_somebody_on_the_way_is_no_sign_of_the_far_side() -> None:
    said = "Connection refused (ICMP port unreachable from 198.51.100.1)"
    assert read(port_unreachable("198.51.100.1")) in {None, (FailureKind.UNREACHABLE, said)}


def test_the_teller_of_an_ipv6_error_is_read_and_one_that_is_not_told_is_none() -> None:
    head = struct.pack("=IBBBxII", errno.ECONNREFUSED, 3, 1, 4, 0, 0)
    address = socket.inet_pton(socket.AF_INET6, "2001:db8::1")
    ipv6 = struct.pack("=HHI16sI", socket.AF_INET6, 0, 0, address, 0)
    assert teller_of(head + ipv6) == "2001:db8::1"
    assert teller_of(head + bytes(28)) is None
    assert teller_of(head) is None
