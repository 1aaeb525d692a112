"""A far side in Python, for as many targets as need no more: each answers as it is told to.

All targets share one port of 127.0.0.1 and differ in the user part of their URI, which is the
target's number: ``sip:17@127.0.0.1:40001``.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Final

__all__ = ["ANSWERED", "REJECTED", "SILENT", "FarSide", "numbered_uri", "udp_socket"]

ANSWERED: Final = 200
REJECTED: Final = 503
SILENT: Final = 0
"""No answer at all."""

_FIRST_LINES = {ANSWERED: b"SIP/2.0 200 OK", REJECTED: b"SIP/2.0 503 Service Unavailable"}
_START = b"OPTIONS sip:"
_SOCKET_BUFFER_BYTES = 16 * 1024 * 1024
_SO_RCVBUFFORCE = 33
"""Linux's number for it (asm-generic/socket.h); Python has no name for it."""
_REQUESTS_PER_TURN = 256

Behaviour = Callable[[int, bytes], int]
"""From a target's number and its request: a status code of ``_FIRST_LINES``, or SILENT."""


def numbered_uri(number: int, port: int) -> str:
    """The SIP URI of the target with this number."""
    return f"sip:{number}@127.0.0.1:{port}"


def udp_socket() -> socket.socket:
    """A socket on a free port of 127.0.0.1, with room for bursts."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _SOCKET_BUFFER_BYTES)
    if sys.platform == "linux":
        with suppress(PermissionError):  # for who may administer the network, whatever rmem_max
            sock.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _SOCKET_BUFFER_BYTES)
    sock.setblocking(False)
    sock.bind(("127.0.0.1", 0))
    return sock


class FarSide:
    """Answers OPTIONS on one socket from when it is made until ``close``."""

    def __init__(self, behaviour: Behaviour) -> None:
        self._behaviour = behaviour
        self._socket = udp_socket()
        self._loop = asyncio.get_running_loop()
        self.port: int = self._socket.getsockname()[1]
        self.requests = 0
        self._loop.add_reader(self._socket.fileno(), self._drain)

    def close(self) -> None:
        """From now on requests are refused (ICMP port unreachable); safe to repeat."""
        if self._socket.fileno() >= 0:
            self._loop.remove_reader(self._socket.fileno())
            self._socket.close()

    def _drain(self) -> None:
        for _ in range(_REQUESTS_PER_TURN):
            try:
                request, source = self._socket.recvfrom(4096)
            except BlockingIOError:
                return
            except OSError:
                continue  # an earlier answer found nobody: whoever asked has gone
            self.requests += 1
            user, at, _ = request[len(_START) :].partition(b"@")
            if not at or not request.startswith(_START) or not user.isdigit():
                continue
            first_line = _FIRST_LINES.get(self._behaviour(int(user), request))
            if first_line is None:
                continue
            with suppress(OSError):  # who asked has gone, or the loopback is full: it asks again
                self._socket.sendto(first_line + request[request.index(b"\r") :], source)
