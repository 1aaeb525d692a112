"""Which of this machine's addresses a datagram would leave from."""

from __future__ import annotations

import ctypes
import socket
import weakref

from trunkpulse.ports import Address

__all__ = ["LocalAddresses"]

ANYWHERE: tuple[Address, Address] = (("192.0.2.1", 9), ("2001:db8::1", 9, 0, 0))
"""Documentation addresses (RFC 5737, RFC 3849): the route to them is the default one."""
_UNSPECIFIED = bytes(16)
"""A socket address of the family AF_UNSPEC."""
_LIBRARY = ctypes.CDLL(None)


class LocalAddresses:
    """Asks the kernel's routing table by connecting a UDP socket, which sends nothing.

    One socket per address family serves for all questions: with a million targets, opening one
    for each would be felt. A socket that was connected keeps its source address, so it is
    disconnected first, by connecting it to AF_UNSPEC (connect(2)), which Python has no call for.
    """

    def __init__(self) -> None:
        self._sockets: dict[int, socket.socket] = {}

    def route_to(self, destination: Address | None) -> str | None:
        """The local address that packets to ``destination`` leave from; None: no route.

        ``destination`` None is anywhere.
        """
        wanted = destination or ANYWHERE[0]
        try:
            probe = self._sockets.get(len(wanted)) or self._open(len(wanted))
            # Whatever it returns: some systems call it an error and disconnect all the same.
            _LIBRARY.connect(probe.fileno(), _UNSPECIFIED, len(_UNSPECIFIED))
            probe.connect(wanted)
            host: str = probe.getsockname()[0]
        except OSError:
            return None
        return host

    def towards(self, destination: Address | None) -> str:
        """The same; without a route the loopback address: something legal has to be in the Via."""
        loopback = "::1" if destination is not None and len(destination) == 4 else "127.0.0.1"
        return self.route_to(destination) or loopback

    def _open(self, length: int) -> socket.socket:
        """A socket for addresses with so many parts; it is closed when nobody asks any more."""
        family = socket.AF_INET if length == 2 else socket.AF_INET6
        probe = self._sockets[length] = socket.socket(family, socket.SOCK_DGRAM)
        weakref.finalize(self, probe.close)
        return probe
