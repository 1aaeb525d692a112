"""What the OPTIONS responder keeps to over real sockets and connections."""

from __future__ import annotations

import asyncio
import ipaddress
import random
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest

from certificates import Authority
from contracts.responder_bench import ANSWER, ECHOING, RESPONSE, Waiting, options
from trunkpulse.adapters.clock import SystemClock
from trunkpulse.adapters.network.responder import Fate, OptionsResponder, ResponderSettings
from trunkpulse.adapters.sip_redirect import RedirectCounts, RedirectServer, RedirectSettings
from trunkpulse.config.settings import ServerTls, SipListen
from trunkpulse.model import TransportProtocol
from trunkpulse.sip.message import Response, parse_message
from trunkpulse.sip.redirect import contact_header
from unit.sip.calls import ack, invite


def listening(protocol: TransportProtocol, host: str = "127.0.0.1", port: int = 0) -> SipListen:
    return SipListen(protocol, host, port)


async def responding(
    place: SipListen, settings: ResponderSettings, tls: ServerTls | None = None
) -> OptionsResponder:
    clock, rng = SystemClock(), random.Random(1)
    return await OptionsResponder.listen_on(place, settings, clock=clock, rng=rng, tls=tls)


async def test_over_real_sockets_the_answer_comes_from_the_address_that_was_asked() -> None:
    responder = await responding(listening(TransportProtocol.UDP), ResponderSettings(answer=ANSWER))
    loop = asyncio.get_running_loop()
    with closing(responder), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
        async with asyncio.timeout(30):
            sock.sendto(options(), responder.local_address)
            data, source = await loop.sock_recvfrom(sock, 65_535)
    assert source == responder.local_address
    response = parse_message(data)
    assert isinstance(response, Response)
    assert f"rport={port};" in (response.headers.first("Via") or "")
    assert responder.counts.fates[Fate.ANSWERED] == 1
    assert responder.place == f"udp:127.0.0.1:{responder.local_address[1]}"


@asynccontextmanager
async def connected(
    responder: OptionsResponder, host: str = "127.0.0.1", context: ssl.SSLContext | None = None
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection from ``host`` to the responder."""
    reader, writer = await asyncio.open_connection(
        "127.0.0.1",
        responder.local_address[1],
        local_addr=(host, 0),
        ssl=context,
        server_hostname="sbc.example.com" if context else None,
    )
    try:
        yield reader, writer
    finally:
        writer.close()
        await writer.wait_closed()


async def next_response(reader: asyncio.StreamReader) -> Response:
    """The next message of a connection, delimited by its Content-Length."""
    async with asyncio.timeout(30):
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(line for line in head.split(b"\r\n") if line.startswith(b"Content-Length:"))
        body = await reader.readexactly(int(length.partition(b":")[2]))
    response = parse_message(head + body)
    assert isinstance(response, Response)
    return response


@pytest.mark.parametrize("protocol", [TransportProtocol.TCP, TransportProtocol.TLS])
async def test_every_request_on_a_connection_is_answered_on_it_in_order(
    protocol: TransportProtocol, tmp_path: Path
) -> None:
    authority = Authority(tmp_path)
    issued = authority.issue("sbc.example.com")
    tls = ServerTls(cert_file=str(issued.cert_file), key_file=str(issued.key_file))
    secure = protocol is TransportProtocol.TLS
    settings = ResponderSettings(answer=ECHOING)
    responder = await responding(listening(protocol), settings, tls if secure else None)
    with closing(responder):
        trusting = ssl.create_default_context(cafile=str(authority.ca_file)) if secure else None
        async with connected(responder, context=trusting) as (reader, writer):
            # A port in the Via that nobody listens on: the connection alone leads back.
            asked = [
                options(f"z9hG4bK{n}", via="192.0.2.7:9").replace(b";rport", b"") for n in "ab"
            ]
            writer.write(b"".join(asked))
            answers = [await next_response(reader) for _ in asked]
            responder.draining = True
            writer.write(options())
            last = await next_response(reader)
    assert [answer.code for answer in answers] == [200, 200]
    assert [answer.body for answer in answers] == asked
    assert all(answer.headers.first("Content-Type") == "message/sip" for answer in answers)
    assert (last.code, last.headers.first("Retry-After"), last.body) == (503, "60", b"")
    assert responder.counts.fates[Fate.ANSWERED] == 3
    assert responder.place == f"{protocol}:127.0.0.1:{responder.local_address[1]}"


async def test_on_connections_too_each_source_address_has_its_rate_and_strangers_none() -> None:
    fates: asyncio.Queue[tuple[str, Fate]] = asyncio.Queue()
    responder = await OptionsResponder.listen_on(
        listening(TransportProtocol.TCP),
        ResponderSettings(
            answer=ANSWER,
            allow=(ipaddress.ip_network("127.0.0.1/32"),),
            requests_per_second=0.001,
            burst=2,
        ),
        clock=SystemClock(),
        rng=random.Random(1),
        heard=lambda data, source, fate: fates.put_nowait((source[0], fate)),
    )

    async def asked_anew(host: str) -> tuple[str, Fate]:
        async with connected(responder, host) as (_, writer):
            writer.write(options())
            return await fates.get()

    with closing(responder):
        async with asyncio.timeout(30):
            assert await asked_anew("127.0.0.2") == ("127.0.0.2", Fate.NOT_ALLOWED)
            for expected in (Fate.ANSWERED, Fate.ANSWERED, Fate.RATE_LIMITED):
                assert await asked_anew("127.0.0.1") == ("127.0.0.1", expected)


async def test_an_answer_to_a_probe_of_ours_may_come_on_a_connection_of_its_own() -> None:
    prober = Waiting()
    responder = await OptionsResponder.listen_on(
        listening(TransportProtocol.TCP),
        ResponderSettings(answer=ANSWER, allow=()),
        clock=SystemClock(),
        rng=random.Random(1),
        heard=lambda data, source, fate: fates.put_nowait(fate),
        answers=prober,
    )
    fates: asyncio.Queue[Fate] = asyncio.Queue()
    answer = RESPONSE.replace(b"\r\n\r\n", b"\r\nContent-Length: 0\r\n\r\n")
    with closing(responder):
        async with connected(responder) as (_, writer):
            writer.write(answer)
            async with asyncio.timeout(30):
                assert await fates.get() is Fate.FOR_PROBER
            source = writer.get_extra_info("sockname")
    assert [received[:2] for received in prober.received] == [(answer, source)]


@pytest.mark.parametrize("protocol", [TransportProtocol.UDP, TransportProtocol.TCP])
async def test_an_address_of_another_machine_is_one_sentence(protocol: TransportProtocol) -> None:
    place = listening(protocol, "192.0.2.1", 5060)
    with pytest.raises(OSError, match=r"192\.0\.2\.1:5060 \(this machine does not have"):
        await responding(place, ResponderSettings(answer=ANSWER))


@pytest.mark.parametrize("protocol", TransportProtocol)
async def test_a_call_is_redirected_and_acknowledged_over_every_transport(
    protocol: TransportProtocol, tmp_path: Path
) -> None:
    authority = Authority(tmp_path)
    issued = authority.issue("sbc.example.com")
    identity = ServerTls(cert_file=str(issued.cert_file), key_file=str(issued.key_file))
    fates: asyncio.Queue[Fate] = asyncio.Queue()
    counts = RedirectCounts()
    place = contact_header(["sip:+15551230001@198.51.100.4:5060"])
    responder = await OptionsResponder.listen_on(
        listening(protocol),
        ResponderSettings(answer=ANSWER),
        clock=SystemClock(),
        rng=random.Random(1),
        tls=identity if protocol is TransportProtocol.TLS else None,
        heard=lambda data, source, fate: fates.put_nowait(fate),
        calls=RedirectServer(
            RedirectSettings(tag_key=b"key"),
            verdict=lambda asked: (302, place),
            counts=counts,
            clock=SystemClock(),
        ),
    )
    asked, acknowledged = invite(via="127.0.0.1;rport"), ack(via="127.0.0.1;rport")
    with closing(responder):
        async with asyncio.timeout(30):
            if protocol is TransportProtocol.UDP:
                loop = asyncio.get_running_loop()
                with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
                    sock.setblocking(False)
                    sock.bind(("127.0.0.1", 0))
                    sock.sendto(asked, responder.local_address)
                    answer = parse_message(await loop.sock_recv(sock, 65_535))
                    sock.sendto(acknowledged, responder.local_address)
                    assert [await fates.get() for _ in range(2)] == [
                        Fate.ANSWERED, Fate.NOT_ANSWERABLE,
                    ]  # fmt: skip
            else:
                secure = protocol is TransportProtocol.TLS
                trusting = (
                    ssl.create_default_context(cafile=str(authority.ca_file)) if secure else None
                )
                async with connected(responder, context=trusting) as (reader, writer):
                    writer.write(asked)
                    answer = await next_response(reader)
                    writer.write(acknowledged)
                    assert [await fates.get() for _ in range(2)] == [
                        Fate.ANSWERED, Fate.NOT_ANSWERABLE,
                    ]  # fmt: skip
    assert isinstance(answer, Response)
    assert answer.code == 302
    assert f"Contact: {answer.headers.single('Contact')}\r\n".encode() == place
    assert (counts.answers, counts.unacknowledged) == ({302: 1}, 0)
    assert counts.seconds.sum < 30.0
