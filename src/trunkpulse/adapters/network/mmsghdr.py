"""``struct mmsghdr``, with which ``recvmmsg`` and ``sendmmsg`` of the C library are called (Linux).

Only for IPv4, and where pointers have 64 bits.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import socket
import struct
import sys
from array import array
from collections.abc import Callable, Sequence
from typing import Final

__all__ = ["HEADER", "NAME_BYTES", "PLACE_BYTES", "address_of", "c_function", "checked", "header"]

HEADER: Final = struct.Struct("=QI4xQQQQi4xI4x")
NAME_BYTES: Final = 16
"""Of a ``struct sockaddr_in``."""

PLACE_BYTES: Final = 16
"""Of a ``struct iovec``: where, and how many bytes."""


def header(name_at: int, place_at: int, control_at: int = 0, control_bytes: int = 0) -> bytes:
    """Of one datagram: where its address is, its one ``struct iovec`` and its control data."""
    return HEADER.pack(name_at, NAME_BYTES, place_at, 1, control_at, control_bytes, 0, 0)


def c_function(name: str, sock: socket.socket, more: Sequence[type]) -> Callable[..., int] | None:
    """The one of the C library, if it is of use for ``sock``.

    It takes a descriptor, the address of the first header, how many there are, and then ``more``.
    """
    fits = sys.platform == "linux" and struct.calcsize("P") == 8 and sock.family == socket.AF_INET
    library = ctypes.CDLL(None, use_errno=True)
    if not fits or not hasattr(library, name):
        return None
    function = library[name]
    function.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, *more]
    return function


def checked(count: int) -> int:
    """What such a call returned; raises the OSError that it left, if it is negative."""
    if count < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return count


def address_of(room: bytearray | mmap.mmap | array[int]) -> int:
    """Where ``room`` is in memory; it must not grow, and must be kept."""
    length = memoryview(room).nbytes
    return ctypes.addressof((ctypes.c_char * length).from_buffer(room))
