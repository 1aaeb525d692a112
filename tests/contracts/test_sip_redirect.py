"""What the redirect server keeps to: one answer for each call, and none for whom it cannot help."""

from __future__ import annotations

import asyncio
import random
import sys
from collections.abc import Awaitable, Callable
from types import FrameType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.redirect_bench import PEER, RedirectBench
from contracts.responder_bench import options
from trunkpulse.adapters.call_table import STANDING_SECONDS, CallTable, KnownCall
from trunkpulse.adapters.network.responder import Fate, ResponderSettings
from trunkpulse.adapters.sip_redirect import RedirectSettings, Refused
from trunkpulse.model import TransportProtocol
from trunkpulse.sip.server import AnswerSettings
from unit.sip.calls import ack, invite
from virtual_time import run_virtual

Scenario = Callable[[RedirectBench], Awaitable[None]]
TraceFunction = Callable[[FrameType, str, object], "TraceFunction | None"]


def play(scenario: Scenario, made: Callable[[], RedirectBench] = RedirectBench) -> RedirectBench:
    """What became of it, once nothing more can happen."""

    async def run() -> RedirectBench:
        bench = made()
        await scenario(bench)
        return bench

    return run_virtual(run)


def test_a_call_is_told_where_to_go_and_its_repetition_the_same() -> None:
    async def scenario(bench: RedirectBench) -> None:
        assert bench.hear(invite()) is Fate.ANSWERED
        assert bench.hear(b"\r\n" + invite()) is Fate.ANSWERED
        bench.hear(ack())
        assert bench.hear(invite()) is Fate.ANSWERED
        await asyncio.sleep(60)

    bench = play(scenario)
    first, again = bench.answers
    assert (first.code, first.reason) == (302, "Moved Temporarily")
    assert first.headers.first("Contact") == "<sip:+15551230001@198.51.100.1>;q=1.0"
    assert first == again
    assert len(bench.decided) == 1
    assert (bench.counts.answers, bench.counts.absorbed) == ({302: 1}, 2)
    assert bench.counts.seconds.total == 1


def test_without_an_ack_the_answer_is_repeated_until_timer_h_and_then_forgotten() -> None:
    async def scenario(bench: RedirectBench) -> None:
        bench.hear(invite())
        await asyncio.sleep(60)
        bench.hear(invite())

    bench = play(scenario)
    begun = bench.moments[0]
    repeated = [0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]
    assert [moment - begun for moment in bench.moments[1:-1]] == pytest.approx(repeated, abs=0.15)
    assert bench.counts.unacknowledged == 1
    assert len(bench.decided) == 2


def test_the_ack_ends_the_repetitions_and_timer_i_forgets_the_call() -> None:
    async def scenario(bench: RedirectBench) -> None:
        bench.hear(invite())
        assert bench.hear(ack()) is Fate.NOT_ANSWERABLE
        assert bench.hear(ack("z9hG4bKnever-heard-of")) is Fate.NOT_ANSWERABLE
        await asyncio.sleep(4.5)
        bench.hear(invite())
        await asyncio.sleep(1.0)
        assert len(bench.answers) == 1
        bench.hear(invite())

    assert len(play(scenario).decided) == 2


@pytest.mark.parametrize("protocol", [TransportProtocol.TCP, TransportProtocol.TLS])
def test_on_a_connection_nothing_is_repeated_and_the_ack_ends_it_all(
    protocol: TransportProtocol,
) -> None:
    async def scenario(bench: RedirectBench) -> None:
        source = ("192.0.2.7", 40_000)
        bench.hear(invite(transport="TCP", via="192.0.2.9:5060"), source)
        await asyncio.sleep(10)
        bench.hear(ack(transport="TCP", via="192.0.2.9:5060"), source)
        bench.hear(invite(transport="TCP", via="192.0.2.9:5060"), source)
        await asyncio.sleep(60)

    bench = play(scenario, lambda: RedirectBench(protocol=protocol))
    assert [destination for _, _, destination in bench.wire.sent] == [("192.0.2.7", 40_000)] * 2
    assert len(bench.decided) == 2
    assert bench.counts.unacknowledged == 1


def test_a_cancel_is_answered_and_cancels_nothing() -> None:
    async def scenario(bench: RedirectBench) -> None:
        bench.hear(invite(method="CANCEL", body=b""))
        bench.hear(invite())
        bench.hear(invite(method="CANCEL", body=b""))

    bench = play(scenario)
    assert bench.wire.codes == [481, 302, 200]
    assert bench.answers[1].headers.first("To") == bench.answers[2].headers.first("To")


def test_the_answer_goes_back_to_the_source_by_the_port_that_the_via_asks_for() -> None:
    async def scenario(bench: RedirectBench) -> None:
        bench.hear(invite(branch="z9hG4bKa"), ("192.0.2.7", 40_000))
        bench.hear(invite(branch="z9hG4bKb", via="192.0.2.7:5080"), ("192.0.2.7", 40_000))
        bench.hear(invite(branch="z9hG4bKc", via="[fe80::1]:5060"), ("fe80::1%eth0", 5062, 0, 3))

    assert [destination for _, _, destination in play(scenario).wire.sent] == [
        ("192.0.2.7", 40_000), ("192.0.2.7", 5080), ("fe80::1%eth0", 5060, 0, 3),
    ]  # fmt: skip


def test_everything_but_calls_and_options_is_405_with_what_is_allowed() -> None:
    async def scenario(bench: RedirectBench) -> None:
        for method in ("REGISTER", "BYE", "SUBSCRIBE", "OPTIONS"):
            bench.hear(options(method=method))

    bench = play(scenario)
    assert bench.wire.codes == [405, 405, 405, 200]
    assert {answer.headers.first("Allow") for answer in bench.answers} == {
        "INVITE, ACK, CANCEL, OPTIONS"
    }


@pytest.mark.parametrize(
    ("data", "codes"),
    [
        (invite().replace(b"1 INVITE", b"1 BYE"), [400]),
        (invite().replace(b"SIP/2.0\r\nVia", b"SIP/3.0\r\nVia"), [505]),
        (invite().replace(b"Call-ID", b"Call-IDs"), []),
        (b"INVITE nonsense", []),
        (ack().replace(b"Via", b"Vie"), []),
    ],
)
def test_what_cannot_be_read_is_refused_or_passed_over(data: bytes, codes: list[int]) -> None:
    async def scenario(bench: RedirectBench) -> None:
        bench.hear(data)

    bench = play(scenario)
    assert bench.wire.codes == codes
    assert bench.decided == []


def test_strangers_hear_nothing() -> None:
    async def scenario(bench: RedirectBench) -> None:
        for data in (invite(), ack(), invite(method="CANCEL", body=b"")):
            assert bench.hear(data) is Fate.NOT_ALLOWED

    nobody = ResponderSettings(answer=AnswerSettings(tag_key=b"key"), allow=())
    assert play(scenario, lambda: RedirectBench(settings=nobody)).wire.sent == []


def test_while_draining_calls_are_sent_elsewhere() -> None:
    async def scenario(bench: RedirectBench) -> None:
        bench.hear(invite())
        bench.responder.draining = True
        bench.hear(invite())
        bench.hear(invite(branch="z9hG4bKnew"))

    bench = play(scenario)
    assert bench.wire.codes == [302, 302, 503]  # what was answered before stays answered
    assert bench.answers[2].headers.first("Retry-After") == "60"
    assert bench.counts.refused[Refused.DRAINING] == 1


def test_a_source_beyond_its_rate_is_refused_and_others_are_not_charged() -> None:
    async def scenario(bench: RedirectBench) -> None:
        for number in range(4):
            bench.hear(invite(branch=f"z9hG4bK{number}"))
        bench.hear(invite(branch="z9hG4bKother"), ("192.0.2.8", 5060))
        assert bench.hear(options()) is Fate.ANSWERED
        await asyncio.sleep(1.0)
        bench.hear(invite(branch="z9hG4bKlater"))
        bench.hear(invite(branch="z9hG4bK0"))

    bench = play(scenario, lambda: RedirectBench(calls_per_second=3.0))
    assert bench.wire.codes[:6] == [302, 302, 302, 503, 302, 200]
    assert bench.wire.codes[-2:] == [302, 302]
    refusal = bench.answers[3]
    assert refusal.headers.first("Retry-After") == "1"
    assert "more often than you may" in (refusal.headers.first("Warning") or "")
    assert bench.counts.refused[Refused.RATE] == 1
    assert len(bench.decided) == 5


def test_the_rate_of_a_source_is_one_for_all_addresses() -> None:
    rates = RedirectSettings(tag_key=b"key", calls_per_second=3.0).rates()

    async def run() -> list[int]:
        benches = [RedirectBench(rates=rates) for _ in range(2)]
        for number in range(4):
            for bench in benches:
                bench.hear(invite(branch=f"z9hG4bK{number}"))
        return [bench.wire.codes.count(302) for bench in benches]

    assert run_virtual(run) == [2, 1]


def test_a_full_table_gives_up_what_has_its_ack_and_then_refuses() -> None:
    """Of six calls that fit, three of one source: as many as are free then."""

    async def scenario(bench: RedirectBench) -> None:
        for number in range(3):
            bench.hear(invite(branch=f"z9hG4bK{number}"))
        bench.hear(invite(branch="z9hG4bKtoo-many"))
        bench.hear(ack("z9hG4bK1"))
        bench.hear(ack("z9hG4bK0"))
        for number in range(3, 5):
            bench.hear(invite(branch=f"z9hG4bK{number}"))
        for number in range(2):
            bench.hear(invite(branch=f"z9hG4bKother{number}"), ("192.0.2.8", 5060))
        decided = len(bench.decided)
        bench.hear(invite(branch="z9hG4bK0"))  # kept, and absorbed
        assert len(bench.decided) == decided
        for number in range(2, 4):
            bench.hear(ack(f"z9hG4bK{number}"))
        bench.hear(invite(branch="z9hG4bK1"))  # had its ACK first, and gave way
        assert len(bench.decided) == decided + 1
        await asyncio.sleep(60)

    bench = play(scenario, lambda: RedirectBench(most_calls=6))
    assert bench.wire.codes[:5] == [302, 302, 302, 503, 302]
    assert bench.counts.refused[Refused.TABLE] == 1


def test_a_source_without_acks_is_refused_and_others_are_not() -> None:
    async def scenario(bench: RedirectBench) -> None:
        for number in range(40):
            bench.hear(invite(branch=f"z9hG4bKdeaf{number}"))
        assert bench.wire.codes == [302] * 20 + [503] * 20
        bench.hear(ack("z9hG4bKdeaf3"))
        bench.hear(invite(branch="z9hG4bKone-for-one"))
        bench.hear(invite(branch="z9hG4bKtoo-many"))
        assert bench.wire.codes[40:] == [302, 503]
        for number in range(200):
            branch, source = f"z9hG4bKgood{number}", (f"192.0.2.{10 + number % 3}", 5060)
            bench.hear(invite(branch=branch), source)
            bench.hear(ack(branch), source)
        assert bench.wire.codes[42:] == [302] * 200
        await asyncio.sleep(60)
        sent = len(bench.wire.codes)
        for number in range(21):
            bench.hear(invite(branch=f"z9hG4bKlater{number}"))
        assert bench.wire.codes[sent:] == [302] * 20 + [503]

    bench = play(scenario, lambda: RedirectBench(most_calls=40))
    assert "of your calls wait" in (bench.answers[20].headers.first("Warning") or "")


def test_as_many_answers_are_kept_as_there_are_bytes_for() -> None:
    """With an ACK an answer is kept no longer."""
    table = CallTable(1000, 100_000)

    def answered(number: int, host: str) -> KnownCall | None:
        if not table.make_room(host):
            return None
        call = KnownCall(b"%d" % number, (host, 5060), 0.0, reliable=False)
        call.on_answer(b"x" * 10_000, 0.0)
        table.add(call)
        return call

    one = [answered(number, "192.0.2.7") for number in range(10)]
    other = [answered(100 + number, "192.0.2.8") for number in range(10)]
    kept = [call for call in one if call], [call for call in other if call]
    assert [len(each) for each in kept] == [5, 3]
    for call in kept[0]:
        call.on_ack(1.0)
        table.confirm(call)
    assert [answered(200 + number, "192.0.2.7") is None for number in range(5)] == [False] * 4 + [
        True
    ]


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (invite("sip:+15551230001;x=" + "y" * 1000 + "@198.51.100.1"), 414),
        (invite(more=f"Via: SIP/2.0/UDP 192.0.2.98;branch=z9hG4bK{'v' * 4200}\r\n" * 2), 513),
        (invite(branch="z9hG4bK" + "b" * 5000), 513),  # and in the Call-ID
    ],
)
def test_what_would_have_a_very_long_answer_is_refused_and_not_remembered(
    data: bytes, code: int
) -> None:
    async def scenario(bench: RedirectBench) -> None:
        bench.hear(data)
        bench.hear(data)
        await asyncio.sleep(60)

    bench = play(scenario)
    assert bench.wire.codes == [code, code]
    assert bench.answers[0] == bench.answers[1]
    assert bench.decided == []
    assert bench.counts.answers == {code: 2}


def test_the_first_call_after_a_quiet_night_waits_for_nothing() -> None:
    lines = 0

    def count(frame: FrameType, event: str, _: object) -> TraceFunction | None:
        nonlocal lines
        lines += event == "line"
        return count if frame.f_code.co_name == "take" else None

    async def scenario(bench: RedirectBench) -> None:
        bench.hear(invite())
        bench.hear(ack())
        await asyncio.sleep(3600.0)
        before = sys.gettrace()
        sys.settrace(count)
        bench.hear(invite(branch="z9hG4bKfirst"))
        await asyncio.sleep(0.6)
        sys.settrace(before)

    bench = play(scenario)
    assert len(bench.answers) == 3  # the second was not acknowledged, so it was repeated
    assert 0 < lines < 1000


def test_a_queue_that_stands_is_refused_and_one_that_is_worked_off_is_not() -> None:
    async def scenario(bench: RedirectBench) -> None:
        numbers = iter(range(1000))
        for _ in range(20):  # after a hiccup all have waited
            bench.hear(invite(branch=f"z9hG4bK{next(numbers)}"), waited=0.4)
        assert 503 not in bench.wire.codes
        while bench.wire.codes[-1] != 503:
            await asyncio.sleep(0.01)
            bench.hear(invite(branch=f"z9hG4bK{next(numbers)}"), waited=0.06)
        bench.hear(invite(branch=f"z9hG4bK{next(numbers)}"), waited=0.01)
        await asyncio.sleep(5.0)
        bench.hear(invite(branch=f"z9hG4bK{next(numbers)}"), waited=0.06)

    bench = play(scenario)
    first = [response.code for response in bench.answers].index(503)
    assert bench.moments[first] - bench.moments[0] == pytest.approx(STANDING_SECONDS, abs=0.02)
    assert bench.counts.refused[Refused.QUEUE] == 1
    assert 503 not in bench.wire.codes[first + 1 :]


def test_while_a_queue_stands_one_call_in_four_is_still_decided() -> None:
    async def scenario(bench: RedirectBench) -> None:
        for number in range(100):
            bench.hear(invite(branch=f"z9hG4bK{number}"), waited=0.2)
            await asyncio.sleep(0.01)

    bench = play(scenario)
    standing = 100 - bench.wire.codes.index(503)
    assert bench.wire.codes.count(503) == standing - standing // 4


def test_at_its_end_it_repeats_nothing_more() -> None:
    async def scenario(bench: RedirectBench) -> None:
        bench.hear(invite())
        bench.responder.close()
        await asyncio.sleep(60)

    assert len(play(scenario).wire.sent) == 1


@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    protocol=st.sampled_from(TransportProtocol),
    most_calls=st.integers(1, 6),
)
def test_whatever_comes_each_call_has_one_answer_while_it_is_remembered(
    seed: int, protocol: TransportProtocol, most_calls: int
) -> None:
    rng = random.Random(seed)

    async def scenario(bench: RedirectBench) -> None:
        for _ in range(80):
            branch = f"z9hG4bK{rng.randrange(8)}"
            data = rng.choice(
                [
                    invite(branch=branch),
                    ack(branch),
                    invite(branch=branch, method="CANCEL", body=b""),
                ]
            )
            bench.hear(data, PEER, waited=rng.choice([0.0, 0.0, 0.2]))
            await asyncio.sleep(rng.choice([0.0, 0.01, 1.0]))
        await asyncio.sleep(100.0)

    bench = play(scenario, lambda: RedirectBench(protocol=protocol, most_calls=most_calls))
    places = [answer.headers.first("Contact") for answer in bench.answers if answer.code == 302]
    assert len(set(places)) == len(bench.decided) == bench.counts.answers.get(302, 0)
    assert bench.counts.answers.get(503, 0) == sum(bench.counts.refused.values())
