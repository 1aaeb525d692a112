"""Host names to socket addresses, by the hosts file and the name servers of this machine.

``getaddrinfo`` is not asked. It works in a thread that nothing can interrupt: a name server that
is silent would hold threads that others need, and the end of the process with them. dnspython
asks on the event loop instead, so a deadline is a deadline and a cancelled look-up is gone.

What counts, in this order: a literal address is itself; ``localhost`` is the loopback interface
(RFC 6761 6.3); the hosts file; the name servers, search list and ``ndots`` of resolv.conf. A and
AAAA are asked for at the same time. Nothing is remembered here: whoever asks says how often.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
import socket
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, cast

import dns.asyncbackend
import dns.asyncresolver
import dns.exception
import dns.name
import dns.rdatatype
import dns.resolver

from trunkpulse.adapters.network.machine import HOSTS, RESOLV_CONF, Hosts, Watched, name_servers
from trunkpulse.ports import Address, ResolutionFailed

__all__ = ["SystemResolver"]

_HOST_NAME: Final = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*\.?")
_NO_ADDRESS: Final = "the name has no address"


@dataclass(frozen=True, slots=True)
class _Found:
    """What the name servers said about one kind of address."""

    addresses: tuple[str, ...] = ()
    failure: str = _NO_ADDRESS
    """Why there are none, for a person."""
    cause: Exception | None = None


class SystemResolver:
    """``ports.Resolver`` as this machine is set up: IPv4 first, then IPv6."""

    def __init__(
        self,
        *,
        hosts: Path = HOSTS,
        resolv_conf: Path = RESOLV_CONF,
        port: int = 53,
        deadline_seconds: float = 5.0,
    ) -> None:
        """``port`` is where the name servers listen; ``deadline_seconds`` is for one look-up."""
        self._hosts = Hosts(hosts)
        self._resolv_conf = resolv_conf
        self._servers = Watched(resolv_conf, partial(name_servers, port=port))
        self._deadline_seconds = deadline_seconds
        self._backend = _ConnectedSockets()

    async def resolve(self, host: str, port: int) -> Sequence[Address]:
        """The addresses of ``host``, IPv4 first, never empty; raises ResolutionFailed.

        ``host`` is a name or a literal, an IPv6 literal with or without its URI brackets. If
        only one of A and AAAA is answered within the deadline, that has to do.
        """
        if literal := _literal(host, port):
            return (literal,)
        if not _HOST_NAME.fullmatch(host):
            raise ResolutionFailed(f"{host}: not a host name")
        name = host.lower().removesuffix(".")
        if name == "localhost" or name.endswith(".localhost"):
            return _addresses(("127.0.0.1", "::1"), port)
        return _addresses(self._hosts.addresses(name), port) or await self._ask(host, port)

    async def _ask(self, host: str, port: int) -> Sequence[Address]:
        servers = self._name_servers(host)
        try:
            name = dns.name.from_text(host, None)
        except dns.exception.DNSException as error:
            raise ResolutionFailed(f"{host}: not a host name") from error
        async with asyncio.TaskGroup() as group:
            a, aaaa = (
                group.create_task(self._ask_for(kind, servers, name))
                for kind in (dns.rdatatype.A, dns.rdatatype.AAAA)
            )
        ipv4, ipv6 = a.result(), aaaa.result()
        addresses = _addresses((*ipv4.addresses, *ipv6.addresses), port)
        if not addresses:
            # That one kind of address does not exist says less than why the other is unknown.
            worst = ipv6 if ipv4.failure == _NO_ADDRESS else ipv4
            raise ResolutionFailed(f"{host}: {worst.failure}") from worst.cause
        return addresses

    def _name_servers(self, host: str) -> dns.asyncresolver.Resolver:
        try:
            return self._servers.read()
        except OSError as error:
            raise ResolutionFailed(
                f"{host}: {self._resolv_conf} cannot be read ({error.strerror}), so there is no"
                " name server to ask"
            ) from error
        except dns.exception.DNSException as error:
            raise ResolutionFailed(
                f"{host}: {self._resolv_conf} names no name server that can be asked"
            ) from error

    async def _ask_for(
        self,
        kind: dns.rdatatype.RdataType,
        servers: dns.asyncresolver.Resolver,
        name: dns.name.Name,
    ) -> _Found:
        seconds = self._deadline_seconds
        try:
            # dnspython counts its lifetime by the wall clock, which may be set; this one may not.
            async with asyncio.timeout(seconds):
                answer = await servers.resolve(
                    name,
                    kind,
                    raise_on_no_answer=False,
                    lifetime=seconds,
                    search=True,
                    backend=self._backend,
                )
        except dns.resolver.NXDOMAIN as error:
            return _Found(failure="no such host name", cause=error)
        except (TimeoutError, dns.exception.Timeout) as error:
            said = f"no answer from the name server within {seconds:g} seconds"
            return _Found(failure=said, cause=error)
        except dns.resolver.NoNameservers as error:
            return _Found(failure=_why(error), cause=error)
        except dns.exception.DNSException as error:
            return _Found(failure=f"it cannot be looked up ({error})", cause=error)
        except OSError as error:
            said = f"the name server cannot be reached ({error.strerror or error})"
            return _Found(failure=said, cause=error)
        return _Found(tuple(record.to_text() for record in answer))


class _ConnectedSockets:
    """dnspython's sockets for asyncio (its ``asyncbackend``), connected to the name server.

    Only so does one hear at once that nobody listens there (ICMP), and strangers not at all.
    """

    def __init__(self) -> None:
        self._asyncio: Any = dns.asyncbackend.get_backend("asyncio")

    def datagram_connection_required(self) -> bool:
        return True

    async def make_socket(self, *given: Any, **named: Any) -> Any:
        return await self._asyncio.make_socket(*given, **named)

    async def sleep(self, interval: float) -> None:
        await asyncio.sleep(interval)


def _why(error: dns.resolver.NoNameservers) -> str:
    """What the last name server that was asked did, in words."""
    _, _, _, failure, _ = error.kwargs["errors"][-1]
    match failure:
        case str() as code:
            return f"the name server answered {code}"
        case OSError():
            return f"the name server cannot be reached ({failure.strerror or failure})"
        case _:
            return "the name server answered something that is no answer"


def _addresses(literals: Iterable[str], port: int) -> tuple[Address, ...]:
    """Socket addresses, IPv4 first, without repeats; what is no address is left out."""
    found: dict[Address, None] = {}
    for literal in literals:
        try:
            address = _literal(literal, port)
        except ResolutionFailed:
            continue
        if address is not None:
            found[address] = None
    return tuple(sorted(found, key=len))


def _literal(host: str, port: int) -> Address | None:
    """``host`` as a socket address if it is written as an address, None if it is a name."""
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    try:
        ipaddress.ip_address(bare)
        # Nothing is looked up for digits; it only finds the number of an IPv6 zone.
        answers = socket.getaddrinfo(
            bare, port, type=socket.SOCK_DGRAM, flags=socket.AI_NUMERICHOST
        )
    except ValueError:
        return None
    except OSError as error:
        # An IPv6 zone (fe80::1%eth9) that this machine does not have.
        raise ResolutionFailed(f"{host}: {error.strerror}") from error
    return cast("Address", answers[0][4])
