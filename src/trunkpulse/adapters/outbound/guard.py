"""Which addresses events may go to.

Whoever may make an event stream chooses where this process connects to, and this process stands
where they may not: next to databases, to other tenants, to the metadata of a cloud, which hands
out credentials to anybody who asks from inside. So what counts is not the name but each address
that it leads to, at the moment of connecting.

The table below is IANA's special-purpose registries (RFC 6890), written out here because what the
standard library makes of them differs between patch levels of Python. IPv6 is the other way round
than IPv4: only 2000::/3 has ever been handed out, so everything beyond it is refused unread.

An IPv6 address may stand for an IPv4 one. One that is *mapped* (::ffff:0:0/96) is dialled as IPv4,
and one of the well-known NAT64 prefix (RFC 6052) ends there, so both are judged by it. 6to4 and
Teredo are judged by nothing: both are given up (RFC 7526), and nobody has a webhook there.

Some clouds keep metadata at addresses that look ordinary. Those are named one by one, and only a
network of that single address in the allow list opens them: who allows 100.64.0.0/10 for a VPN
has not thought of the metadata at 100.100.100.200.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from urllib.parse import urlsplit

from trunkpulse.adapters.outbound.errors import Forbidden
from trunkpulse.config.settings import IpNetwork
from trunkpulse.ports import Address

__all__ = ["AddressKind", "Guard", "IpAddress", "check_spelling", "kind_of"]

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


class AddressKind(StrEnum):
    """What an address is, as a clause of a sentence."""

    PUBLIC = "a public address"
    LOOPBACK = "a loopback address"
    PRIVATE = "a private address"
    SHARED = "an address behind a carrier's NAT"
    LINK_LOCAL = "a link-local address"
    METADATA = "an address of a cloud's metadata"
    MULTICAST = "a multicast address"
    UNSPECIFIED = "the unspecified address"
    TUNNEL = "an address within a tunnel"
    RESERVED = "a reserved address"


_TRUSTED: Final = frozenset(
    {AddressKind.PUBLIC, AddressKind.LOOPBACK, AddressKind.PRIVATE, AddressKind.SHARED}
)
"""Where the configuration file may lead without more ado: its author has this machine anyway."""

_RANGES: Final = tuple(
    (ipaddress.ip_network(network), kind)
    for network, kind in (
        # The first that fits counts.
        ("100.100.100.200/32", AddressKind.METADATA),  # Alibaba Cloud
        ("168.63.129.16/32", AddressKind.METADATA),  # Azure's wire server
        ("169.254.169.254/32", AddressKind.METADATA),  # AWS, Azure, Google and many others
        ("169.254.170.2/32", AddressKind.METADATA),  # AWS, credentials of containers
        ("192.0.0.192/32", AddressKind.METADATA),  # Oracle Cloud
        ("0.0.0.0/8", AddressKind.UNSPECIFIED),
        ("10.0.0.0/8", AddressKind.PRIVATE),
        ("100.64.0.0/10", AddressKind.SHARED),
        ("127.0.0.0/8", AddressKind.LOOPBACK),
        ("169.254.0.0/16", AddressKind.LINK_LOCAL),
        ("172.16.0.0/12", AddressKind.PRIVATE),
        ("192.0.0.0/24", AddressKind.RESERVED),  # protocols of the IETF
        ("192.0.2.0/24", AddressKind.RESERVED),  # documentation
        ("192.88.99.0/24", AddressKind.TUNNEL),  # relays of 6to4
        ("192.168.0.0/16", AddressKind.PRIVATE),
        ("198.18.0.0/15", AddressKind.RESERVED),  # measurements
        ("198.51.100.0/24", AddressKind.RESERVED),  # documentation
        ("203.0.113.0/24", AddressKind.RESERVED),  # documentation
        ("224.0.0.0/4", AddressKind.MULTICAST),
        ("240.0.0.0/4", AddressKind.RESERVED),  # with the broadcast address
        ("0.0.0.0/0", AddressKind.PUBLIC),
        ("fd00:ec2::254/128", AddressKind.METADATA),  # AWS
        ("fd20:ce::254/128", AddressKind.METADATA),  # Google
        ("::/128", AddressKind.UNSPECIFIED),
        ("::1/128", AddressKind.LOOPBACK),
        ("fc00::/7", AddressKind.PRIVATE),
        ("fec0::/10", AddressKind.PRIVATE),  # site-local, given up
        ("fe80::/10", AddressKind.LINK_LOCAL),
        ("ff00::/8", AddressKind.MULTICAST),
        ("2001::/32", AddressKind.TUNNEL),  # Teredo
        ("2001::/23", AddressKind.RESERVED),  # protocols of the IETF
        ("2001:db8::/32", AddressKind.RESERVED),  # documentation
        ("2002::/16", AddressKind.TUNNEL),  # 6to4
        ("3fff::/20", AddressKind.RESERVED),  # documentation
        ("2000::/3", AddressKind.PUBLIC),
        ("::/0", AddressKind.RESERVED),
    )
)
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")

_LOOKS_LIKE_A_NUMBER: Final = re.compile(r"(?:.*\.)?(?:[0-9]+|0[xX][0-9A-Fa-f]*)\.?")
"""What ends in a number is an IPv4 address to many programs (WHATWG URL 3.5)."""


def kind_of(address: IpAddress) -> AddressKind:
    """What ``address`` is, or what the IPv4 address is that it stands for."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.scope_id is not None:
            return AddressKind.LINK_LOCAL  # only there does a zone mean anything (RFC 4007)
        if inner := _inner(address):
            return kind_of(inner)
    return next(
        kind
        for network, kind in _RANGES
        if network.version == address.version and address in network
    )


def check_spelling(host: str) -> None:
    """Raises Forbidden for a host that some programs read as an IPv4 address and others do not.

    ``2130706433``, ``0x7f.1``, ``017700000001`` and ``127.0.0.1.`` are 127.0.0.1 to the C library.
    """
    if ":" in host or not _LOOKS_LIKE_A_NUMBER.fullmatch(host):
        return
    try:
        ipaddress.IPv4Address(host)
    except ValueError:
        raise Forbidden(
            "The host of the destination looks like an IPv4 address and is none; write four "
            "decimal numbers such as 192.0.2.1, or a name."
        ) from None


@dataclass(frozen=True, slots=True)
class Guard:
    """Decides by address alone; knows nothing of names."""

    allow: tuple[IpNetwork, ...] = ()
    """Where events may go on top of what they may anyway: ``[outbound] allow``."""

    def permits(self, address: IpAddress, *, trusted: bool) -> bool:
        """Whether events may go there; ``trusted``: the configuration file named it."""
        kind = kind_of(address)
        if kind is AddressKind.PUBLIC or (trusted and kind in _TRUSTED):
            return True
        inner = _inner(address) if isinstance(address, ipaddress.IPv6Address) else None
        meant = (address,) if inner is None else (address, inner)
        networks = (
            network
            for network in self.allow
            if kind is not AddressKind.METADATA or network.num_addresses == 1
        )
        return any(
            each.version == network.version and each in network
            for network in networks
            for each in meant
        )

    def check(self, host: str, addresses: Iterable[Address], *, trusted: bool) -> None:
        """Raises Forbidden unless each of ``addresses``, which ``host`` leads to, is permitted.

        One of them is enough to refuse all: a name that leads both outside and inside is either a
        mistake or a trick. The address is not told, because that would let whoever may make event
        streams read names that only this network knows.
        """
        for each in addresses:
            address = ipaddress.ip_address(each[0])
            if not self.permits(address, trusted=trusted):
                verb = "leads to" if _literal(host) is None else "is"
                raise Forbidden(
                    f"{_shown(host)} {verb} {kind_of(address)}, where events may not go; to "
                    "permit it, add its network to allow under [outbound] in the configuration."
                )

    def check_written(self, url: str, *, trusted: bool) -> None:
        """Raises Forbidden if a host of ``url`` is written as an address that is not permitted.

        Where a name leads is not asked: that is judged each time it is dialled.
        """
        for host in _hosts(url):
            check_spelling(host)
            if _literal(host) is not None:
                self.check(host, [(host, 0)], trusted=trusted)


def _inner(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address where packets to ``address`` end."""
    if mapped := address.ipv4_mapped:
        return mapped
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return None


def _literal(host: str) -> IpAddress | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _hosts(url: str) -> Iterator[str]:
    """Of a cluster of brokers there are several, with commas between them."""
    for place in urlsplit(url).netloc.split(","):
        yield urlsplit(f"//{place}").hostname or ""


def _shown(host: str) -> str:
    """``host`` in a sentence: short and printable, whoever wrote it."""
    text = "".join(char for char in host if char.isprintable())
    return text if len(text) <= 128 else f"{text[:127]}…"
