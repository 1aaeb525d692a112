import asyncio
import re
from collections.abc import Callable
from dataclasses import replace

import pytest

from trunkpulse.model import FailureKind, TransportProtocol
from trunkpulse.ports import Address, Obstacle
from trunkpulse.sip.headers import CSeq, NameAddr, Via
from unit.probing.probed import NEXT_SECONDS, Bench, Wire
from virtual_time import run_virtual

URI = "sip:192.0.2.1"
OTHER = "sip:192.0.2.2"


async def first_probe(bench: Bench) -> None:
    bench.prober.probe_at(bench.targets[0], bench.clock.monotonic())
    await bench.clock.advance(0.02)
    assert len(bench.wire.sent) == 1


def test_a_probe_is_a_correct_options_to_its_target() -> None:
    async def story() -> None:
        bench = Bench(URI)
        await first_probe(bench)
        (request,) = bench.requests()
        assert (request.method, request.uri) == ("OPTIONS", URI)
        assert bench.wire.sent[0][1] == ("192.0.2.1", 5060)
        via = Via.parse(request.headers.single("Via"))
        assert via.branch is not None
        assert via.branch.startswith("z9hG4bK")
        assert CSeq.parse(request.headers.single("CSeq")) == CSeq(1, "OPTIONS")
        sender = NameAddr.parse(request.headers.single("From"))
        receiver = NameAddr.parse(request.headers.single("To"))
        assert sender.tag is not None
        assert receiver.tag is None
        assert str(sender.uri) != str(receiver.uri)  # some far sides block a sender who is both

    run_virtual(story)


def test_a_healthy_answer_ends_the_attempt_and_the_next_is_counted_from_its_start() -> None:
    async def story() -> None:
        bench = Bench(URI)
        await first_probe(bench)
        started = bench.targets[0].started
        await bench.clock.advance(0.3)
        bench.arrive(bench.answer_to(0))
        assert bench.verdicts.seen == [(URI, 200)]
        assert bench.verdicts.rtts == [pytest.approx(bench.clock.monotonic() - started)]
        await bench.clock.advance(NEXT_SECONDS)
        assert len(bench.wire.sent) == 2
        assert bench.targets[0].started == pytest.approx(started + NEXT_SECONDS, abs=0.02)

    run_virtual(story)


def test_silence_is_retransmitted_by_timer_e_and_ends_at_the_timeout() -> None:
    async def story() -> None:
        bench = Bench(URI)
        await first_probe(bench)
        moments = [0.0]
        for hundredth in range(1, 450):
            await bench.clock.advance(0.01)
            if len(bench.wire.sent) > len(moments):
                moments.append(hundredth / 100)
        assert moments == pytest.approx([0.0, 0.5, 1.5, 3.5], abs=0.03)
        assert len({data for data, _ in bench.wire.sent}) == 1  # the same bytes each time
        assert bench.verdicts.seen == [(URI, FailureKind.TIMEOUT)]
        assert bench.prober.counts.retransmissions == 3

    run_virtual(story)


def test_a_late_answer_is_counted_and_changes_nothing() -> None:
    async def story() -> None:
        bench = Bench(URI, timeout_seconds=1.0)
        await first_probe(bench)
        late = bench.answer_to(0)
        await bench.clock.advance(1.5)
        bench.arrive(late)
        assert bench.verdicts.seen == [(URI, FailureKind.TIMEOUT)]
        assert bench.prober.counts.late_answers == 1
        await bench.clock.advance(NEXT_SECONDS - 1.0)
        assert len(bench.requests()) > 2
        bench.arrive(late)  # an answer to the first attempt while the second is under way
        assert bench.verdicts.seen == [(URI, FailureKind.TIMEOUT)]
        assert bench.prober.counts.late_answers == 2

    run_virtual(story)


def test_a_repeated_answer_is_judged_once() -> None:
    async def story() -> None:
        bench = Bench(URI)
        await first_probe(bench)
        bench.arrive(bench.answer_to(0))
        bench.arrive(bench.answer_to(0))
        assert bench.verdicts.seen == [(URI, 200)]
        assert bench.prober.counts.late_answers == 1

    run_virtual(story)


def test_a_provisional_answer_is_no_success_and_slows_retransmission() -> None:
    async def story() -> None:
        bench = Bench(URI, timeout_seconds=32.0)
        await first_probe(bench)
        bench.arrive(bench.answer_to(0).replace(b"200 OK", b"100 Trying", 1))
        assert bench.verdicts.seen == []
        await bench.clock.advance(10.0)
        assert len(bench.wire.sent) == 4  # at 0, 0.5, then every T2 = 4 s
        bench.arrive(bench.answer_to(0))
        assert bench.verdicts.seen == [(URI, 200)]

    run_virtual(story)


@pytest.mark.parametrize(
    "disguise",
    [
        lambda data: re.sub(rb"branch=[^;\r]+", lambda match: match[0].lower(), data, count=1),
        lambda data: re.sub(rb"branch=[^;\r]+", lambda match: match[0].upper(), data, count=1),
        lambda data: data.replace(b"Via:", b"v :", 1),
        lambda data: data.replace(b"Via: ", b"VIA:\r\n ", 1),
        lambda data: data.replace(b"\r\n", b"\n"),
        lambda data: b"\r\n\r\n" + data,
    ],
)
def test_an_answer_in_a_legal_disguise_is_recognised(disguise: Callable[[bytes], bytes]) -> None:
    async def story() -> None:
        bench = Bench(URI)
        await first_probe(bench)
        bench.arrive(disguise(bench.answer_to(0)), ("192.0.2.99", 6060))
        assert bench.verdicts.seen == [(URI, 200)]

    run_virtual(story)


@pytest.mark.parametrize(
    "distort",
    [
        lambda data: b"",
        lambda data: b"hello",
        lambda data: data[:40],
        lambda data: data.replace(b"z9hG4bK", b"z9hG4bX"),
        lambda data: data.replace(b" OPTIONS\r\n", b" INVITE\r\n"),
        lambda data: data.replace(b"Via: ", b"Via: SIP/2.0/UDP 192.0.2.7;branch=z9hG4bKx\r\nVia: "),
        lambda data: data.replace(b"SIP/2.0 200", b"SIP/2.0 2OO"),
    ],
)
def test_what_does_not_answer_the_probe_is_a_stranger(distort: Callable[[bytes], bytes]) -> None:
    async def story() -> None:
        bench = Bench(URI)
        await first_probe(bench)
        bench.arrive(distort(bench.answer_to(0)))
        assert bench.verdicts.seen == []
        assert bench.prober.counts.strangers == 1

    run_virtual(story)


def test_a_refusal_fails_only_the_attempt_that_it_quotes() -> None:
    async def story() -> None:
        bench = Bench(URI, OTHER)
        now = bench.clock.monotonic()
        for target in bench.targets:
            bench.prober.probe_at(target, now)
        await bench.clock.advance(0.02)
        data, destination = next(sent for sent in bench.wire.sent if sent[1][0] == "192.0.2.2")
        bench.prober.send_failed(
            data[:300], destination, FailureKind.REFUSED, "refused", bench.clock.monotonic()
        )
        assert bench.verdicts.seen == [(OTHER, FailureKind.REFUSED)]
        bench.prober.send_failed(data, destination, FailureKind.REFUSED, "refused", 0.0)
        assert len(bench.verdicts.seen) == 1  # the second refusal of a repeated datagram

    run_virtual(story)


def test_a_target_without_an_address_fails_by_name() -> None:
    async def story() -> None:
        bench = Bench("sip:nowhere.example.com")
        bench.prober.probe_at(bench.targets[0], bench.clock.monotonic())
        await bench.clock.advance(0.02)
        assert bench.verdicts.seen == [("sip:nowhere.example.com", FailureKind.DNS)]
        assert bench.wire.sent == []

    run_virtual(story)


def test_a_paused_target_is_neither_probed_nor_judged() -> None:
    async def story() -> None:
        bench = Bench(URI)
        await first_probe(bench)
        bench.prober.pause(bench.targets[0])
        bench.arrive(bench.answer_to(0))
        await bench.clock.advance(100.0)
        assert bench.verdicts.seen == []
        assert len(bench.wire.sent) == 1

    run_virtual(story)


def test_an_answer_for_a_removed_target_does_not_reach_its_successor() -> None:
    async def story() -> None:
        bench = Bench(URI)
        await first_probe(bench)
        old = bench.answer_to(0)
        removed = bench.targets[0]
        bench.prober.remove(removed)
        successor = Bench(OTHER).targets[0]
        bench.prober.add([successor])
        assert successor.index == 0  # the vacant slot is used again
        successor.settings = removed.settings
        bench.prober.probe_at(successor, bench.clock.monotonic())
        await bench.clock.advance(0.02)
        bench.arrive(old)
        assert bench.verdicts.seen == []
        bench.arrive(bench.answer_to(1))
        assert bench.verdicts.seen == [(OTHER, 200)]

    run_virtual(story)


def test_many_targets_are_each_probed_once_an_interval_and_never_in_a_burst() -> None:
    async def story() -> None:
        bench = Bench(*(f"sip:192.0.{number // 250}.{number % 250 + 1}" for number in range(3000)))
        bench.prober.spread(bench.targets)
        answered = 0
        for _ in range(240):
            before = len(bench.wire.sent)
            await bench.clock.advance(0.25)
            assert 20 <= len(bench.wire.sent) - before <= 30
            for position in range(answered, len(bench.wire.sent)):
                bench.arrive(bench.answer_to(position))
            answered = len(bench.wire.sent)
        assert set(bench.verdicts.seen) == {(target.uri, 200) for target in bench.targets}

    run_virtual(story)


def test_close_sends_nothing_more() -> None:
    async def story() -> None:
        bench = Bench(URI)
        bench.prober.spread(bench.targets)
        bench.prober.close()
        bench.prober.close()
        await asyncio.sleep(100)
        assert bench.wire.sent == []

    run_virtual(story)


def test_a_defect_at_one_target_does_not_stop_the_others() -> None:
    async def story() -> None:
        bench = Bench(URI, OTHER)

        class Broken(Wire):
            def send(self, data: bytes, destination: Address) -> None:
                raise TypeError("a transport that breaks its promise")

        complaints: list[str] = []
        asyncio.get_running_loop().set_exception_handler(
            lambda _, context: complaints.append(str(context["exception"]))
        )
        first = bench.targets[0]
        first.adopt(replace(first.settings, transport=Broken()))
        now = bench.clock.monotonic()
        for target in bench.targets:
            bench.prober.probe_at(target, now)
        await bench.clock.advance(1.0)
        assert [place[0] for _, place in bench.wire.sent] == ["192.0.2.2", "192.0.2.2"]
        assert complaints
        await bench.clock.advance(4.0)
        assert (URI, FailureKind.TIMEOUT) in bench.verdicts.seen

    run_virtual(story)


def test_nobody_is_overdue_who_waits_for_the_end_of_a_rest() -> None:
    async def story() -> None:
        bench = Bench(URI, OTHER)
        now = bench.clock.monotonic()
        bench.prober.probe_at(bench.targets[0], now + 1.0)
        bench.prober.probe_at(bench.targets[1], now + 1.012)
        await bench.clock.advance(1.022)
        assert len(bench.wire.sent) == 1, "the second one waits for the end of the rest"
        assert bench.prober.turns.overdue_seconds() == 0.0
        bench.prober.close()
        await bench.clock.advance(1.0)
        assert bench.prober.turns.overdue_seconds() == pytest.approx(1.0, abs=0.02)

    run_virtual(story)


def test_an_overdue_probe_is_noticed() -> None:
    async def story() -> None:
        bench = Bench(URI)
        assert bench.prober.turns.overdue_seconds() == 0.0
        bench.prober.probe_at(bench.targets[0], bench.clock.monotonic() + 10.0)
        assert bench.prober.turns.overdue_seconds() == 0.0
        bench.prober.close()  # the timer is gone: nothing leaves any more
        await bench.clock.advance(17.0)
        assert bench.prober.turns.overdue_seconds() == pytest.approx(7.0, abs=0.02)

    run_virtual(story)


# --- over connections ----------------------------------------------------------------------


def over_tcp() -> Bench:
    return Bench(URI, protocol=TransportProtocol.TCP)


def test_over_a_connection_nothing_is_sent_twice() -> None:
    async def story() -> None:
        bench = over_tcp()
        await first_probe(bench)
        await bench.clock.advance(3.9)
        assert len(bench.wire.sent) == 1
        await bench.clock.advance(0.2)
        assert bench.verdicts.seen == [(URI, FailureKind.TIMEOUT)]
        assert bench.wire.withdrawn == [bench.wire.sent[0][0]]

    run_virtual(story)


def test_a_request_that_never_left_is_no_silence_of_the_far_side() -> None:
    async def story() -> None:
        bench = over_tcp()
        bench.wire.obstacle = Obstacle(FailureKind.CONNECT_TIMEOUT, "no connection")
        await first_probe(bench)
        await bench.clock.advance(4.1)
        assert bench.verdicts.seen == [(URI, FailureKind.CONNECT_TIMEOUT)]
        assert (bench.prober.counts.timeouts, bench.prober.counts.network_errors) == (0, 1)

    run_virtual(story)


def test_the_round_trip_begins_when_the_connection_is_there() -> None:
    async def story() -> None:
        bench = over_tcp()
        await first_probe(bench)
        await bench.clock.advance(1.0)
        bench.prober.message_left(bench.wire.sent[0][0], bench.clock.monotonic())
        await bench.clock.advance(0.25)
        bench.arrive(bench.answer_to(0))
        assert bench.verdicts.rtts == [pytest.approx(0.25)]
        started = bench.targets[0].started
        await bench.clock.advance(NEXT_SECONDS - 1.0)
        assert bench.targets[0].started == pytest.approx(started + NEXT_SECONDS, abs=0.02)

    run_virtual(story)


def test_a_target_that_is_paused_or_removed_waits_for_nothing_any_more() -> None:
    async def story() -> None:
        bench = over_tcp()
        await first_probe(bench)
        bench.prober.pause(bench.targets[0])
        assert bench.wire.withdrawn == [bench.wire.sent[0][0]]

    run_virtual(story)


def test_an_answer_that_is_read_on_another_socket_ends_an_attempt_of_the_same_turn() -> None:
    async def story() -> None:
        bench = Bench(URI, OTHER)
        silent, quick = bench.targets
        socket = Wire()
        silent.settings = replace(silent.settings, transport=socket)
        bench.prober.probe_at(silent, bench.clock.monotonic())
        await bench.clock.advance(0.3)
        (moment,) = [bench.prober._wheel.moment_of(silent)]
        assert moment is not None
        bench.prober.probe_at(quick, moment)  # it has its turn before the silent one
        socket.unread = lambda: bench.arrive(bench.answer_to(-1))
        await bench.clock.advance(2.3)
        assert [uri for uri, _ in bench.verdicts.seen] == [OTHER]
        assert [address for _, address in bench.wire.sent] == [("192.0.2.2", 5060)]
        assert len(socket.sent) > 1

    run_virtual(story)


@pytest.mark.parametrize("mark", [b"-fffffffffffffff", b"+000000000000001", b"0000_0000_000001"])
def test_a_branch_that_only_looks_like_a_number_is_a_strangers(mark: bytes) -> None:
    async def story() -> None:
        bench = Bench(URI)
        await first_probe(bench)
        answer = bench.answer_to(0)
        place = answer.index(b"z9hG4bK") + len(b"z9hG4bK") + 16
        bench.arrive(answer[:place] + mark + answer[place + len(mark) :])
        assert (bench.prober.counts.strangers, bench.verdicts.seen) == (1, [])

    run_virtual(story)
