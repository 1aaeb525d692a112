"""Which of this machine's addresses a datagram would leave from."""

from __future__ import annotations

import socket

from trunkpulse.ports import Address

__all__ = ["LocalAddresses"]

ANYWHERE: tuple[Address, Address] = (("192.0.2.1", 9), ("2001:db8::1", 9, 0, 0))
"""Documentation addresses (RFC 5737, RFC 3849): the route to them is the default one."""


class LocalAddresses:
    """Asks the kernel's routing table by connecting a UDP socket, which sends nothing."""

    def towards(self, destination: Address | None) -> str:
        """The local address that datagrams to ``destination`` leave from; None: to anywhere.

        Without a route it is the loopback address: something legal has to stand in the Via.
        """
        wanted = destination or ANYWHERE[0]
        family = socket.AF_INET if len(wanted) == 2 else socket.AF_INET6
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            try:
                probe.connect(wanted)
            except OSError:
                return "127.0.0.1" if len(wanted) == 2 else "::1"
            host: str = probe.getsockname()[0]
            return host
