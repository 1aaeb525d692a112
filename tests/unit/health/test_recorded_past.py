from __future__ import annotations

import pytest

from trunkpulse.health.recorded_past import Record, with_past
from trunkpulse.health.replay import Observed, Replaying, replay
from trunkpulse.model import (
    AttemptEvidence,
    FailureKind,
    KeepalivePolicy,
    Reason,
    StateChange,
    TargetState,
    TrunkState,
)

POLICY = KeepalivePolicy()
START_MS = 1_700_000_000_000
URI, ADDRESS = "sip:192.0.2.1", "udp:192.0.2.1:5060"


def shown(
    second: int, state: TargetState, *, failures: int = 0, success: int | None = None
) -> AttemptEvidence:
    """An attempt, ``second`` seconds after the start, at the target."""
    return AttemptEvidence(
        target=URI,
        address=ADDRESS,
        state=state,
        code=None if failures else 200,
        failure=FailureKind.TIMEOUT if failures else None,
        at_ms=START_MS + second * 1000,
        failed_attempts=failures,
        last_success_ms=None if success is None else START_MS + success * 1000,
    )


def change(
    second: int, before: TrunkState, state: TrunkState, *evidence: AttemptEvidence
) -> StateChange:
    return StateChange(
        event_id=f"e-{second}",
        trunk_id="t",
        trunk_name="T",
        sequence=second,
        at_ms=START_MS + second * 1000,
        previous_state=before,
        state=state,
        reason=Reason.KEEPALIVE_FAILURE,
        failed_attempts=3,
        last_success_ms=None,
        instance_id="edge-1",
        region="default",
        evidence=evidence,
    )


OUTAGE = (
    change(
        100,
        TrunkState.AVAILABLE,
        TrunkState.DOWN,
        shown(100, TargetState.DOWN, failures=3, success=60),
    ),
    change(
        200, TrunkState.DOWN, TrunkState.AVAILABLE, shown(200, TargetState.AVAILABLE, success=200)
    ),
)


def past(*changes: StateChange, address: str | None = ADDRESS) -> Record:
    return with_past((), changes, URI, address, policy=POLICY, otherwise=TargetState.UNKNOWN)


def seconds(run: Observed) -> tuple[float, float, int | None, FailureKind | None]:
    start = START_MS / 1000
    return run.first_at - start, run.at - start, run.times, run.failure


def test_an_outage_is_put_together_from_its_two_changes() -> None:
    record = past(*OUTAGE)
    assert record.began is TargetState.AVAILABLE
    assert record.exact_from is None
    assert [seconds(run) for run in record.runs] == [
        (60, 60, None, None),
        # 3 until it was DOWN, then one each 15 s as long as it surely failed.
        (90, 175, 8, FailureKind.TIMEOUT),
        (195, 200, 2, None),
    ]


@pytest.mark.parametrize(("failures", "expected"), [(3, 2), (8, 2), (9, 0)])
def test_a_threshold_beyond_what_failed_finds_no_outage(failures: int, expected: int) -> None:
    record = past(*OUTAGE)
    other = KeepalivePolicy(max_failed_attempts=failures)
    changes, state = replay(record.runs, record.began, Replaying.of(POLICY, other, record.runs))
    assert len(changes) == expected
    assert state is TargetState.AVAILABLE


def test_what_another_address_showed_says_nothing() -> None:
    record = past(*OUTAGE, address="udp:192.0.2.9:5060")
    assert record == Record([], TargetState.UNKNOWN, None)
    assert past(*OUTAGE, address=None).runs == past(*OUTAGE).runs


def test_what_is_remembered_stands_for_itself() -> None:
    remembered = [Observed(START_MS / 1000 + 85, START_MS / 1000 + 300, 9, 200)]
    record = with_past(
        remembered, OUTAGE, URI, ADDRESS, policy=POLICY, otherwise=TargetState.UNKNOWN
    )
    assert [seconds(run) for run in record.runs] == [
        (60, 60, None, None),
        (85, 300, 9, None),
    ]
    assert record.exact_from == START_MS / 1000 + 85
