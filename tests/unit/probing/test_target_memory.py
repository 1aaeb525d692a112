"""What a target remembers, and that it takes little room while all is well."""

from __future__ import annotations

import sys

import pytest

from trunkpulse.health.hysteresis import advance
from trunkpulse.model import FailureKind, KeepalivePolicy, ProbeIdentity, TargetState
from trunkpulse.ports import Address
from trunkpulse.probing.attempt import Attempt
from trunkpulse.probing.numbers import Numbers
from trunkpulse.probing.target import ProbeSettings, ProbeTarget, Share
from unit.probing.probed import OPTIONS, Bench, Wire
from virtual_time import run_virtual

PLAIN = "sip:192.0.2.1:5060"
SETTINGS = ProbeSettings(KeepalivePolicy(), ProbeIdentity(), OPTIONS, Wire())


def target_at(address: Address | None, uri: str = PLAIN) -> ProbeTarget:
    target = ProbeTarget(uri, "trunk", SETTINGS, address)
    target.numbers, target.index = Numbers(), 0
    target.numbers.reset(0)
    return target


def succeed(target: ProbeTarget, at: float, *, rtt_seconds: float = 0.0125) -> None:
    """As pipeline and prober do of a target that is not AVAILABLE yet."""
    target.last_success = at
    target.remember(Attempt(at, 200, None, None, rtt_seconds))
    answered(target, rtt_seconds)


def answered(target: ProbeTarget, rtt_seconds: float, code: int = 200) -> None:
    target.numbers.answered(0, rtt_seconds, code)


def fail(target: ProbeTarget, at: float) -> None:
    target.remember(Attempt(at, None, FailureKind.TIMEOUT, "no answer", None))


@pytest.mark.parametrize(
    ("uri", "address"),
    [
        (PLAIN, ("192.0.2.1", 5060)),
        ("sip:192.0.2.1:61234", ("192.0.2.1", 61234)),
        ("sip:198.51.100.200", ("198.51.100.200", 5060)),
        ("sip:198.51.100.200:5", ("198.51.100.200", 5)),
        ("sip:192.0.2.1:5060", ("192.0.2.1", 5061)),
        ("sip:a.example", ("192.0.2.1", 5060)),
        ("sip:me@192.0.2.1:5060", ("192.0.2.1", 5060)),
        ("sip:[2001:db8::1]:5060", ("2001:db8::1", 5060, 0, 0)),
        ("sip:a.example", None),
    ],
)
def test_an_address_is_told_as_it_was_given(uri: str, address: Address | None) -> None:
    target = target_at(address, uri)
    assert target.address == address
    assert target.seen().evidence().address == (None if address is None else str(target.place))
    assert target.request_uri == uri.encode()


def test_a_target_may_move_away_from_its_address_and_back() -> None:
    target = target_at(("192.0.2.1", 5060))
    target.address = ("192.0.2.7", 5060)
    assert target.address == ("192.0.2.7", 5060)
    target.address = None
    assert target.address is None
    target.address = ("192.0.2.1", 5060)
    assert target.address == ("192.0.2.1", 5060)


def test_another_request_uri_is_taken_on_and_given_up_again() -> None:
    target = target_at(("192.0.2.1", 5060))
    identity = ProbeIdentity(request_uri="sip:ping@carrier.example")
    target.adopt(ProbeSettings(KeepalivePolicy(), identity, OPTIONS, Wire()))
    assert target.request_uri == b"sip:ping@carrier.example"
    target.adopt(SETTINGS)
    assert target.request_uri == PLAIN.encode()


def test_what_a_request_line_may_not_hold_is_left_out() -> None:
    target = target_at(("192.0.2.1", 5060), "sip:192.0.2.1:5060;method=INVITE;lr")
    assert target.request_uri == b"sip:192.0.2.1:5060;lr"


def test_what_is_rare_is_as_usual_until_it_is_set() -> None:
    target = target_at(("192.0.2.1", 5060))
    assert (target.share, target.locating, target.failure) == (Share(), False, None)
    assert target.attempts == ()
    target.share, target.locating = Share(1, 7), True
    target.unresolved = "no such name"
    assert (target.share, target.locating) == (Share(1, 7), True)
    assert target.unresolved == "no such name"


def test_a_target_that_has_only_gone_well_remembers_since_when() -> None:
    target = target_at(("192.0.2.1", 5060))
    succeed(target, 100.0)
    succeed(target, 105.0)
    assert target.attempts == ()
    target.last_success = 200.0
    answered(target, 0.025)
    (run,) = target.runs()
    assert run == Attempt(200.0, 200, None, None, 0.025, None, 100.0, None)


def test_what_went_well_is_there_to_be_seen_once_something_fails() -> None:
    target = target_at(("192.0.2.1", 5060))
    succeed(target, 100.0)
    target.last_success = 200.0
    fail(target, 230.0)
    well, failed = target.runs()
    assert (well.success, well.first_at, well.at, well.times) == (True, 100.0, 200.0, None)
    assert (failed.failure, failed.times) == (FailureKind.TIMEOUT, 1)


def test_what_it_is_judged_by_just_now_is_part_of_the_evidence() -> None:
    target = target_at(("192.0.2.1", 5060))
    target.last_success = 100.0
    attempt = Attempt(100.0, 204, None, None, 0.25)
    target.remember(attempt)
    evidence = target.seen(attempt).evidence()
    assert (evidence.code, evidence.rtt_ms, evidence.at_ms) == (204, 250.0, 100_000)


def test_a_target_that_failed_remembers_how_after_it_recovered() -> None:
    target = target_at(("192.0.2.1", 5060))
    fail(target, 100.0)
    succeed(target, 105.0)
    assert [run.success for run in target.runs()] == [False, True]
    assert target.failure is FailureKind.TIMEOUT


def test_the_unhealthy_answer_is_not_taken_for_the_success_before_it() -> None:
    target = target_at(("192.0.2.1", 5060))
    succeed(target, 100.0, rtt_seconds=0.25)
    unhealthy = FailureKind.UNHEALTHY_RESPONSE
    target.remember(Attempt(130.0, 503, unhealthy, "503", 0.5))
    answered(target, 0.5, 503)
    well, failed = target.runs()
    assert (well.code, well.rtt_seconds) == (200, 0.25)
    assert (failed.code, failed.rtt_seconds) == (503, 0.5)
    assert (target.code, target.rtt_seconds) == (503, 0.5)


def test_forgetting_begins_anew() -> None:
    target = target_at(("192.0.2.1", 5060))
    succeed(target, 100.0)
    target.forget()
    target.last_success = 300.0
    (run,) = target.runs()
    assert (run.first_at, target.state) == (None, TargetState.UNKNOWN)


def test_no_more_runs_are_remembered_than_sixteen() -> None:
    target = target_at(("192.0.2.1", 5060))
    for turn in range(20):
        fail(target, turn * 10.0)
        succeed(target, turn * 10.0 + 5.0)
    assert len(target.runs()) == 16
    assert target.runs()[-1].at == 195.0


def test_targets_that_had_the_same_run_share_it() -> None:
    one, other = target_at(("192.0.2.1", 5060)), target_at(("192.0.2.1", 5060))
    assert one.run is other.run
    for target in (one, other):
        target.run = advance(target.run, success=False, policy=KeepalivePolicy())
    assert (one.failures, one.run is other.run) == (1, True)
    one.state = other.state = TargetState.AVAILABLE
    assert (one.failures, one.run is other.run) == (0, True)


def test_a_target_that_is_well_is_one_object_of_fourteen_references() -> None:
    target = target_at(("192.0.2.1", 5060))
    bare = sys.getsizeof(target)
    succeed(target, 100.0)
    kept = [getattr(target, name) for name in ProbeTarget.__slots__]
    assert bare <= 14 * 8 + 32  # what every object has
    assert kept.count(None) == 2  # of a transaction, and of rarities
    assert not hasattr(target, "__dict__")


def test_requests_of_one_turn_share_their_number_and_those_of_a_target_count_up() -> None:
    async def story() -> None:
        bench = Bench(*[f"sip:192.0.2.{place}:5060" for place in range(1, 9)])
        for target in bench.targets:
            bench.prober.probe_at(target, bench.clock.monotonic())
        await bench.clock.advance(0.1)
        for position in range(8):
            bench.arrive(bench.answer_to(position))
        first = [target.sequence for target in bench.targets]
        for target in bench.targets:
            bench.prober.probe_at(target, bench.clock.monotonic())
        await bench.clock.advance(0.1)
        second = [target.sequence for target in bench.targets]
        assert all(then > before for before, then in zip(first, second, strict=True))
        assert len({id(target.sequence) for target in bench.targets}) == 1
        bench.prober.pause(bench.targets[0])
        bench.targets[0].sequence = 1_000_000  # as if it had been asked very often
        bench.prober.probe_at(bench.targets[0], bench.clock.monotonic())
        await bench.clock.advance(0.1)
        assert bench.targets[0].sequence == 1_000_001

    run_virtual(story)
