"""What the OPTIONS responder keeps: on a virtual clock, and over real sockets and connections."""

from __future__ import annotations

import asyncio
import ipaddress
import random
import socket
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest

from certificates import Authority
from trunkpulse.adapters.network.responder import Fate, OptionsResponder, ResponderSettings
from trunkpulse.config.settings import ServerTls, SipListen
from trunkpulse.model import FailureKind, TransportProtocol
from trunkpulse.ports import Address, Certificate, Obstacle
from trunkpulse.sip.message import Response, parse_message
from trunkpulse.sip.server import AnswerSettings
from virtual_time import run_virtual

PEER: Address = ("192.0.2.7", 5060)
OTHER: Address = ("192.0.2.8", 5060)
ANSWER = AnswerSettings(tag_key=b"key")
ECHOING = AnswerSettings(tag_key=b"key", echo=True)
RESPONSE = b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 198.51.100.1;branch=z9hG4bKours\r\n\r\n"


def options(
    branch: str = "z9hG4bK1", method: str = "OPTIONS", via: str = "192.0.2.7:5060"
) -> bytes:
    return (
        f"{method} sip:198.51.100.1 SIP/2.0\r\n"
        f"Via: SIP/2.0/UDP {via};rport;branch={branch}\r\n"
        "Max-Forwards: 70\r\nFrom: <sip:a@192.0.2.7>;tag=1\r\nTo: <sip:198.51.100.1>\r\n"
        f"Call-ID: {branch}\r\nCSeq: 1 {method}\r\nContent-Length: 0\r\n\r\n"
    ).encode()


class Wire:
    """A transport that keeps what is sent, and when by the loop's clock."""

    def __init__(self, protocol: TransportProtocol) -> None:
        self.protocol = protocol
        self.sent: list[tuple[float, Response, Address]] = []
        self.closed = False

    @property
    def local_address(self) -> Address:
        return ("198.51.100.1", 5060)

    def send(self, data: bytes, destination: Address) -> None:
        message = parse_message(data)
        assert isinstance(message, Response)
        self.sent.append((asyncio.get_running_loop().time(), message, destination))

    def withdraw(self, data: bytes, destination: Address) -> Obstacle | None:
        return None

    def settled(self, data: bytes, destination: Address) -> None:
        """Nothing is kept."""

    def drain(self) -> None:
        """Nothing waits to be read."""

    def dropped_datagrams(self) -> int:
        return 0

    def certificate(self, destination: Address) -> Certificate | None:
        return None

    def close(self) -> None:
        self.closed = True

    @property
    def codes(self) -> list[int]:
        return [response.code for _, response, _ in self.sent]


class Waiting:
    """Who waits for answers to probes of ours."""

    def __init__(self) -> None:
        self.received: list[tuple[bytes, Address, float]] = []
        self.batches = 0

    def message_received(self, data: bytes, source: Address, now: float) -> None:
        self.received.append((data, source, now))

    def message_left(self, data: bytes, now: float) -> None:
        raise AssertionError("it sends nothing")

    def send_failed(
        self, data: bytes, destination: Address, kind: FailureKind, detail: str, now: float
    ) -> None:
        raise AssertionError("it sends nothing")

    def batch_finished(self) -> None:
        self.batches += 1


class Bench:
    """A responder on a wire of its own."""

    def __init__(
        self,
        settings: ResponderSettings | None = None,
        *,
        protocol: TransportProtocol = TransportProtocol.UDP,
        answers: Waiting | None = None,
        seed: int = 1,
    ) -> None:
        self.wire = Wire(protocol)
        self.fates: list[Fate] = []
        self.responder = OptionsResponder(
            settings or ResponderSettings(answer=ANSWER),
            rng=random.Random(seed),
            heard=lambda data, source, fate: self.fates.append(fate),
            answers=answers,
        )
        self.responder.serve(self.wire)

    def ask(self, source: Address = PEER, now: float = 0.0, data: bytes | None = None) -> Fate:
        self.responder.message_received(options() if data is None else data, source, now)
        return self.fates[-1]


def test_every_request_is_answered_to_where_it_came_from() -> None:
    bench = Bench(ResponderSettings(answer=AnswerSettings(tag_key=b"key", code=404)))

    async def scenario() -> None:
        bench.ask()
        bench.ask(("192.0.2.7", 40_000))
        bench.ask(("fe80::1%eth0", 5060, 0, 3), data=options(via="[fe80::1]:5060"))

    run_virtual(scenario)
    assert bench.wire.codes == [404, 404, 404]
    assert [destination for _, _, destination in bench.wire.sent] == [
        PEER, ("192.0.2.7", 40_000), ("fe80::1%eth0", 5060, 0, 3),
    ]  # fmt: skip
    via = bench.wire.sent[1][1].headers.first("Via") or ""
    assert "rport=40000" in via
    assert "received=192.0.2.7" in via


@pytest.mark.parametrize(
    ("protocol", "port"),
    [
        (TransportProtocol.UDP, 5099),
        (TransportProtocol.TCP, 40_000),
        (TransportProtocol.TLS, 40_000),
    ],
)
def test_on_a_connection_the_answer_goes_back_on_it_whatever_the_via_says(
    protocol: TransportProtocol, port: int
) -> None:
    bench = Bench(protocol=protocol)
    asked = options(via="192.0.2.99:5099").replace(b";rport", b"")

    async def scenario() -> None:
        assert bench.ask(("192.0.2.7", 40_000), data=asked) is Fate.ANSWERED

    run_virtual(scenario)
    [(_, _, destination)] = bench.wire.sent
    assert destination == ("192.0.2.7", port)


def test_a_response_is_for_the_prober_whoever_sent_it_and_is_never_answered() -> None:
    prober = Waiting()
    nobody = ResponderSettings(answer=ANSWER, allow=(), loss=1.0)
    bench = Bench(nobody, answers=prober)

    async def scenario() -> None:
        assert bench.ask(now=7.0, data=RESPONSE) is Fate.FOR_PROBER
        assert bench.ask(OTHER, now=8.0, data=b"\r\n" + RESPONSE.lower()) is Fate.FOR_PROBER
        assert prober.batches == 0
        bench.responder.batch_finished()
        bench.ask(data=options())
        bench.responder.batch_finished()

    run_virtual(scenario)
    assert prober.received == [(RESPONSE, PEER, 7.0), (b"\r\n" + RESPONSE.lower(), OTHER, 8.0)]
    assert prober.batches == 1  # a batch without responses does not concern it
    assert bench.wire.sent == []


def test_responses_have_a_rate_of_their_own() -> None:
    prober = Waiting()
    settings = ResponderSettings(
        answer=ANSWER, requests_per_second=1.0, burst=1, responses_per_second=3.0
    )
    bench = Bench(settings, answers=prober)

    async def scenario() -> None:
        fates = [bench.ask(now=1.0, data=RESPONSE) for _ in range(4)]
        assert fates == [*[Fate.FOR_PROBER] * 3, Fate.RATE_LIMITED]
        assert bench.ask(OTHER, now=1.0, data=RESPONSE) is Fate.FOR_PROBER
        assert bench.ask(now=1.0) is Fate.ANSWERED
        assert bench.ask(now=1.0) is Fate.RATE_LIMITED

    run_virtual(scenario)
    assert len(prober.received) == 4


def test_only_networks_of_the_allow_list_hear_an_answer() -> None:
    allow = (ipaddress.ip_network("192.0.2.7/32"), ipaddress.ip_network("::1/128"))
    bench = Bench(ResponderSettings(answer=ANSWER, allow=allow))

    async def scenario() -> None:
        assert bench.ask() is Fate.ANSWERED
        assert bench.ask(OTHER) is Fate.NOT_ALLOWED
        assert bench.ask(("::1", 5060, 0, 0)) is Fate.ANSWERED
        assert bench.ask(("fe80::1%eth0", 5060, 0, 2)) is Fate.NOT_ALLOWED

    run_virtual(scenario)
    assert len(bench.wire.sent) == 2
    assert bench.responder.counts.fates[Fate.NOT_ALLOWED] == 2
    assert bench.responder.counts.received == 4


def test_a_source_has_its_burst_then_its_rate_and_others_are_not_charged() -> None:
    bench = Bench(ResponderSettings(answer=ANSWER, requests_per_second=2.0, burst=3))

    async def scenario() -> None:
        assert [bench.ask(now=10.0) for _ in range(4)] == [*[Fate.ANSWERED] * 3, Fate.RATE_LIMITED]
        assert bench.ask(("192.0.2.7", 9), now=10.0) is Fate.RATE_LIMITED  # another port, same host
        assert bench.ask(OTHER, now=10.0) is Fate.ANSWERED
        assert bench.ask(now=10.4) is Fate.RATE_LIMITED
        assert bench.ask(now=10.5) is Fate.ANSWERED
        assert bench.ask(now=10.5) is Fate.RATE_LIMITED
        assert [bench.ask(now=60.0) for _ in range(4)] == [*[Fate.ANSWERED] * 3, Fate.RATE_LIMITED]

    run_virtual(scenario)


def test_a_flood_of_sources_does_not_grow_the_table_without_bound() -> None:
    bench = Bench(ResponderSettings(answer=ANSWER, requests_per_second=1.0, burst=1))

    async def scenario() -> None:
        bench.ask(now=1.0)
        assert bench.ask(now=1.0) is Fate.RATE_LIMITED
        for number in range(10_001):
            bench.ask((f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", 1), now=1.0)
        assert len(bench.responder._rates._buckets) == 10_000
        assert bench.ask(now=1.0) is Fate.ANSWERED  # forgotten, so it starts afresh

    run_virtual(scenario)


def test_losses_are_the_share_asked_for_and_the_same_for_a_seed() -> None:
    async def scenario() -> None:
        for bench in benches:
            for _ in range(1000):
                bench.ask()

    benches = [
        Bench(ResponderSettings(answer=ANSWER, loss=0.3), seed=7),
        Bench(ResponderSettings(answer=ANSWER, loss=0.3), seed=7),
        Bench(ResponderSettings(answer=ANSWER, loss=1.0)),
        Bench(ResponderSettings(answer=ANSWER, loss=0.0)),
    ]
    run_virtual(scenario)
    first, same, all_lost, none_lost = benches
    assert first.fates == same.fates
    assert 250 < first.fates.count(Fate.LOST) < 350
    assert len(first.wire.sent) == 1000 - first.fates.count(Fate.LOST)
    assert (len(all_lost.wire.sent), len(none_lost.wire.sent)) == (0, 1000)


def test_each_answer_leaves_after_the_delay_in_order() -> None:
    bench = Bench(ResponderSettings(answer=ANSWER, delay_seconds=1.5))

    async def scenario() -> float:
        start = asyncio.get_running_loop().time()
        bench.ask(data=options("z9hG4bKa"))
        await asyncio.sleep(1.0)
        assert bench.ask(data=options("z9hG4bKb")) is Fate.ANSWERED
        assert bench.wire.sent == []
        await asyncio.sleep(10.0)
        return start

    start = run_virtual(scenario)
    assert [
        (moment - start, response.headers.first("Call-ID"))
        for moment, response, _ in bench.wire.sent
    ] == [(1.5, "z9hG4bKa"), (2.5, "z9hG4bKb")]


def test_answers_that_wait_are_bounded_and_given_up_at_the_end() -> None:
    bench = Bench(ResponderSettings(answer=ANSWER, delay_seconds=5.0))

    async def scenario() -> None:
        for _ in range(10_000):
            assert bench.ask() is Fate.ANSWERED
        assert bench.ask() is Fate.OVERFLOWED
        bench.responder.close()
        bench.responder.close()
        await asyncio.sleep(10.0)
        bench.responder.message_received(options(), PEER, 20.0)

    run_virtual(scenario)
    assert bench.wire.closed
    assert bench.wire.sent == []
    assert bench.responder.counts.received == 10_001


@pytest.mark.parametrize("protocol", TransportProtocol)
def test_draining_answers_503_with_retry_after_until_it_ends(protocol: TransportProtocol) -> None:
    settings = ResponderSettings(answer=ECHOING, drain_retry_after_seconds=90)
    bench = Bench(settings, protocol=protocol)

    async def scenario() -> None:
        bench.ask()
        bench.responder.draining = True
        bench.ask()
        bench.responder.draining = False
        bench.ask()

    run_virtual(scenario)
    assert bench.wire.codes == [200, 503, 200]
    assert bench.wire.sent[1][1].headers.first("Retry-After") == "90"
    assert [response.body for _, response, _ in bench.wire.sent] == [options(), b"", options()]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\r\n\r\n",
        b"hello",
        options(method="ACK"),
        b"SIP/2.0 200 OK\r\n\r\n",
        bytes(range(256)),
    ],
)
def test_what_must_not_be_answered_is_counted_and_dropped(data: bytes) -> None:
    bench = Bench()

    async def scenario() -> None:
        assert bench.ask(data=data) is Fate.NOT_ANSWERABLE

    run_virtual(scenario)
    assert bench.wire.sent == []


def test_an_answer_that_cannot_be_sent_is_counted() -> None:
    bench = Bench()

    async def scenario() -> None:
        bench.responder.send_failed(b"", PEER, FailureKind.REFUSED, "Connection refused", 0.0)
        bench.responder.batch_finished()

    run_virtual(scenario)
    assert bench.responder.counts.send_failures == 1


class MachineClock:
    def monotonic(self) -> float:
        return time.monotonic()

    def wall(self) -> float:
        return time.time()


def listening(protocol: TransportProtocol, host: str = "127.0.0.1", port: int = 0) -> SipListen:
    return SipListen(protocol, host, port)


async def responding(
    place: SipListen, settings: ResponderSettings, tls: ServerTls | None = None
) -> OptionsResponder:
    clock, rng = MachineClock(), random.Random(1)
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
        clock=MachineClock(),
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
        clock=MachineClock(),
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
