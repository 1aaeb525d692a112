"""A domain with servers on every transport, and ways to ask for them."""

from __future__ import annotations

from pathlib import Path

import pytest

from trunkpulse.adapters.network.resolver import SystemResolver
from trunkpulse.model import TransportProtocol
from trunkpulse.ports import Location, ResolutionFailed
from trunkpulse.sip.uri import SipUri
from unit.network.name_server import NameServer, serving

UDP, TCP, TLS = TransportProtocol.UDP, TransportProtocol.TCP, TransportProtocol.TLS
DOMAIN = "example.com"
NAPTR_UDP = f'NAPTR 20 10 "s" "SIP+D2U" "" _sip._udp.{DOMAIN}.'
NAPTR_TCP = f'NAPTR 20 20 "S" "sip+d2t" "" _sip._tcp.{DOMAIN}.'
NAPTR_TLS = f'NAPTR 10 50 "s" "SIPS+D2T" "" _sips._tcp.{DOMAIN}.'

SERVERS = {
    "udp.example.com.": ["A 192.0.2.1"],
    "tcp.example.com.": ["A 192.0.2.2"],
    "tls.example.com.": ["A 192.0.2.3"],
}
SRV = {
    "_sip._udp.example.com.": ["SRV 0 0 5070 udp.example.com."],
    "_sip._tcp.example.com.": ["SRV 0 0 5071 tcp.example.com."],
    "_sips._tcp.example.com.": ["SRV 0 0 5072 tls.example.com."],
}
OVER_UDP = ("udp", "192.0.2.1", 5070)
OVER_TCP = ("tcp", "192.0.2.2", 5071)
OVER_TLS = ("tls", "192.0.2.3", 5072)

Place = tuple[str, str, int]


def resolver(
    folder: Path,
    port: int,
    *,
    conf: str = "nameserver 127.0.0.1\n",
    hosts: str = "",
    deadline_seconds: float = 60,
) -> SystemResolver:
    (folder / "resolv.conf").write_text(conf)
    (folder / "hosts").write_text(hosts)
    return SystemResolver(
        hosts=folder / "hosts",
        resolv_conf=folder / "resolv.conf",
        port=port,
        deadline_seconds=deadline_seconds,
    )


async def locate(
    folder: Path,
    server: NameServer,
    uri: str = f"sip:{DOMAIN}",
    *,
    hosts: str = "",
    deadline_seconds: float = 60,
) -> Location:
    async with serving(server) as port:
        asked = resolver(folder, port, hosts=hosts, deadline_seconds=deadline_seconds)
        return await asked.locate(SipUri.parse(uri))


def places(found: Location) -> list[Place]:
    return [(server.protocol, server.address[0], server.address[1]) for server in found.servers]


async def failure(
    folder: Path, server: NameServer, uri: str = f"sip:{DOMAIN}", *, deadline_seconds: float = 60
) -> str:
    with pytest.raises(ResolutionFailed) as caught:
        await locate(folder, server, uri, deadline_seconds=deadline_seconds)
    said = str(caught.value)
    assert "\n" not in said
    return said


def kinds(server: NameServer) -> list[str]:
    """What was asked for, in the order of the alphabet."""
    return sorted(question.removesuffix(" udp") for question in server.asked)
