"""Datagrams onto a UDP socket, many with one call.

``sendto`` takes one datagram, ``sendmmsg`` as many as there are (Linux, sendmmsg(2)). Python has no
word for the second, so it is called in the C library, for IPv4, which nearly all trunks speak. At
33,000 probes a second that saves a twentieth of all that a probe costs.
"""

from __future__ import annotations

import ctypes
import os
import socket
import struct
import sys
from array import array
from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Final

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
_PLACE_BYTES: Final = 16
"""Of a ``struct iovec`` where pointers have 64 bits: where, and how many bytes."""
_HEADER: Final = struct.Struct("=QI4xQQQQi4xI4x")
"""``struct mmsghdr`` where pointers have 64 bits."""


def sending_on(sock: socket.socket) -> SendMany | None:
    """How ``sock`` sends many at once; None where it cannot."""
    fits = sys.platform == "linux" and struct.calcsize("P") == 8 and sock.family == socket.AF_INET
    library = ctypes.CDLL(None, use_errno=True)
    if not fits or not hasattr(library, "sendmmsg"):
        return None
    send_many = library.sendmmsg
    send_many.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int]
    return _Many(sock, send_many).send


class _Many:
    def __init__(self, sock: socket.socket, send_many: Callable[..., int]) -> None:
        self._send_many = send_many
        self._fileno = sock.fileno
        self._names = bytearray(DATAGRAMS_AT_ONCE * _NAME.size)
        self._places = array("Q", bytes(DATAGRAMS_AT_ONCE * _PLACE_BYTES))
        names_at = _address_of(self._names)
        places_at, _ = self._places.buffer_info()
        self._headers = bytearray()
        for number in range(DATAGRAMS_AT_ONCE):
            self._headers += _HEADER.pack(
                names_at + number * _NAME.size,
                _NAME.size,
                places_at + number * _PLACE_BYTES,
                1,
                0,
                0,
                0,
                0,
            )
        self._headers_at = _address_of(self._headers)

    def send(self, messages: Sequence[bytes], destinations: Sequence[Address]) -> int:
        """See ``SendMany``."""
        pack, bytes_of = _NAME.pack, socket.inet_aton
        names = b"".join([pack(_FAMILY, each[1], bytes_of(each[0])) for each in destinations])
        self._names[: len(names)] = names
        data = b"".join(messages)
        data_at = ctypes.cast(ctypes.c_char_p(data), ctypes.c_void_p).value
        lengths, last = array("Q", map(len, messages)), 2 * len(messages)
        self._places[1:last:2] = lengths
        self._places[0:last:2] = array("Q", accumulate(lengths[:-1], initial=data_at))
        count = self._send_many(self._fileno(), self._headers_at, len(messages), 0)
        if count < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
        return count


def _address_of(room: bytearray) -> int:
    """Where ``room`` is in memory; it must not grow, and must be kept."""
    return ctypes.addressof((ctypes.c_char * len(room)).from_buffer(room))
