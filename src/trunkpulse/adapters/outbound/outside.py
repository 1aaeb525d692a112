"""Everything that leaves for a destination of events goes through here, whatever it speaks."""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

import httpcore2
import httpx2

from trunkpulse.adapters.network.addresses import HostAddresses
from trunkpulse.adapters.network.naming import Deadline, NameServers
from trunkpulse.adapters.outbound.errors import HostUnknown
from trunkpulse.adapters.outbound.guard import Guard, check_spelling
from trunkpulse.adapters.outbound.http import GuardedTransport
from trunkpulse.config.settings import IpNetwork
from trunkpulse.ports import Address, ResolutionFailed

__all__ = ["Outside"]

LOOK_UP_SECONDS: Final = 5.0
CONNECT_SECONDS: Final = 10.0
IDLE_SECONDS: Final = 30.0
CONNECTIONS: Final = 32


def _nowhere_else() -> Sequence[IpNetwork]:
    return ()


def _this_machines_names() -> HostAddresses:
    return HostAddresses(NameServers())


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """The way out for event streams: names are resolved and addresses are checked here.

    ``trusted`` is said of a stream that the configuration file declares. It may lead to loopback
    and private addresses; what came through the API may lead to public ones, and both to what
    ``allow`` adds.
    """

    allow: Callable[[], Sequence[IpNetwork]] = _nowhere_else
    """The networks of ``[outbound] allow``, as they are now."""
    names: HostAddresses = field(default_factory=_this_machines_names)
    network: httpcore2.AsyncNetworkBackend = field(default_factory=httpcore2.AnyIOBackend)
    """What dials the addresses that were checked."""
    tls: ssl.SSLContext | None = None
    """None: what this machine trusts."""

    async def addresses(
        self,
        host: str,
        port: int,
        *,
        trusted: bool,
        timeout_seconds: float = LOOK_UP_SECONDS,
    ) -> list[Address]:
        """Where ``host`` leads, IPv4 first, every address of it checked; never empty.

        Dial these and not the name, or the answer may be another by then. Raises Forbidden and
        HostUnknown, both of them OSError.
        """
        bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
        check_spelling(bare)
        try:
            known = await self.names.find(bare, port, Deadline.within(timeout_seconds))
        except ResolutionFailed as problem:
            raise HostUnknown(str(problem)) from problem
        self._guard().check(bare, known.addresses, trusted=trusted)
        return list(known.addresses)

    def permits(self, address: Address, *, trusted: bool) -> bool:
        """Whether this literal address may be connected to, as things are now."""
        return self._guard().permits(ipaddress.ip_address(address[0]), trusted=trusted)

    def transport(
        self,
        *,
        trusted: bool,
        connections: int = CONNECTIONS,
        idle_seconds: float = IDLE_SECONDS,
        connect_seconds: float = CONNECT_SECONDS,
    ) -> httpx2.AsyncBaseTransport:
        """A pool of HTTP connections of its own, not yet connected.

        A connection that is not permitted fails with ``httpx2.ConnectError``, whose cause is
        Forbidden; a name that leads nowhere likewise, with HostUnknown.
        """
        return GuardedTransport(
            _Way(self, trusted),
            self.network,
            self.tls or _trust_of_this_machine(),
            connections=connections,
            idle_seconds=idle_seconds,
            connect_seconds=connect_seconds,
        )

    def _guard(self) -> Guard:
        return Guard(tuple(self.allow()))


@dataclass(frozen=True, slots=True)
class _Way:
    """The door of one transport."""

    outside: Outside
    trusted: bool

    async def addresses(self, host: str, port: int) -> list[Address]:
        return await self.outside.addresses(host, port, trusted=self.trusted)

    def is_open(self, address: Address) -> bool:
        return self.outside.permits(address, trusted=self.trusted)


@lru_cache(maxsize=1)
def _trust_of_this_machine() -> ssl.SSLContext:
    """Reading all authorities takes a while and some memory: one context serves all streams."""
    return httpx2.create_ssl_context(trust_env=False)
