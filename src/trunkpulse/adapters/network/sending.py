"""Datagrams onto a UDP socket, many with one call.

``sendto`` takes one datagram, ``sendmmsg`` as many as there are (Linux, sendmmsg(2)). Python has no
word for the second, so it is called in the C library, for IPv4, which nearly all trunks speak. At
33,000 probes a second that saves a twentieth of all that a probe costs.
"""

from __future__ import annotations

import ctypes
import socket
import struct
import sys
from array import array
from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Final

from trunkpulse.adapters.network.mmsghdr import (
    NAME_BYTES,
    PLACE_BYTES,
    address_of,
    c_function,
    checked,
    header,
)
from trunkpulse.ports import Address

__all__ = ["DATAGRAMS_AT_ONCE", "SendMany", "sending_on"]

DATAGRAMS_AT_ONCE: Final = 64
"""That one call takes, at most."""

SendMany = Callable[[Sequence[bytes], Sequence[Address]], int]
"""Sends datagrams in their order, each to its destination; gives how many left, at least one.

Takes ``DATAGRAMS_AT_ONCE`` at most, and none whose destination is not an IPv4 address. Raises
OSError if the first did not leave, and what Python raises for a destination that is none
(OSError, TypeError, ValueError, struct.error), before any did.
"""

_NAME: Final = struct.Struct(">HH4s8x")
"""``struct sockaddr_in``, but for the order of the family's bytes."""
_FAMILY: Final = int.from_bytes(int(socket.AF_INET).to_bytes(2, sys.byteorder), "big")


def sending_on(sock: socket.socket) -> SendMany | None:
    """How ``sock`` sends many at once; None where it cannot."""
    send_many = c_function("sendmmsg", sock, [ctypes.c_int])
    return None if send_many is None else _Many(sock, send_many).send


class _Many:
    def __init__(self, sock: socket.socket, send_many: Callable[..., int]) -> None:
        self._send_many = send_many
        self._fileno = sock.fileno
        self._names = bytearray(DATAGRAMS_AT_ONCE * NAME_BYTES)
        self._places = array("Q", bytes(DATAGRAMS_AT_ONCE * PLACE_BYTES))
        names_at, places_at = address_of(self._names), address_of(self._places)
        self._headers = bytearray()
        for number in range(DATAGRAMS_AT_ONCE):
            self._headers += header(
                names_at + number * NAME_BYTES, places_at + number * PLACE_BYTES
            )
        self._headers_at = address_of(self._headers)

    def send(self, messages: Sequence[bytes], destinations: Sequence[Address]) -> int:
        """See ``SendMany``."""
        if not len(messages) == len(destinations) <= DATAGRAMS_AT_ONCE:
            raise ValueError(
                f"{len(messages)} datagrams cannot be sent at once to {len(destinations)} places;"
                f" at most {DATAGRAMS_AT_ONCE} leave together"
            )
        pack, bytes_of = _NAME.pack, socket.inet_aton
        names = b"".join([pack(_FAMILY, each[1], bytes_of(each[0])) for each in destinations])
        self._names[: len(names)] = names
        data = b"".join(messages)
        data_at = ctypes.cast(ctypes.c_char_p(data), ctypes.c_void_p).value
        lengths, last = array("Q", map(len, messages)), 2 * len(messages)
        self._places[1:last:2] = lengths
        self._places[0:last:2] = array("Q", accumulate(lengths[:-1], initial=data_at))
        fileno, flags = self._fileno(), 0
        return checked(self._send_many(fileno, self._headers_at, len(messages), flags))
