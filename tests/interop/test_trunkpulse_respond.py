"""``trunkpulse respond`` and the responder of ``serve``, asked by tools that know nothing of us."""

from __future__ import annotations

import asyncio
import json
import shlex
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from certificates import Authority
from interop.journal import DEADLINE_SECONDS
from interop.peers.kamailio import Kamailio
from interop.peers.odd import AskedByDatagram, AskedOnConnection, odd_over_streams, odd_over_udp
from interop.peers.ports import free_port
from interop.peers.processes import Outcome, run_to_end, running_process
from interop.peers.sipp import asking
from interop.peers.sipsak import sipsak
from interop.peers.software import ipv6_loopback, peer
from interop.service import TRUNKPULSE, responding, serving, trunkpulse
from interop.settings import config_file, trunk
from interop.tapped import tapped_node
from trunkpulse.model import Reason, TrunkState

pytestmark = pytest.mark.interop

REQUEST = (
    b"OPTIONS sip:sbc.example.com SIP/2.0\r\n"
    b"Via: SIP/2.0/TLS client.invalid:5061;branch=z9hG4bK1\r\n"
    b"Max-Forwards: 0\r\nFrom: <sip:a@client.invalid>;tag=1\r\nTo: <sip:sbc.example.com>\r\n"
    b"Call-ID: of openssl\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
)
QUICKLY = ("--count", "3", "--interval", "0.1", "--timeout", "0.7", "--json")


@asynccontextmanager
async def responding_over(protocol: str, folder: Path, *options: str) -> AsyncIterator[str]:
    """As ``responding``, over any transport; gives ``HOST:PORT``."""
    command = (*TRUNKPULSE, "respond", "--listen", f"{protocol}:127.0.0.1:0", *options)
    async with running_process(*command, folder=folder) as process:
        greeting = await process.line(f" on {protocol}:")
        yield greeting.rpartition(f"{protocol}:")[2]


async def sipsak_over_tcp(place: str, folder: Path) -> Outcome:
    """As ``sipsak``, on a connection. (Over TLS it mistakes a session ticket for the end.)"""
    command = (peer("sipsak"), "-vv", "-E", "tcp", "-s", f"sip:ping@{place}")
    return await run_to_end(*command, folder=folder)


async def sipp_over_tcp(scenario: str, place: str, folder: Path) -> Outcome:
    """SIPp plays ``scenario`` once over a connection; the code is 0 if all went as written."""
    file = Path(__file__).parent / "scenarios" / f"{scenario}.xml"
    where = ("-t", "t1", "-i", "127.0.0.1", "-p", str(free_port("127.0.0.1")))
    limits = ("-nostdin", "-m", "1", "-timeout", "10", "-timeout_error")
    return await run_to_end(peer("sipp"), "-sf", str(file), *where, *limits, place, folder=folder)


async def openssl_asks(place: str, authority: Authority, folder: Path, *options: str) -> Outcome:
    """What ``openssl s_client``, which verifies us, is told before we hang up."""
    request = folder / "request"
    request.write_bytes(REQUEST)
    trust = ("-verify_return_error", "-verify_hostname", "sbc.example.com")
    client = (peer("openssl"), "s_client", "-quiet", "-CAfile", str(authority.ca_file), *trust)
    command = shlex.join((*client, "-connect", place, *options))
    return await run_to_end("sh", "-c", f"exec {command} <{request}", folder=folder)


async def answer_over_tls(port: int, authority: Authority) -> bytes:
    """What is answered on a connection that verified who is there."""
    reader, writer = await asyncio.open_connection(
        "127.0.0.1",
        port,
        ssl=ssl.create_default_context(cafile=str(authority.ca_file)),
        server_hostname="sbc.example.com",
    )
    try:
        writer.write(REQUEST)
        async with asyncio.timeout(DEADLINE_SECONDS):
            return await reader.readuntil(b"\r\n\r\n")
    finally:
        writer.close()
        await writer.wait_closed()


async def probed(uri: str, folder: Path) -> tuple[int, str]:
    """The exit code of ``trunkpulse probe``, and its verdict."""
    outcome = await trunkpulse("probe", uri, *QUICKLY, folder=folder)
    report = json.loads(outcome.output)
    assert report["sent"] == 3
    return outcome.code, report["verdict"]


async def test_sipsak_is_content_with_respond(tmp_path: Path) -> None:
    async with responding(tmp_path) as place:
        outcome = await sipsak(f"sip:ping@{place}", tmp_path)
        assert outcome.code == 0, outcome.output
        assert "SIP/2.0 200 OK" in outcome.output


@pytest.mark.parametrize(("code", "line"), [(404, "404 Not Found"), (503, "503 Service")])
async def test_sipsak_is_refused_by_respond_with_a_code(
    code: int, line: str, tmp_path: Path
) -> None:
    async with responding(tmp_path, "--code", str(code)) as place:
        outcome = await sipsak(f"sip:ping@{place}", tmp_path)
        assert outcome.code != 0
        assert line in outcome.output


@pytest.mark.parametrize("scenario", ["asks_last_hop", "asks_extension", "asks_for_call"])
async def test_sipp_gets_the_answer_of_the_standard(scenario: str, tmp_path: Path) -> None:
    async with responding(tmp_path) as place:
        outcome = await asking(scenario, place, tmp_path)
        assert outcome.code == 0, outcome.output


async def test_sipsak_is_content_with_respond_over_tcp(tmp_path: Path) -> None:
    async with responding_over("tcp", tmp_path) as place:
        outcome = await sipsak_over_tcp(place, tmp_path)
        assert outcome.code == 0, outcome.output
        assert "SIP/2.0 200 OK" in outcome.output


@pytest.mark.parametrize("scenario", ["asks_last_hop", "asks_extension", "asks_for_call"])
async def test_sipp_gets_the_answer_of_the_standard_over_tcp(scenario: str, tmp_path: Path) -> None:
    async with responding_over("tcp", tmp_path) as place:
        outcome = await sipp_over_tcp(scenario, place, tmp_path)
        assert outcome.code == 0, outcome.output


async def test_openssl_verifies_respond_and_sees_its_request_echoed(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    us = authority.issue("sbc.example.com")
    identity = ("--cert", str(us.cert_file), "--key", str(us.key_file))
    async with responding_over("tls", tmp_path, *identity, "--echo", "--count", "1") as place:
        outcome = await openssl_asks(place, authority, tmp_path)
    assert "SIP/2.0 200 OK" in outcome.output
    assert "Content-Type: message/sip" in outcome.output
    assert outcome.output.count("OPTIONS sip:sbc.example.com SIP/2.0") == 1


async def test_respond_lets_in_only_those_with_a_certificate_of_its_authorities(
    tmp_path: Path,
) -> None:
    authority = Authority(tmp_path)
    us, friend = authority.issue("sbc.example.com"), authority.issue("friend.example.com")
    stranger = Authority(tmp_path, "Another CA").issue("stranger.example.com")
    identity = ("--cert", str(us.cert_file), "--key", str(us.key_file))
    ours_only = ("--ca", str(authority.ca_file), "--count", "1")
    async with responding_over("tls", tmp_path, *identity, *ours_only) as place:
        nobody = await openssl_asks(place, authority, tmp_path)
        other, known = [
            await openssl_asks(
                place, authority, tmp_path, "-cert", str(each.cert_file), "-key", str(each.key_file)
            )
            for each in (stranger, friend)
        ]
    assert "SIP/2.0" not in nobody.output
    assert "SIP/2.0" not in other.output
    assert "SIP/2.0 200 OK" in known.output


async def test_peers_are_content_with_the_service_itself_over_each_transport(
    tmp_path: Path,
) -> None:
    authority = Authority(tmp_path)
    us = authority.issue("sbc.example.com")
    udp, tcp, tls = (free_port("127.0.0.1") for _ in range(3))
    identity = f'{{ cert_file = "{us.cert_file.name}", key_file = "{us.key_file.name}" }}'
    places = f'["udp:127.0.0.1:{udp}", "tcp:127.0.0.1:{tcp}", "tls:127.0.0.1:{tls}"]'
    async with serving(config_file(tmp_path, {}, sip=f"{places}\ntls = {identity}")):
        assert (await answer_over_tls(tls, authority)).startswith(b"SIP/2.0 200 OK\r\n")
        for outcome in (
            await sipsak(f"sip:ping@127.0.0.1:{udp}", tmp_path),
            await sipsak_over_tcp(f"127.0.0.1:{tcp}", tmp_path),
        ):
            assert outcome.code == 0, outcome.output
            assert "SIP/2.0 200 OK" in outcome.output


async def test_a_carrier_that_does_not_answer_but_asks_us_is_told_of(tmp_path: Path) -> None:
    """Complaint: carriers that answer only after inbound traffic, or not at all, look dead."""
    port = free_port("127.0.0.1")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as deaf:
        deaf.bind(("127.0.0.1", 0))
        carrier = {"carrier": f"sip:127.0.0.1:{deaf.getsockname()[1]}"}
        config = config_file(
            tmp_path, carrier, sip=f'["udp:127.0.0.1:{port}"]', timeout_seconds=0.3
        )
        async with serving(config) as service:
            await service.changes("carrier", 1)
            assert (await service.target("carrier"))["lastHeard"] is None
            assert (await sipsak(f"sip:ping@127.0.0.1:{port}", tmp_path)).code == 0
            target = await service.target("carrier")
            told = await service.get("/api/v2/telephony/trunks/carrier/explain")
    assert target["state"] == "DOWN"
    assert target["lastHeard"] is not None
    assert "does not answer" in told["summary"]
    assert "ago, so the path towards us works." in told["summary"]


async def test_an_answer_to_the_port_where_we_listen_counts(tmp_path: Path) -> None:
    port = free_port("127.0.0.1")

    def answers_elsewhere(asked: AskedByDatagram) -> None:
        asked.asked.sendto(asked.answer, ("127.0.0.1", port))

    async with odd_over_udp(answers_elsewhere) as far_side:
        config = config_file(tmp_path, {"carrier": far_side.uri}, sip=f'["udp:127.0.0.1:{port}"]')
        async with serving(config) as service:
            [change] = await service.changes("carrier", 1)
    assert change["state"] == "AVAILABLE"


async def test_an_answer_on_a_connection_of_its_own_counts(tmp_path: Path) -> None:
    port = free_port("127.0.0.1")

    async def calls_back(asked: AskedOnConnection) -> None:
        assert f"127.0.0.1:{port};".encode() in asked.request  # its Via says where
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(asked.answer)
        writer.close()
        await writer.wait_closed()

    async with odd_over_streams(calls_back) as far_side:
        carrier = trunk("carrier", far_side.uri, source="127.0.0.1")
        config = config_file(tmp_path, {}, sip=f'["tcp:127.0.0.1:{port}"]', more=carrier)
        async with serving(config) as service:
            [change] = await service.changes("carrier", 1)
    assert change["state"] == "AVAILABLE"


async def test_probe_finds_respond_healthy(tmp_path: Path) -> None:
    async with responding(tmp_path) as place:
        assert await probed(f"sip:{place}", tmp_path) == (0, "healthy")


async def test_probe_finds_a_refusing_respond_not_healthy(tmp_path: Path) -> None:
    async with responding(tmp_path, "--code", "503") as place:
        assert await probed(f"sip:{place}", tmp_path) == (1, "rejected")


async def test_probe_finds_respond_healthy_over_ipv6(tmp_path: Path) -> None:
    async with responding(tmp_path, host=f"[{ipv6_loopback()}]") as place:
        assert await probed(f"sip:{place}", tmp_path) == (0, "healthy")


async def test_probe_finds_kamailio_healthy_and_names_it(
    kamailio: Kamailio, tmp_path: Path
) -> None:
    outcome = await trunkpulse("probe", kamailio.uri, *QUICKLY, folder=tmp_path)
    assert outcome.code == 0
    report = json.loads(outcome.output)
    assert report["verdict"] == "healthy"
    assert [attempt["code"] for attempt in report["attempts"]] == [200, 200, 200]
    assert "kamailio" in report["attempts"][0]["software"]
    assert len(kamailio.answered) == 3


async def test_probe_finds_a_closed_port_refused(tmp_path: Path) -> None:
    assert await probed(f"sip:127.0.0.1:{free_port('127.0.0.1')}", tmp_path) == (1, "refused")


async def test_probe_finds_a_deaf_socket_silent(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as deaf:
        deaf.bind(("127.0.0.1", 0))
        uri = f"sip:127.0.0.1:{deaf.getsockname()[1]}"
        assert await probed(uri, tmp_path) == (1, "silent")


@pytest.mark.parametrize(
    ("code", "state", "reason"),
    [
        ("200", TrunkState.AVAILABLE, Reason.KEEPALIVE_RESTORED),
        ("503", TrunkState.DOWN, Reason.KEEPALIVE_FAILURE),
    ],
)
async def test_node_judges_respond_by_its_code(
    code: str, state: TrunkState, reason: Reason, tmp_path: Path
) -> None:
    async with responding(tmp_path, "--code", code) as place:
        config = config_file(tmp_path, {"carrier": f"sip:{place}"})
        async with tapped_node(config) as running:
            [change] = await running.changes.count(1)
            assert (change.state, change.reason) == (state, reason)
            assert change.evidence[0].code == int(code)
