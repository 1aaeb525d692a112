"""Servers of SIP URIs (RFC 3263) as Knot DNS tells of them, a name server that many rely on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from interop.peers.knot import HOST, Knot, running_knot
from trunkpulse.adapters.network.resolver import SystemResolver
from trunkpulse.model import TransportProtocol
from trunkpulse.ports import Location, ResolutionFailed, Server
from trunkpulse.sip.uri import SipUri

pytestmark = pytest.mark.interop

UDP, TCP, TLS = TransportProtocol.UDP, TransportProtocol.TCP, TransportProtocol.TLS

TWO_HOSTS = [
    "_sip._udp SRV 10 30 5060 small",
    "_sip._udp SRV 10 70 5070 large",
    "_sip._udp SRV 20 0 5060 spare",
    "small A 192.0.2.1",
    "large A 192.0.2.2",
    "large AAAA 2001:db8::2",
    "spare CNAME elsewhere",
    "elsewhere AAAA 2001:db8::3",
]


def resolver(folder: Path, knot: Knot) -> SystemResolver:
    (folder / "resolv.conf").write_text(f"nameserver {HOST}\n")
    (folder / "hosts").write_text("")
    return SystemResolver(
        hosts=folder / "hosts", resolv_conf=folder / "resolv.conf", port=knot.port
    )


async def located(folder: Path, records: Sequence[str], uri: str) -> Location:
    async with running_knot(folder / "knot", records) as knot:
        return await resolver(folder, knot).locate(SipUri.parse(uri))


async def test_srv_records_of_several_hosts_come_in_their_order_over_both_families(
    tmp_path: Path,
) -> None:
    found = await located(tmp_path, TWO_HOSTS, "sip:example.test")
    assert found.servers == (
        Server(UDP, ("192.0.2.2", 5070), 10, 70),
        Server(UDP, ("2001:db8::2", 5070, 0, 0), 10, 70),
        Server(UDP, ("192.0.2.1", 5060), 10, 30),
        Server(UDP, ("2001:db8::3", 5060, 0, 0), 20, 0),
    )


async def test_naptr_chooses_tls_where_udp_is_served_as_well(tmp_path: Path) -> None:
    records = [
        '@ NAPTR 10 10 "s" "SIPS+D2T" "" _sips._tcp',
        '@ NAPTR 20 10 "s" "SIP+D2U" "" _sip._udp',
        "_sips._tcp SRV 0 0 5061 secure",
        "secure A 192.0.2.5",
        *TWO_HOSTS,
    ]
    found = await located(tmp_path, records, "sip:example.test")
    assert found.servers == (Server(TLS, ("192.0.2.5", 5061)),)


@pytest.mark.parametrize(
    ("uri", "protocol", "port"),
    [
        ("sip:host.example.test", UDP, 5060),
        ("sip:host.example.test;transport=tcp", TCP, 5060),
        ("sips:host.example.test", TLS, 5061),
        ("sip:host.example.test:5099", UDP, 5099),
    ],
)
async def test_host_without_services_is_located_by_its_addresses(
    uri: str, protocol: TransportProtocol, port: int, tmp_path: Path
) -> None:
    found = await located(tmp_path, ["host A 192.0.2.6", "host AAAA 2001:db8::6"], uri)
    assert found.servers == (
        Server(protocol, ("192.0.2.6", port)),
        Server(protocol, ("2001:db8::6", port, 0, 0)),
    )


async def test_location_is_believed_as_long_as_its_shortest_record(tmp_path: Path) -> None:
    records = [
        '@ 600 NAPTR 10 10 "s" "SIP+D2T" "" _sip._tcp',
        "_sip._tcp 120 SRV 0 0 5060 host",
        "host 45 CNAME real",
        "real 900 A 192.0.2.7",
    ]
    found = await located(tmp_path, records, "sip:example.test")
    assert found == Location((Server(TCP, ("192.0.2.7", 5060)),), 45)


async def test_answer_too_long_for_a_datagram_is_complete(tmp_path: Path) -> None:
    names = [f"session-border-controller-{number:02}" for number in range(30)]
    records = [f"_sip._udp SRV {number} 0 5060 {name}" for number, name in enumerate(names)]
    records += [f"{name} A 192.0.2.{number}" for number, name in enumerate(names)]
    found = await located(tmp_path, records, "sip:example.test")
    assert [server.address for server in found.servers] == [
        (f"192.0.2.{number}", 5060) for number in range(30)
    ]


async def test_domain_that_offers_no_sip_is_told_in_words(tmp_path: Path) -> None:
    with pytest.raises(ResolutionFailed, match="the domain says that it offers no such service"):
        await located(tmp_path, ["@ A 192.0.2.8", "_sip._udp SRV 0 0 0 ."], "sip:example.test")


async def test_zone_that_changes_is_seen_at_the_next_look_up(tmp_path: Path) -> None:
    uri = SipUri.parse("sip:example.test")
    async with running_knot(tmp_path / "knot", TWO_HOSTS) as knot:
        asked = resolver(tmp_path, knot)
        assert len((await asked.locate(uri)).servers) == 4
        await knot.publish(["_sip._tcp SRV 0 0 5080 moved", "moved A 192.0.2.9"])
        assert (await asked.locate(uri)).servers == (Server(TCP, ("192.0.2.9", 5080)),)


async def test_name_server_that_died_is_a_failure_until_it_is_back(tmp_path: Path) -> None:
    uri = SipUri.parse("sip:example.test")
    async with running_knot(tmp_path / "knot", TWO_HOSTS) as knot:
        asked = resolver(tmp_path, knot)
        before = await asked.locate(uri)
        await knot.kill()
        with pytest.raises(ResolutionFailed, match="the name server cannot be reached"):
            await asked.locate(uri)
        await knot.start(TWO_HOSTS)
        assert await asked.locate(uri) == before
