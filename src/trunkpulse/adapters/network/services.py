"""What the NAPTR and SRV records of a domain offer, best first (RFC 3263 4.1, RFC 2782)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final, cast

import dns.name
from dns.rdtypes.IN.NAPTR import NAPTR
from dns.rdtypes.IN.SRV import SRV

from trunkpulse.adapters.network.naming import Said
from trunkpulse.model import TransportProtocol

__all__ = ["Service", "offered", "servers_named", "service"]

_MOST_SERVICES: Final = 16
_MOST_SRV_RECORDS: Final = 32

_LABELS: Final = {
    TransportProtocol.UDP: "_sip._udp",
    TransportProtocol.TCP: "_sip._tcp",
    TransportProtocol.TLS: "_sips._tcp",
}

_OFFERS: Final = {
    b"SIP+D2U": TransportProtocol.UDP,
    b"SIP+D2T": TransportProtocol.TCP,
    b"SIPS+D2T": TransportProtocol.TLS,
}
"""What a NAPTR record may offer and is spoken here; SCTP and WebSocket are not."""


@dataclass(frozen=True, slots=True)
class Service:
    """SIP over one transport, and where its SRV records are."""

    protocol: TransportProtocol
    owner: str
    """Ends in a dot: the name is complete."""
    ttl_seconds: float = float("inf")
    """Of the NAPTR records that led here."""


def service(protocol: TransportProtocol, domain: str) -> Service:
    """Where ``domain`` has its SRV records for ``protocol`` if no NAPTR record says."""
    return Service(protocol, f"{_LABELS[protocol]}.{domain}.")


def offered(said: Said, wanted: Collection[TransportProtocol]) -> list[Service]:
    """What NAPTR records offer that is wanted, best first (RFC 3403 4.1); others are passed over.

    Only the flag "s" counts: the replacement is then the name of SRV records.
    """
    usable = [
        (record.order, record.preference, record.replacement, protocol)
        for record in cast("tuple[NAPTR, ...]", said.records)
        if record.flags.lower() == b"s"
        and record.replacement != dns.name.root
        and (protocol := _OFFERS.get(record.service.upper())) is not None
        and protocol in wanted
    ]
    return [
        Service(protocol, replacement.to_text(), said.ttl_seconds)
        for _, _, replacement, protocol in sorted(usable)[:_MOST_SERVICES]
    ]


def servers_named(said: Said) -> list[SRV]:
    """The SRV records that name a server, best first; a dot for a target says there is none."""
    usable = [
        record
        for record in cast("tuple[SRV, ...]", said.records)
        if record.target != dns.name.root and record.port
    ]
    usable.sort(key=lambda record: (record.priority, -record.weight, record.target, record.port))
    return usable[:_MOST_SRV_RECORDS]
