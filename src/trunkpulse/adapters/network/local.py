"""Which of this machine's addresses a datagram would leave from."""

from __future__ import annotations

import socket

from trunkpulse.ports import Address

__all__ = ["LocalAddresses"]

ANYWHERE: tuple[Address, Address] = (("192.0.2.1", 9), ("2001:db8::1", 9, 0, 0))
"""Documentation addresses (RFC 5737, RFC 3849): the route to them is the default one."""


class LocalAddresses:
    """Asks the kernel's routing table by connecting a UDP socket, which sends nothing."""

    def route_to(self, destination: Address | None) -> str | None:
        """The local address that packets to ``destination`` leave from; None: no route.

        ``destination`` None is anywhere.
        """
        wanted = destination or ANYWHERE[0]
        family = socket.AF_INET if len(wanted) == 2 else socket.AF_INET6
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as probe:
                probe.connect(wanted)
                host: str = probe.getsockname()[0]
                return host
        except OSError:
            return None

    def towards(self, destination: Address | None) -> str:
        """The same; without a route the loopback address: something legal has to be in the Via."""
        loopback = "::1" if destination is not None and len(destination) == 4 else "127.0.0.1"
        return self.route_to(destination) or loopback
