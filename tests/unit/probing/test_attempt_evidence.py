"""What is told of a target's last attempt, whatever the wall clock did meanwhile."""

from __future__ import annotations

from trunkpulse.model import FailureKind, TargetState, TransportProtocol
from trunkpulse.probing.attempt import Attempt, Seen

SILENCE = Attempt(1000.0, None, FailureKind.TIMEOUT, "no final answer within 4 s", None)


def seen(failures: int, last: Attempt, last_success: float) -> Seen:
    return Seen(
        "sip:192.0.2.1",
        TransportProtocol.UDP,
        ("192.0.2.1", 5060),
        TargetState.AVAILABLE,
        failures,
        last,
        last_success,
        200,
        0.02,
    )


def test_a_failure_after_the_clock_was_set_back_is_told_as_a_failure() -> None:
    evidence = seen(1, SILENCE, last_success=4600.0).evidence()
    assert evidence.failure is FailureKind.TIMEOUT
    assert evidence.code is None
    assert evidence.at_ms == 1_000_000
    assert evidence.last_success_ms == 4_600_000


def test_a_success_after_a_failure_that_did_not_count_is_told_as_a_success() -> None:
    evidence = seen(0, SILENCE, last_success=1010.0).evidence()
    assert evidence.failure is None
    assert evidence.code == 200
    assert evidence.at_ms == 1_010_000
