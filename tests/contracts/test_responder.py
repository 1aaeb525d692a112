"""What the OPTIONS responder keeps to, on a virtual clock."""

from __future__ import annotations

import asyncio
import ipaddress

import pytest

from contracts.responder_bench import ANSWER, ECHOING, PEER, RESPONSE, Bench, Waiting, options
from trunkpulse.adapters.network.responder import Fate, ResponderSettings
from trunkpulse.model import FailureKind, TransportProtocol
from trunkpulse.ports import Address
from trunkpulse.sip.server import AnswerSettings
from virtual_time import run_virtual

OTHER: Address = ("192.0.2.8", 5060)


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
