"""Host names to addresses, by the hosts file and the name servers of this machine.

What counts, in this order: a literal address is itself; ``localhost`` is the loopback interface
(RFC 6761 6.3); the hosts file; the name servers, search list and ``ndots`` of resolv.conf. A and
AAAA are asked for at the same time, each time: whoever asks says how often.

An address is not gone because a name server was silent about it once. So what each host's records
last were is remembered, and stands in for a part of an answer that nobody could give: for AAAA
where A was answered, and for one server of several. It never stands in for all of an answer.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
import socket
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Final, cast

import dns.rdatatype

from trunkpulse.adapters.network.machine import HOSTS, Hosts
from trunkpulse.adapters.network.naming import NO_HOST_NAME, NO_RECORDS, Deadline, NameServers, Said
from trunkpulse.ports import Address, ResolutionFailed

__all__ = ["FILE_TTL_SECONDS", "INCOMPLETE_TTL_SECONDS", "HostAddresses", "Known", "with_port"]

FILE_TTL_SECONDS: Final = 60.0
"""For how long a file of this machine is believed: it carries no TTL and may be edited."""
INCOMPLETE_TTL_SECONDS: Final = 60.0
"""The longest that an answer is believed of which a part could not be had."""

_MOST_REMEMBERED: Final = 20_000
"""Hosts; of more, those that were looked up longest ago are forgotten."""

_HOST_NAME: Final = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*\.?")
_LOOPBACK: Final = "127.0.0.1"
_ADDRESSES: Final = (dns.rdatatype.A, dns.rdatatype.AAAA)


@dataclass(frozen=True, slots=True)
class Known:
    """The addresses of a host, and for how long."""

    addresses: tuple[Address, ...]
    """IPv4 first, without repeats, never empty."""
    ttl_seconds: float | None
    """None: for ever."""


class HostAddresses:
    """The addresses that host names have on this machine."""

    def __init__(self, name_servers: NameServers, hosts: Path = HOSTS) -> None:
        self._name_servers = name_servers
        self._hosts = Hosts(hosts)
        self._last: OrderedDict[str, tuple[tuple[str, ...], ...]] = OrderedDict()
        """Host -> what A and what AAAA last said, on a name server's word."""

    def at_hand(self, host: str, port: int) -> Known | None:
        """What is known without a question; None for a name that only name servers know.

        ``host`` is a name or a literal, an IPv6 literal with or without its URI brackets.
        ``localhost`` and all below it are 127.0.0.1 and no more, whatever the hosts file says:
        ::1 is another place, where mostly nobody listens; who means it writes ``[::1]``.
        Raises ResolutionFailed for what is no host at all.
        """
        if literal := _literal(host, port):
            return Known((literal,), None)
        if not _HOST_NAME.fullmatch(host):
            raise ResolutionFailed(f"{host}: {NO_HOST_NAME}")
        name = host.lower().removesuffix(".")
        if name == "localhost" or name.endswith(".localhost"):
            return Known(((_LOOPBACK, port),), None)
        if listed := _addresses(filter(_is_place, self._hosts.addresses(name)), port):
            return Known(listed, FILE_TTL_SECONDS)
        return None

    async def find(self, host: str, port: int, deadline: Deadline) -> Known:
        """The addresses of ``host``; raises ResolutionFailed.

        If only one of A and AAAA is answered by the deadline, that has to do for a while, with
        what the other one last said.
        """
        if known := self.at_hand(host, port):
            return known
        async with asyncio.TaskGroup() as group:
            asking = [
                group.create_task(self._name_servers.ask(host, kind, deadline))
                for kind in _ADDRESSES
            ]
        ipv4, ipv6 = (task.result() for task in asking)
        last = self._remember(host, (ipv4, ipv6))
        if not _addresses([*_literals(ipv4), *_literals(ipv6)], port):
            # That one kind of address does not exist says less than why the other is unknown.
            worst = ipv6 if ipv4.failure == NO_RECORDS else ipv4
            why = "the name has no address" if worst.failure == NO_RECORDS else worst.failure
            raise ResolutionFailed(f"{host.removesuffix('.') or host}: {why}") from worst.cause
        return Known(_addresses(chain(*last), port), _shorter(ipv4, ipv6))

    def remembered(self, host: str) -> Known | None:
        """Where ``host``, which was not found just now, last was; None if it is said to be gone."""
        addresses = _addresses(chain(*self._last.get(host.lower(), ())), 0)
        return Known(addresses, INCOMPLETE_TTL_SECONDS) if addresses else None

    def _remember(self, host: str, said: Sequence[Said]) -> Sequence[Sequence[str]]:
        """What ``said``, or else the last answer before it, says of A and of AAAA."""
        host = host.lower()
        before = self._last.pop(host, ((),) * len(said))
        now = tuple(
            _literals(each) if each.certain else last
            for each, last in zip(said, before, strict=True)
        )
        if any(now):
            self._last[host] = now
            if len(self._last) > _MOST_REMEMBERED:
                self._last.popitem(last=False)
        return now


def _literals(said: Said) -> tuple[str, ...]:
    return tuple(filter(_is_place, [record.to_text() for record in said.records]))


def with_port(address: Address, port: int) -> Address:
    """The same host at another port."""
    if len(address) == 2:
        return (address[0], port)
    return (address[0], port, *address[2:])


def _shorter(*said: Said) -> float:
    """For how long answers may be believed together, of which one at least has records."""
    seconds = min(answer.ttl_seconds for answer in said if answer.records)
    if all(answer.certain for answer in said):
        return seconds
    return min(seconds, INCOMPLETE_TTL_SECONDS)


def _is_place(literal: str) -> bool:
    """False for what is said to mean nowhere (0.0.0.0 would reach ourselves), or means nothing."""
    try:
        address = ipaddress.ip_address(literal)
    except ValueError:
        return False
    return not (address.is_unspecified or address.is_multicast)


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
