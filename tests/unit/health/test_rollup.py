import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkpulse.health.rollup import failure_reason, roll_up
from trunkpulse.model import FailureKind, Reason, TargetState, TrunkState

U, A, D = TargetState.UNKNOWN, TargetState.AVAILABLE, TargetState.DOWN
targets = st.lists(st.sampled_from(TargetState), min_size=1, max_size=8)


@pytest.mark.parametrize(
    ("states", "min_available", "expected"),
    [
        ([A], 1, TrunkState.AVAILABLE),
        ([D], 1, TrunkState.DOWN),
        ([A, D], 1, TrunkState.DEGRADED),
        ([A, D], 2, TrunkState.DOWN),
        ([A, A, D], 2, TrunkState.DEGRADED),
        ([A, U], 1, TrunkState.AVAILABLE),
        ([A, U], 2, TrunkState.UNKNOWN),
        ([U, D], 1, TrunkState.UNKNOWN),
        ([U, D], 2, TrunkState.DOWN),
        ([U], 1, TrunkState.UNKNOWN),
    ],
)
def test_roll_up_of_an_undecided_trunk(
    states: list[TargetState], min_available: int, expected: TrunkState
) -> None:
    rolled = roll_up(states, min_available=min_available, previous=TrunkState.UNKNOWN)
    assert rolled is expected


def test_a_decided_trunk_does_not_become_unknown_because_of_a_new_target() -> None:
    assert roll_up([D, U], min_available=1, previous=TrunkState.AVAILABLE) is TrunkState.AVAILABLE
    assert roll_up([D, U], min_available=1, previous=TrunkState.DOWN) is TrunkState.DOWN


@given(targets, st.integers(1, 8), st.sampled_from(TrunkState))
def test_a_recovering_target_never_takes_calls_from_a_trunk(
    states: list[TargetState], minimum: int, previous: TrunkState
) -> None:
    minimum = min(minimum, len(states))
    # DEGRADED may follow AVAILABLE here: as long as too little is known a trunk stays what it was.
    worth = {
        TrunkState.DOWN: 0,
        TrunkState.UNKNOWN: 1,
        TrunkState.DEGRADED: 2,
        TrunkState.AVAILABLE: 2,
    }
    before = roll_up(states, min_available=minimum, previous=previous)
    for position, state in enumerate(states):
        if state is D:
            better = [*states[:position], A, *states[position + 1 :]]
            after = roll_up(better, min_available=minimum, previous=before)
            assert worth[after] >= worth[before]


@given(st.lists(st.sampled_from([A, D]), min_size=1, max_size=8), st.integers(1, 8))
def test_decided_targets_decide_the_trunk(states: list[TargetState], minimum: int) -> None:
    minimum = min(minimum, len(states))
    rolled = {roll_up(states, min_available=minimum, previous=state) for state in TrunkState}
    assert len(rolled) == 1
    assert (rolled == {TrunkState.DOWN}) == (states.count(A) < minimum)


def test_network_error_only_when_the_network_explains_every_failure() -> None:
    refused, silent = FailureKind.REFUSED, FailureKind.TIMEOUT
    assert failure_reason([refused, FailureKind.DNS]) is Reason.NETWORK_ERROR
    assert failure_reason([refused, silent]) is Reason.KEEPALIVE_FAILURE
    assert failure_reason([FailureKind.UNHEALTHY_RESPONSE]) is Reason.KEEPALIVE_FAILURE
