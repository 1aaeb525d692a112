"""Servers of SIP URIs by RFC 3263, rule by rule, from a name server on loopback."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import dns.rcode
import pytest

from trunkpulse.ports import Location, Server
from unit.network.locating import (
    NAPTR_TCP,
    NAPTR_TLS,
    NAPTR_UDP,
    OVER_TCP,
    OVER_TLS,
    OVER_UDP,
    SERVERS,
    SRV,
    TCP,
    TLS,
    UDP,
    Place,
    failure,
    kinds,
    locate,
    places,
)
from unit.network.name_server import NameServer

# --- what the URI says itself ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("uri", "server"),
    [
        ("sip:192.0.2.9", Server(UDP, ("192.0.2.9", 5060))),
        ("sip:192.0.2.9:5070;transport=tcp", Server(TCP, ("192.0.2.9", 5070))),
        ("sip:192.0.2.9;transport=TLS", Server(TLS, ("192.0.2.9", 5061))),
        ("sips:192.0.2.9", Server(TLS, ("192.0.2.9", 5061))),
        ("sips:192.0.2.9:5070;transport=tcp", Server(TLS, ("192.0.2.9", 5070))),
        ("sip:192.0.2.9;transport", Server(UDP, ("192.0.2.9", 5060))),
        ("sip:[2001:db8::9]", Server(UDP, ("2001:db8::9", 5060, 0, 0))),
        ("sip:192.0.2.9;maddr=192.0.2.66", Server(UDP, ("192.0.2.9", 5060))),
        ("sip:localhost", Server(UDP, ("127.0.0.1", 5060))),
        ("sips:localhost", Server(TLS, ("127.0.0.1", 5061))),
    ],
)
async def test_address_in_the_uri_is_the_server_for_ever(
    uri: str, server: Server, tmp_path: Path
) -> None:
    asked = NameServer()
    assert await locate(tmp_path, asked, uri) == Location((server,), None)
    assert asked.asked == []


@pytest.mark.parametrize(
    ("uri", "phrase"),
    [
        ("sip:example.com;transport=sctp", "transport=sctp is not spoken here, only udp, tcp and"),
        ("sip:192.0.2.1;transport=ws", "transport=ws is not spoken here, only udp, tcp and tls"),
        ("sips:example.com;transport=UDP", "sips is TLS over TCP, which transport=udp contradicts"),
    ],
)
async def test_transport_that_is_not_spoken_is_refused_without_a_question(
    uri: str, phrase: str, tmp_path: Path
) -> None:
    server = NameServer(SRV | SERVERS)
    assert phrase in await failure(tmp_path, server, uri)
    assert server.asked == []


@pytest.mark.parametrize(
    ("uri", "place"),
    [
        ("sip:example.com:5099", ("udp", "192.0.2.7", 5099)),
        ("sip:example.com:5099;transport=tcp", ("tcp", "192.0.2.7", 5099)),
        ("sips:example.com:5099", ("tls", "192.0.2.7", 5099)),
    ],
)
async def test_port_in_the_uri_leaves_only_the_addresses_to_be_asked_for(
    uri: str, place: Place, tmp_path: Path
) -> None:
    server = NameServer({"example.com.": ["A 192.0.2.7", NAPTR_TLS], **SRV, **SERVERS})
    assert places(await locate(tmp_path, server, uri)) == [place]
    assert kinds(server) == ["example.com. A", "example.com. AAAA"]


# --- NAPTR -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("uri", "records", "place"),
    [
        ("sip:example.com", [NAPTR_TCP, NAPTR_UDP], OVER_UDP),
        ("sip:example.com", [NAPTR_UDP, NAPTR_TLS], OVER_TLS),
        ("sip:EXAMPLE.com.", [NAPTR_TCP], OVER_TCP),
        ("sips:example.com", [NAPTR_UDP, NAPTR_TLS], OVER_TLS),
        ("sips:example.com", [NAPTR_UDP, NAPTR_TCP], OVER_TLS),
    ],
    ids=["preference", "order", "the only one", "sips", "sips without any of TLS"],
)
async def test_naptr_chooses_the_transport(
    uri: str, records: list[str], place: Place, tmp_path: Path
) -> None:
    server = NameServer({"example.com.": records, **SRV, **SERVERS})
    assert places(await locate(tmp_path, server, uri)) == [place]


async def test_naptr_may_lead_to_any_name(tmp_path: Path) -> None:
    server = NameServer(
        {
            "example.com.": ['NAPTR 1 1 "s" "SIP+D2T" "" sip.hosting.test.'],
            "sip.hosting.test.": ["SRV 3 4 5090 tcp.example.com."],
            **SRV,
            **SERVERS,
        }
    )
    found = await locate(tmp_path, server)
    assert found.servers == (Server(TCP, ("192.0.2.2", 5090), priority=3, weight=4),)


@pytest.mark.parametrize(
    "useless",
    [
        'NAPTR 1 1 "s" "SIP+D2S" "" _sip._sctp.example.com.',
        'NAPTR 1 1 "s" "SIPS+D2W" "" _sips._ws.example.com.',
        'NAPTR 1 1 "u" "E2U+sip" "!^.*$!sip:x@example.net!" .',
        'NAPTR 1 1 "a" "SIP+D2U" "" _sip._udp.example.com.',
        'NAPTR 1 1 "s" "SIP+D2U" "" .',
    ],
)
async def test_naptr_that_is_of_no_use_is_passed_over(useless: str, tmp_path: Path) -> None:
    server = NameServer({"example.com.": [useless, NAPTR_TLS], **SRV, **SERVERS})
    assert places(await locate(tmp_path, server)) == [OVER_TLS]
    assert kinds(server) == [
        "_sips._tcp.example.com. SRV",
        "example.com. NAPTR",
        "tls.example.com. A",
        "tls.example.com. AAAA",
    ]
    server = NameServer({"example.com.": [useless], **SRV, **SERVERS})
    assert places(await locate(tmp_path, server)) == [OVER_UDP]


@pytest.mark.parametrize(
    "server",
    [
        NameServer(faults={"SRV _sips._tcp.example.com.": dns.rcode.SERVFAIL}),
        NameServer(faults={"SRV _sips._tcp.example.com.": dns.rcode.NXDOMAIN}),
        NameServer(faults={"A tls.example.com.": dns.rcode.SERVFAIL}),
        NameServer({"_sips._tcp.example.com.": ["SRV 0 0 0 ."]}),
    ],
    ids=["no SRV answer", "no SRV records", "no address", "not offered"],
)
async def test_next_naptr_is_used_when_the_first_leads_nowhere(
    server: NameServer, tmp_path: Path
) -> None:
    own = {"example.com.": [NAPTR_TLS, NAPTR_UDP]}
    server.records = {**own, **SRV, **SERVERS, **server.records}
    assert places(await locate(tmp_path, server)) == [OVER_UDP]


async def test_naptr_that_only_leads_to_failures_is_a_failure_of_the_best(tmp_path: Path) -> None:
    records = {"example.com.": ["A 192.0.2.7", NAPTR_TLS, NAPTR_TCP], **SERVERS}
    faults = {
        "SRV _sips._tcp.example.com.": dns.rcode.SERVFAIL,
        "SRV _sip._tcp.example.com.": dns.rcode.REFUSED,
    }
    server = NameServer(records, faults=faults)
    assert (await failure(tmp_path, server)).startswith(
        "example.com: its SRV records _sips._tcp.example.com cannot be had,"
        " the name server answered SERVFAIL"
    )


async def test_best_16_naptr_records_are_enough(tmp_path: Path) -> None:
    records = [f'NAPTR {number} 1 "s" "SIP+D2U" "" nowhere{number}.' for number in range(10, 50)]
    server = NameServer({"example.com.": records, **SRV, **SERVERS})
    assert places(await locate(tmp_path, server)) == [OVER_UDP]
    assert [question for question in kinds(server) if question.startswith("nowhere")] == [
        f"nowhere{number}. SRV" for number in range(10, 26)
    ]


async def test_naptr_that_leads_to_no_records_at_all_is_as_none(tmp_path: Path) -> None:
    records = {"example.com.": [NAPTR_TLS], **SRV, **SERVERS}
    del records["_sips._tcp.example.com."]
    assert places(await locate(tmp_path, NameServer(records))) == [OVER_UDP]


@pytest.mark.parametrize("code", [dns.rcode.SERVFAIL, dns.rcode.NOTIMP, dns.rcode.REFUSED])
async def test_name_server_that_does_not_know_naptr_is_asked_for_srv(
    code: dns.rcode.Rcode, tmp_path: Path
) -> None:
    server = NameServer(SRV | SERVERS, faults={"NAPTR": code})
    assert places(await locate(tmp_path, server)) == [OVER_UDP]


async def test_silence_about_naptr_leaves_time_for_srv(tmp_path: Path) -> None:
    server = NameServer(SRV | SERVERS, silent_about=("NAPTR",))
    assert places(await locate(tmp_path, server, deadline_seconds=1)) == [OVER_UDP]


@pytest.mark.parametrize(
    ("uri", "place"),
    [
        ("sip:example.com;transport=udp", OVER_UDP),
        ("sip:example.com;transport=tcp", OVER_TCP),
        ("sip:example.com;transport=tls", OVER_TLS),
        ("sips:example.com;transport=tcp", OVER_TLS),
    ],
)
async def test_transport_in_the_uri_asks_for_its_srv_alone(
    uri: str, place: Place, tmp_path: Path
) -> None:
    server = NameServer({"example.com.": [NAPTR_TLS, NAPTR_UDP], **SRV, **SERVERS})
    assert places(await locate(tmp_path, server, uri)) == [place]
    assert [question for question in kinds(server) if "NAPTR" in question] == []
    assert len([question for question in kinds(server) if "SRV" in question]) == 1


# --- SRV -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("uri", "absent", "place"),
    [
        ("sip:example.com", [], OVER_UDP),
        ("sip:example.com", ["_sip._udp"], OVER_TCP),
        ("sip:example.com", ["_sip._udp", "_sip._tcp"], OVER_TLS),
        ("sips:example.com", [], OVER_TLS),
    ],
)
async def test_first_transport_that_has_srv_records_is_used(
    uri: str, absent: Sequence[str], place: Place, tmp_path: Path
) -> None:
    records = {name: of for name, of in SRV.items() if name[:9] not in absent}
    assert places(await locate(tmp_path, NameServer(records | SERVERS), uri)) == [place]


@pytest.mark.parametrize(
    ("uri", "place"),
    [
        ("sip:example.com", ("udp", "192.0.2.7", 5060)),
        ("sips:example.com", ("tls", "192.0.2.7", 5061)),
        ("sip:example.com;transport=tcp", ("tcp", "192.0.2.7", 5060)),
        ("sip:example.com;transport=tls", ("tls", "192.0.2.7", 5061)),
    ],
)
async def test_domain_without_srv_is_a_host_on_the_default_port(
    uri: str, place: Place, tmp_path: Path
) -> None:
    server = NameServer({"example.com.": ["A 192.0.2.7"]})
    assert places(await locate(tmp_path, server, uri)) == [place]


async def test_name_that_is_too_long_for_srv_is_a_host_all_the_same(tmp_path: Path) -> None:
    name = ".".join(["x" * 60] * 4)
    server = NameServer({f"{name}.": ["A 192.0.2.7"]})
    found = await locate(tmp_path, server, f"sip:{name}")
    assert places(found) == [("udp", "192.0.2.7", 5060)]


async def test_servers_are_ordered_by_priority_weight_and_name_ipv4_first(tmp_path: Path) -> None:
    server = NameServer(
        {
            "_sip._udp.example.com.": [
                "SRV 20 90 5060 d.example.com.",
                "SRV 10 0 5060 c.example.com.",
                "SRV 10 60 5062 b.example.com.",
                "SRV 10 60 5061 a.example.com.",
            ],
            "a.example.com.": ["AAAA 2001:db8::1", "A 192.0.2.1"],
            "b.example.com.": ["CNAME a.example.com."],
            "c.example.com.": ["AAAA 2001:db8::3"],
            "d.example.com.": ["A 192.0.2.4"],
        }
    )
    assert (await locate(tmp_path, server)).servers == (
        Server(UDP, ("192.0.2.1", 5061), 10, 60),
        Server(UDP, ("2001:db8::1", 5061, 0, 0), 10, 60),
        Server(UDP, ("192.0.2.1", 5062), 10, 60),
        Server(UDP, ("2001:db8::1", 5062, 0, 0), 10, 60),
        Server(UDP, ("2001:db8::3", 5060, 0, 0), 10, 0),
        Server(UDP, ("192.0.2.4", 5060), 20, 90),
    )


async def test_place_that_two_records_name_counts_once_with_the_better(tmp_path: Path) -> None:
    server = NameServer(
        {
            "_sip._udp.example.com.": [
                "SRV 2 5 5060 a.example.com.",
                "SRV 1 7 5060 b.example.com.",
            ],
            "a.example.com.": ["A 192.0.2.1"],
            "b.example.com.": ["A 192.0.2.1"],
        }
    )
    found = await locate(tmp_path, server)
    assert found.servers == (Server(UDP, ("192.0.2.1", 5060), 1, 7),)


async def test_record_without_a_port_names_no_server(tmp_path: Path) -> None:
    of = ["SRV 0 0 0 tcp.example.com.", "SRV 1 0 5070 udp.example.com."]
    server = NameServer({**SERVERS, "_sip._udp.example.com.": of})
    assert places(await locate(tmp_path, server)) == [OVER_UDP]


def numbered(most: int, *networks: str) -> NameServer:
    """So many records, the last one the best, with an address of each network."""
    numbers = range(most, 0, -1)
    srv = [f"SRV {number} 0 5060 s{number}.example.com." for number in numbers]
    hosts = {
        f"s{number}.example.com.": [f"A {network}.{number}" for network in networks]
        for number in numbers
    }
    return NameServer({"_sip._udp.example.com.": srv, **hosts})


async def test_best_32_records_and_64_servers_are_enough(tmp_path: Path) -> None:
    found = await locate(tmp_path, numbered(40, "192.0.2"))
    assert [server.priority for server in found.servers] == list(range(1, 33))
    found = await locate(tmp_path, numbered(22, "192.0.2", "198.51.100", "203.0.113"))
    assert len(found.servers) == 64
    assert found.servers[-1].priority == 22
    many = [f"A 192.0.2.{number}" for number in range(1, 101)]
    found = await locate(tmp_path, NameServer({"example.com.": many}), "sip:example.com:5060")
    assert len(found.servers) == 64
