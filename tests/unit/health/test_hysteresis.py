from hypothesis import given
from hypothesis import strategies as st

from trunkpulse.health.hysteresis import RULES, Run, advance, pace, pace_seconds
from trunkpulse.model import KeepalivePolicy, TargetState

policies = st.builds(
    KeepalivePolicy,
    max_failed_attempts=st.integers(1, 6),
    min_successful_attempts=st.integers(1, 6),
)
outcomes = st.lists(st.booleans(), max_size=60)


def trail(policy: KeepalivePolicy, attempts: list[bool], start: TargetState) -> list[Run]:
    runs = [Run(start)]
    for success in attempts:
        runs.append(advance(runs[-1], success=success, policy=policy))
    return runs


def test_the_table_has_a_row_for_every_state_and_outcome() -> None:
    assert set(RULES) == {(state, success) for state in TargetState for success in (True, False)}


def test_three_failures_in_a_row_bring_an_available_target_down() -> None:
    runs = trail(KeepalivePolicy(), [False, False, False], TargetState.AVAILABLE)
    assert [run.state for run in runs[1:]] == [
        TargetState.AVAILABLE,
        TargetState.AVAILABLE,
        TargetState.DOWN,
    ]
    assert runs[-1].failures == 3


def test_one_success_among_failures_starts_the_count_anew() -> None:
    runs = trail(KeepalivePolicy(), [False, False, True, False, False], TargetState.AVAILABLE)
    assert runs[-1] == Run(TargetState.AVAILABLE, failures=2)


def test_two_successes_bring_a_target_back() -> None:
    runs = trail(KeepalivePolicy(), [True, True], TargetState.DOWN)
    assert [run.state for run in runs[1:]] == [TargetState.DOWN, TargetState.AVAILABLE]


def test_failures_go_on_counting_while_down() -> None:
    runs = trail(KeepalivePolicy(), [False] * 5, TargetState.AVAILABLE)
    assert runs[-1] == Run(TargetState.DOWN, failures=5)


@given(policies, outcomes, st.sampled_from(TargetState))
def test_no_state_changes_on_fewer_attempts_than_configured(
    policy: KeepalivePolicy, attempts: list[bool], start: TargetState
) -> None:
    runs = trail(policy, attempts, start)
    for position in range(1, len(runs)):
        state = runs[position].state
        if state is runs[position - 1].state:
            continue
        needed = (
            policy.max_failed_attempts
            if state is TargetState.DOWN
            else policy.min_successful_attempts
        )
        wanted = state is TargetState.AVAILABLE
        assert attempts[max(0, position - needed) : position] == [wanted] * needed


@given(policies, outcomes, st.sampled_from(TargetState))
def test_enough_like_attempts_always_change_the_state(
    policy: KeepalivePolicy, attempts: list[bool], start: TargetState
) -> None:
    for success, needed, state in (
        (False, policy.max_failed_attempts, TargetState.DOWN),
        (True, policy.min_successful_attempts, TargetState.AVAILABLE),
    ):
        assert trail(policy, attempts + [success] * needed, start)[-1].state is state


@given(policies, outcomes, st.sampled_from(TargetState))
def test_counters_are_runs_of_the_last_attempts(
    policy: KeepalivePolicy, attempts: list[bool], start: TargetState
) -> None:
    for length, run in enumerate(trail(policy, attempts, start)):
        tail = attempts[:length]
        failures = len(tail) - max((i + 1 for i, ok in enumerate(tail) if ok), default=0)
        assert run.failures == failures
        assert 0 <= run.successes < policy.min_successful_attempts or not run.successes
        assert not (run.failures and run.successes)


@given(policies, outcomes)
def test_the_same_outcomes_give_the_same_states(
    policy: KeepalivePolicy, attempts: list[bool]
) -> None:
    start = TargetState.UNKNOWN
    assert trail(policy, attempts, start) == trail(policy, attempts, start)


def test_pace_is_slow_when_settled_and_fast_when_in_doubt() -> None:
    policy = KeepalivePolicy()
    assert pace(Run(TargetState.AVAILABLE), policy).seconds == 30
    assert pace(Run(TargetState.AVAILABLE, failures=1), policy).seconds == 5
    assert pace(Run(TargetState.UNKNOWN), policy).seconds == 5
    assert pace(Run(TargetState.DOWN, failures=9), policy).seconds == 15
    assert pace(Run(TargetState.DOWN, successes=1), policy).seconds == 5


@given(st.floats(0, 1, exclude_max=True), st.floats(0, 0.5))
def test_jitter_stays_within_its_share_and_spares_confirmation(luck: float, jitter: float) -> None:
    policy = KeepalivePolicy(jitter=jitter)
    settled = pace_seconds(Run(TargetState.AVAILABLE), policy, luck)
    assert 30 * (1 - jitter) - 1e-9 <= settled <= 30 * (1 + jitter) + 1e-9
    assert pace_seconds(Run(TargetState.AVAILABLE, failures=1), policy, luck) == 5


# --- a far side that asks to be left alone ---------------------------------------------------


def asked(quiet_seconds: float, run: Run) -> Run:
    return advance(run, success=False, policy=KeepalivePolicy(), quiet_seconds=quiet_seconds)


def test_a_short_wait_is_one_failure_like_any() -> None:
    """Two more attempts at 5 s apart would have confirmed it within 10 s."""
    assert asked(10.0, Run(TargetState.AVAILABLE)) == Run(TargetState.AVAILABLE, failures=1)


def test_a_wait_longer_than_the_confirmation_takes_the_target_down_at_once() -> None:
    assert asked(10.1, Run(TargetState.AVAILABLE)) == Run(TargetState.DOWN, failures=1)
    assert asked(5.1, Run(TargetState.AVAILABLE, failures=1)) == Run(TargetState.DOWN, failures=2)
    assert asked(3600.0, Run(TargetState.UNKNOWN)) == Run(TargetState.DOWN, failures=1)


def test_a_wait_while_down_changes_nothing_but_the_count() -> None:
    assert asked(3600.0, Run(TargetState.DOWN, failures=4)) == Run(TargetState.DOWN, failures=5)
