"""What the OPTIONS responder keeps: on a virtual clock, and once over real sockets."""

from __future__ import annotations

import asyncio
import ipaddress
import random
import socket
import time
from contextlib import closing

import pytest

from trunkpulse.adapters.network.responder import Fate, OptionsResponder, ResponderSettings
from trunkpulse.model import FailureKind
from trunkpulse.ports import Address
from trunkpulse.sip.message import Response, parse_message
from trunkpulse.sip.server import AnswerSettings
from virtual_time import run_virtual

PEER: Address = ("192.0.2.7", 5060)
OTHER: Address = ("192.0.2.8", 5060)
ANSWER = AnswerSettings(tag_key=b"key")


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

    def __init__(self) -> None:
        self.sent: list[tuple[float, Response, Address]] = []
        self.closed = False

    @property
    def local_address(self) -> Address:
        return ("198.51.100.1", 5060)

    def send(self, data: bytes, destination: Address) -> None:
        message = parse_message(data)
        assert isinstance(message, Response)
        self.sent.append((asyncio.get_running_loop().time(), message, destination))

    def close(self) -> None:
        self.closed = True

    @property
    def codes(self) -> list[int]:
        return [response.code for _, response, _ in self.sent]


class Bench:
    """A responder on a wire of its own."""

    def __init__(self, settings: ResponderSettings | None = None, *, seed: int = 1) -> None:
        self.wire = Wire()
        self.fates: list[Fate] = []
        self.responder = OptionsResponder(
            settings or ResponderSettings(answer=ANSWER),
            open_transport=lambda receiver: self.wire,
            rng=random.Random(seed),
            heard=lambda data, source, fate: self.fates.append(fate),
        )

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


def test_draining_answers_503_with_retry_after_until_it_ends() -> None:
    bench = Bench(ResponderSettings(answer=ANSWER, drain_retry_after_seconds=90))

    async def scenario() -> None:
        bench.ask()
        bench.responder.draining = True
        bench.ask()
        bench.responder.draining = False
        bench.ask()

    run_virtual(scenario)
    assert bench.wire.codes == [200, 503, 200]
    assert bench.wire.sent[1][1].headers.first("Retry-After") == "90"


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


async def test_over_real_sockets_the_answer_comes_from_the_address_that_was_asked() -> None:
    settings = ResponderSettings(answer=AnswerSettings(tag_key=b"key"))
    responder = OptionsResponder.listen(
        ("127.0.0.1", 0), settings, clock=MachineClock(), rng=random.Random(1)
    )
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


async def test_an_address_of_another_machine_is_one_sentence() -> None:
    with pytest.raises(OSError, match=r"cannot open UDP 192\.0\.2\.1:5060 \(this machine"):
        OptionsResponder.listen(
            ("192.0.2.1", 5060),
            ResponderSettings(answer=AnswerSettings(tag_key=b"key")),
            clock=MachineClock(),
            rng=random.Random(1),
        )
