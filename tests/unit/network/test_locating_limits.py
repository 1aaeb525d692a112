"""How far a located server may be believed: failures, absences, TTLs, names of this machine."""

from __future__ import annotations

import asyncio
from pathlib import Path

import dns.rcode
import pytest

from trunkpulse.ports import Location, ResolutionFailed, Server
from trunkpulse.sip.uri import SipUri
from unit.network.locating import (
    DOMAIN,
    NAPTR_TCP,
    NAPTR_UDP,
    OVER_TCP,
    OVER_UDP,
    SERVERS,
    SRV,
    UDP,
    Place,
    failure,
    kinds,
    locate,
    places,
    resolver,
)
from unit.network.name_server import NameServer, serving

# --- what is not there, and what nobody could say --------------------------------------------


@pytest.mark.parametrize("fault", [dns.rcode.SERVFAIL, dns.rcode.REFUSED])
async def test_srv_that_cannot_be_had_does_not_lead_to_another_transport(
    fault: dns.rcode.Rcode, tmp_path: Path
) -> None:
    records = {"example.com.": ["A 192.0.2.7"], **SRV, **SERVERS}
    server = NameServer(records, faults={"SRV _sip._udp.example.com.": fault})
    assert await failure(tmp_path, server) == (
        "example.com: its SRV records _sip._udp.example.com cannot be had, the name server"
        f" answered {dns.rcode.to_text(fault)} (a URI with a port does without them)"
    )


async def test_failure_about_the_transport_most_wanted_is_told_at_once(tmp_path: Path) -> None:
    server = NameServer(
        faults={"SRV _sip._udp.example.com.": dns.rcode.SERVFAIL},
        silent_about=("SRV _sip._tcp.example.com.",),
    )
    assert "answered SERVFAIL" in await failure(tmp_path, server, deadline_seconds=3600)


async def test_silence_about_srv_is_a_failure_at_the_deadline(tmp_path: Path) -> None:
    server = NameServer({"example.com.": ["A 192.0.2.7"]}, silent_about=("SRV",))
    assert "no answer from the name server within 0.2 seconds" in await failure(
        tmp_path, server, deadline_seconds=0.2
    )


@pytest.mark.parametrize("fault", ["silent", "failing"])
async def test_trouble_with_a_less_wanted_transport_does_not_matter(
    fault: str, tmp_path: Path
) -> None:
    tcp = "SRV _sip._tcp.example.com."
    server = NameServer(SRV | SERVERS)
    if fault == "silent":
        server.silent_about = (tcp,)
    else:
        server.faults = {tcp: dns.rcode.SERVFAIL}
    assert places(await locate(tmp_path, server)) == [OVER_UDP]


async def test_one_target_that_cannot_be_found_is_left_out_for_a_minute(tmp_path: Path) -> None:
    server = NameServer(
        {
            "_sip._udp.example.com.": [
                "3600 SRV 0 0 5060 gone.example.com.",
                "3600 SRV 1 0 5060 a\\046b.example.com.",
                "3600 SRV 2 0 5060 udp.example.com.",
            ],
            "udp.example.com.": ["3600 A 192.0.2.1"],
        }
    )
    found = await locate(tmp_path, server)
    assert places(found) == [("udp", "192.0.2.1", 5060)]
    assert found.ttl_seconds == 60


TWO_SERVERS = {
    "_sip._udp.example.com.": ["SRV 0 0 5070 udp.example.com.", "SRV 1 0 5071 tcp.example.com."],
    **SERVERS,
}
BOTH = [OVER_UDP, ("udp", "192.0.2.2", 5071)]


@pytest.mark.parametrize("fault", [dns.rcode.SERVFAIL, dns.rcode.REFUSED])
async def test_server_that_nobody_can_find_is_where_it_last_was(
    fault: dns.rcode.Rcode, tmp_path: Path
) -> None:
    server = NameServer(dict(TWO_SERVERS))
    uri = SipUri.parse(f"sip:{DOMAIN};transport=udp")
    async with serving(server) as port:
        asked = resolver(tmp_path, port)
        assert places(await asked.locate(uri)) == BOTH
        server.faults = dict.fromkeys(("A udp.example.com.", "AAAA udp.example.com."), fault)
        for _ in range(3):
            found = await asked.locate(uri)
            assert places(found) == BOTH
            assert found.ttl_seconds is not None
            assert found.ttl_seconds <= 60
        server.faults = {}
        server.records["udp.example.com."] = ["A 192.0.2.9"]
        assert places(await asked.locate(uri))[0] == ("udp", "192.0.2.9", 5070)


async def test_server_that_is_said_to_be_gone_is_gone(tmp_path: Path) -> None:
    server = NameServer(dict(TWO_SERVERS))
    uri = SipUri.parse(f"sip:{DOMAIN};transport=udp")
    async with serving(server) as port:
        asked = resolver(tmp_path, port)
        await asked.locate(uri)
        del server.records["udp.example.com."]
        assert places(await asked.locate(uri)) == BOTH[1:]
        server.faults = {"A udp.example.com.": dns.rcode.SERVFAIL}
        assert places(await asked.locate(uri)) == BOTH[1:]


async def test_family_that_is_not_answered_is_where_it_last_was_and_the_other_may_move(
    tmp_path: Path,
) -> None:
    server = NameServer({"example.com.": ["A 192.0.2.7", "AAAA 2001:db8::7"]})
    uri = SipUri.parse("sip:example.com:5060")
    async with serving(server) as port:
        asked = resolver(tmp_path, port)
        assert len((await asked.locate(uri)).servers) == 2
        server.records = {"example.com.": ["A 192.0.2.8"]}
        server.faults = {"AAAA": dns.rcode.SERVFAIL}
        hosts = [each.address[0] for each in (await asked.locate(uri)).servers]
        assert hosts == ["192.0.2.8", "2001:db8::7"]
        server.faults = {"A": dns.rcode.SERVFAIL, "AAAA": dns.rcode.SERVFAIL}
        with pytest.raises(ResolutionFailed):
            await asked.locate(uri)


async def test_naptr_that_fails_after_it_was_answered_does_not_lead_to_another_transport(
    tmp_path: Path,
) -> None:
    server = NameServer({**SRV, **SERVERS, "example.com.": [NAPTR_TCP]})
    uri = SipUri.parse(f"sip:{DOMAIN}")
    async with serving(server) as port:
        asked = resolver(tmp_path, port)
        assert places(await asked.locate(uri)) == [OVER_TCP]
        server.faults = {"NAPTR": dns.rcode.SERVFAIL}
        for _ in range(2):
            with pytest.raises(ResolutionFailed, match="its NAPTR records cannot be had"):
                await asked.locate(uri)
        server.faults = {}
        server.records["example.com."] = ["A 192.0.2.7"]  # it offers nothing any more
        assert places(await asked.locate(uri)) == [OVER_UDP]
        server.faults = {"NAPTR": dns.rcode.SERVFAIL}
        assert places(await asked.locate(uri)) == [OVER_UDP]


async def test_what_naptr_says_of_a_sips_uri_is_not_held_against_the_sip_one(
    tmp_path: Path,
) -> None:
    server = NameServer({**SRV, **SERVERS, "example.com.": [NAPTR_TCP]})
    uri, secure = SipUri.parse(f"sip:{DOMAIN}"), SipUri.parse(f"sips:{DOMAIN}")
    async with serving(server) as port:
        asked = resolver(tmp_path, port)
        assert places(await asked.locate(uri)) == [OVER_TCP]
        await asked.locate(secure)  # it offers nothing for this one
        server.faults = {"NAPTR": dns.rcode.SERVFAIL}
        with pytest.raises(ResolutionFailed, match="its NAPTR records cannot be had"):
            await asked.locate(uri)


async def test_targets_of_which_none_can_be_found_are_a_failure(tmp_path: Path) -> None:
    assert await failure(tmp_path, NameServer({"example.com.": ["A 192.0.2.7"], **SRV})) == (
        "example.com: none of the servers that _sip._udp.example.com names can be found"
        " (udp.example.com: no such host name)"
    )


async def test_dot_for_a_target_says_that_there_is_no_such_service(tmp_path: Path) -> None:
    server = NameServer(
        {"example.com.": ["A 192.0.2.7"], "_sip._udp.example.com.": ["SRV 0 0 0 ."]}
    )
    said = "example.com: the domain says that it offers no such service"
    assert (await failure(tmp_path, server)).startswith(said)
    found = await locate(tmp_path, server, "sip:example.com;transport=tcp")
    assert places(found) == [("tcp", "192.0.2.7", 5060)]


async def test_service_that_is_not_offered_makes_way_for_one_that_is(tmp_path: Path) -> None:
    server = NameServer({**SRV, **SERVERS, "_sip._udp.example.com.": ["SRV 0 0 0 ."]})
    assert places(await locate(tmp_path, server)) == [OVER_TCP]


async def test_service_less_wanted_that_is_not_offered_does_not_matter(tmp_path: Path) -> None:
    records = {"example.com.": ["A 192.0.2.7"], "_sip._tcp.example.com.": ["SRV 0 0 0 ."]}
    assert places(await locate(tmp_path, NameServer(records))) == [("udp", "192.0.2.7", 5060)]


async def test_domain_that_does_not_exist_is_told_by_its_name(tmp_path: Path) -> None:
    assert await failure(tmp_path, NameServer()) == "example.com: no such host name"


async def test_family_that_is_not_answered_is_asked_for_again_in_a_minute(tmp_path: Path) -> None:
    server = NameServer({"example.com.": ["900 A 192.0.2.7"]}, silent_about=("AAAA",))
    found = await locate(tmp_path, server, "sip:example.com:5060", deadline_seconds=0.3)
    assert found == Location((Server(UDP, ("192.0.2.7", 5060)),), 60)


async def test_cancelled_look_up_of_services_leaves_nothing_running(tmp_path: Path) -> None:
    server = NameServer(silent_about=("SRV",))
    async with serving(server) as port:
        asked = resolver(tmp_path, port)
        asking = asyncio.create_task(asked.locate(SipUri.parse(f"sip:{DOMAIN};transport=tls")))
        await server.heard.wait()
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        assert asyncio.all_tasks() == {asyncio.current_task()}


# --- for how long ----------------------------------------------------------------------------


@pytest.mark.parametrize("least", ["naptr", "srv", "a", "aaaa", "alias"])
async def test_least_ttl_of_all_answers_counts(least: str, tmp_path: Path) -> None:
    ttl = dict.fromkeys(("naptr", "srv", "a", "aaaa", "alias"), 300) | {least: 30}
    server = NameServer(
        {
            "example.com.": [f"{ttl['naptr']} {NAPTR_UDP}"],
            "_sip._udp.example.com.": [f"{ttl['srv']} SRV 0 0 5060 udp.example.com."],
            "udp.example.com.": [f"{ttl['alias']} CNAME real.example.com."],
            "real.example.com.": [f"{ttl['a']} A 192.0.2.1", f"{ttl['aaaa']} AAAA 2001:db8::1"],
        }
    )
    assert (await locate(tmp_path, server)).ttl_seconds == 30


# --- names of this machine -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("uri", "place"),
    [
        ("sip:example.com", ("udp", "192.0.2.8", 5060)),
        ("sips:example.com", ("tls", "192.0.2.8", 5061)),
    ],
)
async def test_name_in_the_hosts_file_is_an_address_for_a_minute(
    uri: str, place: Place, tmp_path: Path
) -> None:
    server = NameServer({"example.com.": ["A 192.0.2.7", NAPTR_UDP], **SRV, **SERVERS})
    found = await locate(tmp_path, server, uri, hosts=f"192.0.2.8 {DOMAIN}")
    assert (places(found), found.ttl_seconds) == ([place], 60)
    assert server.asked == []


async def test_target_of_a_record_may_be_in_the_hosts_file(tmp_path: Path) -> None:
    server = NameServer({name: [f"3600 {of}" for of in records] for name, records in SRV.items()})
    found = await locate(tmp_path, server, hosts="192.0.2.8 udp.example.com")
    assert (places(found), found.ttl_seconds) == ([("udp", "192.0.2.8", 5070)], 60)


async def test_short_name_is_completed_for_addresses_and_not_for_services(tmp_path: Path) -> None:
    server = NameServer(
        {"sbc.example.com.": ["A 192.0.2.7"], "_sip._udp.sbc.example.com.": ["SRV 0 0 1 x."]}
    )
    async with serving(server) as port:
        conf = "nameserver 127.0.0.1\nsearch example.com\n"
        found = await resolver(tmp_path, port, conf=conf).locate(SipUri.parse("sip:sbc"))
    assert places(found) == [("udp", "192.0.2.7", 5060)]
    assert kinds(server) == ["sbc.example.com. A", "sbc.example.com. AAAA"]


async def test_target_of_a_record_is_never_completed_by_the_search_list(tmp_path: Path) -> None:
    server = NameServer(
        {"_sip._udp.example.com.": ["SRV 0 0 5060 sbc."], "sbc.example.com.": ["A 192.0.2.66"]}
    )
    async with serving(server) as port:
        conf = "nameserver 127.0.0.1\nsearch example.com\n"
        asked = resolver(tmp_path, port, conf=conf)
        with pytest.raises(ResolutionFailed, match="sbc: no such host name"):
            await asked.locate(SipUri.parse("sip:example.com"))
