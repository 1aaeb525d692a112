"""What is remembered of a target says which successes were calls and which were probes."""

from __future__ import annotations

from trunkpulse.model import FailureKind, KeepalivePolicy, ProbeIdentity, TargetState
from trunkpulse.probing.attempt import Attempt
from trunkpulse.probing.target import ProbeSettings, ProbeTarget
from unit.probing.probed import OPTIONS, Wire

CALL = "a call to it was answered 200"


def a_target() -> ProbeTarget:
    settings = ProbeSettings(KeepalivePolicy(), ProbeIdentity(), OPTIONS, Wire())
    return ProbeTarget("sip:192.0.2.1", "trunk", settings, ("192.0.2.1", 5060))


def call(at: float) -> Attempt:
    return Attempt(at, None, None, CALL, None)


def failed(at: float) -> Attempt:
    return Attempt(at, None, FailureKind.TIMEOUT, "no answer", None)


def probed(target: ProbeTarget, at: float) -> None:
    target.last_success = at
    target.remember(Attempt(at, 200, None, None, 0.02))


def shown(target: ProbeTarget) -> list[tuple[str | None, float, int | None]]:
    return [(run.detail, run.at, run.times) for run in target.runs()]


def test_a_call_is_remembered_as_such_even_where_nothing_else_is() -> None:
    target = a_target()
    target.remember(call(1.0))
    target.remember(call(2.0))
    assert shown(target) == [(CALL, 2.0, 2)]
    assert (target.last_success, target.evidence().code) == (None, None)
    assert target.evidence().detail == CALL


def test_probes_before_and_after_a_call_are_not_counted_among_calls() -> None:
    target = a_target()
    probed(target, 1.0)
    target.remember(call(2.0))
    assert shown(target) == [(None, 1.0, None), (CALL, 2.0, 1)]
    target.state = TargetState.AVAILABLE
    target.last_success = 3.0  # all is well, so it is not remembered one by one
    assert shown(target) == [(None, 1.0, None), (CALL, 2.0, 1), (None, 3.0, None)]
    assert target.evidence().detail is None
    target.remember(failed(4.0))
    assert [detail for detail, _, _ in shown(target)] == [None, CALL, None, "no answer"]


def test_a_call_and_the_probe_that_follows_it_are_two() -> None:
    target = a_target()
    target.remember(failed(1.0))
    target.remember(call(2.0))
    probed(target, 3.0)
    assert shown(target) == [("no answer", 1.0, 1), (CALL, 2.0, 1), (None, 3.0, 1)]


def test_what_calls_prove_goes_and_what_is_remembered_stays() -> None:
    target = a_target()
    target.witness()
    target.remember(call(1.0))
    target.without_calls()
    assert target.live is None
    assert shown(target) == [(CALL, 1.0, 1)]
