"""Whether this machine has a way out at all: interfaces, routes, name servers.

Asking the kernel sends nothing to anybody. It is done in a thread, because a machine may have
thousands of interfaces. A cable that is pulled leaves the routes where they are, so the interface
itself is looked at (IFF_RUNNING, which psutil calls ``isup``); one that is switched off takes its
routes along, so those that were in use before are remembered.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Sequence
from typing import Final

import dns.asyncquery
import dns.exception
import dns.message
import dns.rcode
import psutil

from trunkpulse.adapters.network.local import LocalAddresses
from trunkpulse.adapters.network.machine import RESOLV_CONF, Watched, name_servers
from trunkpulse.ports import Address, LinkProblem

__all__ = ["MachineLink"]

NEARLY_ALL: Final = 0.9
QUERY_SECONDS: Final = 1.0
MOST_NAME_SERVERS: Final = 3
"""As many as the C library asks (resolv.conf(5))."""


class MachineLink:
    """The ``LinkWatch`` of a real machine."""

    def __init__(self) -> None:
        self._routes = LocalAddresses()
        self._used: frozenset[str] = frozenset()
        """Interfaces that probes left by when all was well."""
        self._servers = Watched(RESOLV_CONF, lambda text: name_servers(text, 53).nameservers)

    async def problem(self, paths: Sequence[tuple[str, Address]]) -> LinkProblem | None:
        """Why nearly none of ``paths``, (local address, destination), can be used; else None."""
        if not paths:
            return None
        return await asyncio.to_thread(self._look, tuple(paths))

    async def resolver_problem(self) -> str | None:
        """Why the name servers cannot be asked: none of them knows the root of all names."""
        try:
            servers = [str(server) for server in self._servers.read()[:MOST_NAME_SERVERS]]
        except (OSError, dns.exception.DNSException):
            return "no name servers are configured"
        answers = await asyncio.gather(*map(_knows_the_root, servers))
        return None if any(answers) else "no name server answers"

    def _look(self, paths: Sequence[tuple[str, Address]]) -> LinkProblem | None:
        try:
            up = {name: stats.isup for name, stats in psutil.net_if_stats().items()}
            owners = {  # an address may have a label, "eth0:1", beside the interface's own name
                address.address.partition("%")[0]: name if name in up else name.partition(":")[0]
                for name, addresses in psutil.net_if_addrs().items()
                for address in addresses
            }
        except (OSError, psutil.Error):
            return None  # what cannot be looked at is not accused
        used: set[str] = set()
        lost = 0
        for local, destination in paths:
            host = self._leaves_from(local, destination)
            name = None if host is None else _owner(owners, host)
            if name is not None:
                used.add(name)
            if name is None or not up.get(name, False):
                lost += 1
        if lost < NEARLY_ALL * len(paths):
            self._used = frozenset(used)
            return None
        # Switched off, an interface keeps its addresses, though nothing is routed over it.
        candidates = (self._used | used) or set(owners.values())
        down = tuple(sorted(name for name in candidates if not up.get(name, False)))
        if down:
            which = "interface" if len(down) == 1 else "interfaces"
            verb = "is" if len(down) == 1 else "are"
            return LinkProblem(f"the network {which} {', '.join(down)} {verb} down", down)
        return LinkProblem(f"there is no route to {lost} of {len(paths)} far ends")

    def _leaves_from(self, local: str, destination: Address) -> str | None:
        route = self._routes.route_to(destination)
        return route if route is None or _is_wildcard(local) else local


def _is_wildcard(host: str) -> bool:
    return ipaddress.ip_address(host.partition("%")[0]).is_unspecified


def _owner(owners: dict[str, str], host: str) -> str | None:
    """The interface that has this address; all of 127.0.0.0/8 is the loopback's."""
    plain = host.partition("%")[0]
    name = owners.get(plain)
    if name is None and ipaddress.ip_address(plain).is_loopback:
        return owners.get("127.0.0.1") or owners.get("::1")
    return name


async def _knows_the_root(server: str) -> bool:
    query = dns.message.make_query(".", "SOA")
    try:
        answer = await dns.asyncquery.udp(query, server, timeout=QUERY_SECONDS)
    except (OSError, dns.exception.DNSException):
        return False
    return answer.rcode() is dns.rcode.NOERROR
