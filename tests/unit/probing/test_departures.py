"""First requests leave together, and each is known by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from trunkpulse.model import KeepalivePolicy, ProbeIdentity
from trunkpulse.ports import Address
from trunkpulse.probing.departures import MOST_TOGETHER
from trunkpulse.probing.exchanges import LARGEST_CSEQ
from trunkpulse.probing.target import ProbeSettings
from trunkpulse.sip.message import Request, parse_message
from trunkpulse.sip.request import SharedOptions
from unit.probing.probed import NEXT_SECONDS, OPTIONS, Bench, Wire
from virtual_time import run_virtual


def uris(count: int) -> list[str]:
    return [f"sip:192.0.2.{number}" for number in range(1, count + 1)]


def ask_all(bench: Bench) -> None:
    for target in bench.targets:
        bench.prober.probe_at(target, bench.clock.monotonic())


def test_many_that_are_due_leave_together_but_not_too_many() -> None:
    async def story() -> None:
        bench = Bench(*uris(MOST_TOGETHER + 3))
        ask_all(bench)
        await bench.clock.advance(0.02)
        assert bench.wire.together == [MOST_TOGETHER, 3]
        assert bench.prober.counts.attempts == MOST_TOGETHER + 3
        assert {request.uri for request in bench.requests()} == {each.uri for each in bench.targets}
        (moment,) = {target.started for target in bench.targets}  # one turn takes no time here
        assert 0.0 <= bench.clock.monotonic() - moment <= 0.02
        for position in range(MOST_TOGETHER + 3):
            bench.arrive(bench.answer_to(position))
        assert len(bench.verdicts.seen) == MOST_TOGETHER + 3

    run_virtual(story)


def test_no_two_requests_to_a_target_are_alike() -> None:
    async def story() -> None:
        bench = Bench(*uris(4))
        ask_all(bench)
        await bench.clock.advance(0.02)
        for position in range(4):
            bench.arrive(bench.answer_to(position))
        await bench.clock.advance(31.0)
        assert bench.wire.together == [4, 4]
        requests = bench.requests()
        numbers = [int(each.headers.single("CSeq").split()[0]) for each in requests]
        assert max(numbers[:4]) < min(numbers[4:])  # RFC 3261 8.1.1.5, as if it were one dialogue
        assert len({each.headers.single("Via") for each in requests}) == 8
        assert len({each.headers.single("Call-ID") for each in requests}) == 8

    run_virtual(story)


def test_whoever_is_asked_for_something_else_leaves_with_the_others() -> None:
    async def story() -> None:
        bench = Bench(*uris(6))
        other = SharedOptions(sent_by="127.0.0.1:5070", user_agent="another")
        settings = bench.targets[0].settings
        theirs = ProbeSettings(settings.policy, settings.identity, other, settings.transport)
        for target in bench.targets[::2]:
            target.adopt(theirs)
        ask_all(bench)
        await bench.clock.advance(0.02)
        assert bench.wire.together == [6]
        asked = {request.uri: request.headers.first("User-Agent") for request in bench.requests()}
        assert asked == {
            uri: "trunkpulse" if number % 2 else "another" for number, uri in enumerate(uris(6))
        }

    run_virtual(story)


def test_each_socket_has_a_batch_of_its_own() -> None:
    async def story() -> None:
        bench = Bench(*uris(5))
        wire = Wire(local_address=("127.0.0.1", 5080))
        theirs = ProbeSettings(KeepalivePolicy(), ProbeIdentity(), OPTIONS, wire)
        for target in bench.targets[:2]:
            target.adopt(theirs)
        ask_all(bench)
        await bench.clock.advance(0.02)
        assert {place for _, (place, *_) in wire.sent} == {"192.0.2.1", "192.0.2.2"}
        assert len(bench.wire.sent) == 3

    run_virtual(story)


def test_what_a_defect_kept_from_leaving_is_asked_again_by_timer_e() -> None:
    class Broken(Wire):
        def send_many(self, messages: Sequence[bytes], destinations: Sequence[Address]) -> None:
            raise RuntimeError("a defect")

    async def story() -> None:
        bench = Bench(*uris(4))
        wire = Broken()
        complaints: list[str] = []
        asyncio.get_running_loop().set_exception_handler(
            lambda _, context: complaints.append(str(context["exception"]))
        )
        for target in bench.targets:
            target.adopt(replace(target.settings, transport=wire))
        ask_all(bench)
        await bench.clock.advance(0.02)
        assert complaints == ["a defect"]
        assert wire.sent == []
        await bench.clock.advance(0.6)
        assert complaints == ["a defect"]
        sent = [parse_message(data) for data, _ in wire.sent]
        assert {each.uri for each in sent if isinstance(each, Request)} == set(uris(4))

    run_virtual(story)


def test_targets_leave_together_again_once_the_numbers_have_begun_anew() -> None:
    async def story() -> None:
        bench = Bench(*uris(4))
        for target in bench.targets:
            target.sequence = LARGEST_CSEQ - 1
        ask_all(bench)
        rounds = 3
        for begun in range(rounds):
            await bench.clock.advance(0.02 if begun == 0 else NEXT_SECONDS + 0.1)
            for position in range(4 * begun, 4 * begun + 4):
                bench.arrive(bench.answer_to(position))
        assert bench.wire.together == [4, 4]
        assert len(bench.verdicts.seen) == 4 * rounds

    run_virtual(story)
