"""Locating the servers of a SIP URI (RFC 3263 4, RFC 7984), as this machine resolves names.

What the URI says is never asked for: an address, a port, a transport. The rest is looked up.

======================  ========================================================================
the URI has             looked up
======================  ========================================================================
an address              nothing
a port                  A and AAAA; UDP, or TLS for sips, unless it names its transport
a transport, no port    SRV of that transport; without one A and AAAA, the default port
neither                 NAPTR, which says the transports and their SRV records; without one SRV of
                        UDP, TCP and TLS, the first that exists; without one as above with UDP
======================  ========================================================================

sips is TLS throughout. maddr plays no part: it is for requests that somebody else is to route.

*Not there* and *nobody could say* are told apart. The first leads on to the next line of the
table; the second ends the look-up, because what comes next may be another server on another
transport, whose health says nothing about the trunk. Only NAPTR is passed over either way: many
name servers in front of carriers know nothing of it and answer with an error or not at all. If it
offered something within the last day, though, its silence is a failure like any. Where it offers
several ways, the next is taken if the best leads nowhere: the domain offers that too.

A name in the hosts file, and ``localhost``, is an address on this machine's word: no NAPTR or SRV
is asked for. Nor is it for a name without a dot, which the search list has yet to complete.

Records of one priority are ordered by weight, so that the same answer gives the same list: the
choice by weight is made per call, by routing, and not per look-up (RFC 2782).
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Final

import dns.rdatatype
import structlog
from dns.rdtypes.IN.SRV import SRV

from trunkpulse.adapters.network.addresses import (
    INCOMPLETE_TTL_SECONDS,
    HostAddresses,
    Known,
    with_port,
)
from trunkpulse.adapters.network.machine import HOSTS, RESOLV_CONF
from trunkpulse.adapters.network.naming import Deadline, NameServers, Said
from trunkpulse.adapters.network.services import Service, offered, servers_named, service
from trunkpulse.model import TransportProtocol
from trunkpulse.ports import Address, Location, ResolutionFailed, Server
from trunkpulse.sip.grammar import find_parameter
from trunkpulse.sip.uri import SipUri

__all__ = ["SystemResolver"]

log = structlog.get_logger(__name__)

_MOST_SERVERS: Final = 64
_MOST_OFFERED: Final = 20_000
_NAPTR_BELIEVED_SECONDS: Final = 24 * 3600.0
_MOST_WANTED: Final = (TransportProtocol.UDP, TransportProtocol.TCP, TransportProtocol.TLS)

_Asked = tuple[str, tuple[TransportProtocol, ...]]
"""A domain, and what was wanted of it, best first."""


class SystemResolver:
    """``ports.Resolver`` as this machine is set up: of one host, IPv4 comes first."""

    def __init__(
        self,
        *,
        hosts: Path = HOSTS,
        resolv_conf: Path = RESOLV_CONF,
        port: int = 53,
        deadline_seconds: float = 5.0,
    ) -> None:
        """``port`` is where the name servers listen; ``deadline_seconds`` is for one look-up."""
        self._name_servers = NameServers(resolv_conf, port)
        self._addresses = HostAddresses(self._name_servers, hosts)
        self._deadline_seconds = deadline_seconds
        self._offered: OrderedDict[_Asked, float] = OrderedDict()
        """When the domain's NAPTR records last offered something of what was wanted."""

    async def locate(self, uri: SipUri) -> Location:
        """All servers of ``uri``, best first, at most 64; raises ResolutionFailed.

        A server of an SRV record that cannot be found is left out as long as another is, unless
        nobody could say where it is: then it is where it last was. The TTL is the least of all
        answers that were used; 60 seconds for what files say, and at most that if a part could not
        be had.
        """
        deadline = Deadline.within(self._deadline_seconds)
        named = _named_protocol(uri)
        host = uri.host
        if uri.port is None and self._addresses.at_hand(host, 0) is None:
            domain = host.removesuffix(".")
            if "." in domain and (found := await self._by_services(uri, named, domain, deadline)):
                return found
        protocol = named or TransportProtocol.UDP
        port = protocol.default_port if uri.port is None else uri.port
        known = await self._addresses.find(host, port, deadline)
        servers = tuple(Server(protocol, address) for address in known.addresses)
        return Location(servers[:_MOST_SERVERS], known.ttl_seconds)

    async def _by_services(
        self, uri: SipUri, named: TransportProtocol | None, domain: str, deadline: Deadline
    ) -> Location | None:
        """What NAPTR and SRV lead to; None if the domain has none of them."""
        wanted = (named,) if named else _MOST_WANTED
        if find_parameter(uri.parameters, "transport") in {None, ""}:
            found = await self._by_naptr(domain, wanted, deadline)
            if found is not None:
                return found
        services = [service(protocol, domain) for protocol in wanted]
        return await self._by_srv(domain, services, deadline)

    async def _by_naptr(
        self, domain: str, wanted: tuple[TransportProtocol, ...], deadline: Deadline
    ) -> Location | None:
        """The first service that NAPTR offers and that leads anywhere (RFC 3263 4.1)."""
        # A name server that is silent about NAPTR has to leave time to ask for SRV.
        said = await self._name_servers.ask(f"{domain}.", dns.rdatatype.NAPTR, deadline.halved())
        candidates = offered(said, wanted)
        self._believe((domain, wanted), said, offers=bool(candidates))
        failure: ResolutionFailed | None = None
        for candidate in candidates:
            try:
                if found := await self._by_srv(domain, [candidate], deadline):
                    return found
            except ResolutionFailed as problem:
                failure = failure or problem
        if failure is not None:
            raise failure
        return None

    def _believe(self, asked: _Asked, said: Said, *, offers: bool) -> None:
        """Note whether NAPTR ``offers`` anything; raises ResolutionFailed if it did and is mute."""
        now = asyncio.get_running_loop().time()
        since = self._offered.pop(asked, None)
        if offers:
            since = now
        elif said.certain or since is None or now - since >= _NAPTR_BELIEVED_SECONDS:
            return
        self._offered[asked] = since
        if len(self._offered) > _MOST_OFFERED:
            self._offered.popitem(last=False)
        if not offers:
            raise ResolutionFailed(
                f"{asked[0]}: its NAPTR records cannot be had, {said.failure}"
                " (a URI with a port does without them)"
            ) from said.cause

    async def _by_srv(
        self, domain: str, services: Sequence[Service], deadline: Deadline
    ) -> Location | None:
        """The servers of the first of ``services`` that has SRV records (RFC 3263 4.2)."""
        refused = False
        for asked, said in await self._ask_for_srv(services, deadline):
            if not said.certain:
                raise ResolutionFailed(
                    f"{domain}: its SRV records {asked.owner[:-1]} cannot be had, {said.failure}"
                    " (a URI with a port does without them)"
                ) from said.cause
            if records := servers_named(said):
                ttl_seconds = min(asked.ttl_seconds, said.ttl_seconds)
                return await self._servers(domain, asked, records, ttl_seconds, deadline)
            # Without SRV it would be the first of them that the domain itself is asked for.
            refused = refused or (asked is services[0] and bool(said.records))
        if refused:
            raise ResolutionFailed(
                f"{domain}: the domain says that it offers no such service"
                f" ({services[0].owner[:-1]} leads to a dot)"
            )
        return None

    async def _ask_for_srv(
        self, services: Sequence[Service], deadline: Deadline
    ) -> list[tuple[Service, Said]]:
        """What is said of each, asked at the same time, up to the first that decides."""
        heard: list[tuple[Service, Said]] = []
        async with asyncio.TaskGroup() as group:
            asking = [
                group.create_task(self._name_servers.ask(asked.owner, dns.rdatatype.SRV, deadline))
                for asked in services
            ]
            for asked, task in zip(services, asking, strict=True):
                said = await task
                heard.append((asked, said))
                if servers_named(said) or not said.certain:
                    break
            for task in asking:
                task.cancel()
        return heard

    async def _servers(
        self,
        domain: str,
        asked: Service,
        records: Sequence[SRV],
        ttl_seconds: float,
        deadline: Deadline,
    ) -> Location:
        """Every address of every target, resolved at the same time."""
        async with asyncio.TaskGroup() as group:
            asking = {
                host: group.create_task(self._find(host, deadline))
                for host in dict.fromkeys(record.target.to_text() for record in records)
            }
        known: dict[str, Known] = {}
        problems: list[ResolutionFailed] = []
        for host, task in asking.items():
            match task.result():
                case ResolutionFailed() as problem:
                    problems.append(problem)
                case Known() as found:
                    known[host] = found
        if not known:
            raise ResolutionFailed(
                f"{domain}: none of the servers that {asked.owner[:-1]} names can be found"
                f" ({problems[0]})"
            ) from problems[0]
        for host in asking.keys() - known.keys():
            if (last := self._addresses.remembered(host)) is not None:
                known[host] = last
        for problem in problems:
            log.warning("dns.server_not_found", domain=domain, problem=str(problem))
        believed = [ttl_seconds, *(found.ttl_seconds for found in known.values())]
        if problems:
            believed.append(INCOMPLETE_TTL_SECONDS)
        return Location(
            _places(asked.protocol, records, known),
            min(seconds for seconds in believed if seconds is not None),
        )

    async def _find(self, host: str, deadline: Deadline) -> Known | ResolutionFailed:
        try:
            return await self._addresses.find(host, 0, deadline)
        except ResolutionFailed as problem:
            return problem


def _named_protocol(uri: SipUri) -> TransportProtocol | None:
    """The transport that the URI itself settles; None leaves it to the domain."""
    written = (find_parameter(uri.parameters, "transport") or "").lower()
    if uri.scheme == "sips":
        # sips with transport=tcp is TLS over TCP (RFC 3261 26.2.2).
        if written not in {"", "tcp", "tls"}:
            raise ResolutionFailed(
                f"{uri.host}: sips is TLS over TCP, which transport={written} contradicts"
            )
        return TransportProtocol.TLS
    if not written:
        return None
    try:
        return TransportProtocol(written)
    except ValueError:
        raise ResolutionFailed(
            f"{uri.host}: transport={written} is not spoken here, only udp, tcp and tls"
        ) from None


def _places(
    protocol: TransportProtocol, records: Sequence[SRV], known: dict[str, Known]
) -> tuple[Server, ...]:
    """What ``records`` come to, in their order, each place once."""
    servers: dict[Address, Server] = {}
    for record in records:
        found = known.get(record.target.to_text())
        for host in found.addresses if found else ():
            address = with_port(host, record.port)
            server = Server(protocol, address, record.priority, record.weight)
            servers.setdefault(address, server)
    return tuple(islice(servers.values(), _MOST_SERVERS))
