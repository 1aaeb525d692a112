"""Replays beside what really happened: targets that were judged attempt by attempt, as the
pipeline does it, and remembered as ``ProbeTarget`` remembers them."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trunkpulse.health.hysteresis import Run, advance, pace, resting
from trunkpulse.health.replay import (
    Change,
    Observed,
    Replaying,
    ReplayRefused,
    TrunkChange,
    down_seconds,
    replay,
    roll_up_changes,
)
from trunkpulse.health.replay_words import Past, in_words
from trunkpulse.model import FailureKind, KeepalivePolicy, TargetState, TrunkState

POLICY = KeepalivePolicy(jitter=0.0)
START = 1_700_000_000.0
UNKNOWN, AVAILABLE, DOWN = TargetState.UNKNOWN, TargetState.AVAILABLE, TargetState.DOWN


class Answer(NamedTuple):
    """How an attempt ends."""

    code: int | None = 200
    quiet_seconds: float = 0.0
    rtt_seconds: float = 0.01

    def healthy(self, policy: KeepalivePolicy) -> bool:
        in_time = self.rtt_seconds <= policy.timeout_seconds
        return self.code is not None and self.code in policy.healthy_codes and in_time


OK, SILENT, BUSY = Answer(), Answer(None), Answer(503)


class Probed:
    """What a target goes through, and what is remembered of it, run by run."""

    def __init__(self, policy: KeepalivePolicy, began: TargetState = UNKNOWN) -> None:
        self.policy = policy
        self.run: Run = resting(began)
        self.at = START
        self.changes: list[Change] = []
        self.observed: list[Observed] = []

    def attempt(self, answer: Answer) -> None:
        before = self.run.state
        success = answer.healthy(self.policy)
        quiet = 0.0 if success else answer.quiet_seconds
        self.run = advance(self.run, success=success, policy=self.policy, quiet_seconds=quiet)
        if self.run.state is not before:
            self.changes.append(Change(self.at, before, self.run.state))
        kind = FailureKind.TIMEOUT if answer.code is None else FailureKind.UNHEALTHY_RESPONSE
        failure = None if success else kind
        rtt = None if answer.code is None else answer.rtt_seconds
        last = self.observed[-1] if self.observed else None
        if last and (last.code, last.failure, last.quiet_seconds) == (answer.code, failure, quiet):
            self.observed[-1] = last._replace(at=self.at, times=(last.times or 0) + 1)
        else:
            self.observed.append(Observed(self.at, self.at, 1, answer.code, failure, rtt, quiet))
        self.at += max(pace(self.run, self.policy).seconds, quiet)


def probed(*answers: Answer, policy: KeepalivePolicy = POLICY) -> Probed:
    found = Probed(policy)
    for each in answers:
        found.attempt(each)
    return found


def replayed(
    there: Probed, other: KeepalivePolicy | None = None, began: TargetState = UNKNOWN
) -> list[Change]:
    policy = other or there.policy
    changes, _ = replay(there.observed, began, Replaying.of(there.policy, policy, there.observed))
    return changes


answers = st.sampled_from([OK, OK, OK, SILENT, BUSY, Answer(503, 60.0), Answer(404)])
policies = st.builds(
    KeepalivePolicy,
    max_failed_attempts=st.integers(1, 6),
    min_successful_attempts=st.integers(1, 6),
    jitter=st.just(0.0),
)


@settings(deadline=None)
@given(policies, st.lists(answers, max_size=60))
def test_the_settings_in_force_give_the_changes_that_really_happened(
    policy: KeepalivePolicy, course: list[Answer]
) -> None:
    there = probed(*course, policy=policy)
    found = replayed(there)
    assert [each[1:] for each in found] == [each[1:] for each in there.changes]
    for one, other in zip(found, there.changes, strict=True):
        assert one.at - START == pytest.approx(other.at - START, abs=0.001)


@settings(deadline=None)
@given(policies, policies, st.lists(answers, max_size=60))
def test_other_thresholds_give_what_they_would_have_made_of_the_same_attempts(
    real: KeepalivePolicy, other: KeepalivePolicy, course: list[Answer]
) -> None:
    there = probed(*course, policy=real)
    run, states = resting(UNKNOWN), [UNKNOWN]
    for each in course:
        success = each.healthy(other)
        quiet = 0.0 if success else each.quiet_seconds
        run = advance(run, success=success, policy=other, quiet_seconds=quiet)
        if run.state is not states[-1]:
            states.append(run.state)
    found = replayed(there, other)
    assert [UNKNOWN, *(each.state for each in found)] == states


def test_more_failures_may_be_wanted_than_there_were() -> None:
    there = probed(OK, OK, *[SILENT] * 4, OK, OK)
    assert [each.state for each in there.changes] == [AVAILABLE, DOWN, AVAILABLE]
    found = replayed(there, replace(POLICY, max_failed_attempts=5))
    assert [each.state for each in found] == [AVAILABLE]


def test_an_answer_that_is_taken_for_healthy_is_no_failure() -> None:
    there = probed(*[Answer(404)] * 9)
    codes = frozenset({*range(200, 300), 404})
    lenient = replace(POLICY, healthy_responses=("2xx", "404"), healthy_codes=codes)
    assert [each.state for each in there.changes] == [DOWN]
    assert [each.state for each in replayed(there, lenient)] == [AVAILABLE]


def test_a_shorter_timeout_takes_slow_answers_for_none() -> None:
    there = probed(*[Answer(rtt_seconds=2.5)] * 5)
    strict = replace(POLICY, timeout_seconds=2.0)
    assert [each.state for each in replayed(there, strict)] == [DOWN]
    notes = Replaying.of(POLICY, strict, there.observed).notes
    assert any("only the last one's round trip" in note for note in notes)


def test_failures_while_the_prober_was_isolated_count_for_nobody() -> None:
    observed = [
        Observed(START, START + 30, 2, 200),
        Observed(START + 60, START + 600, 100, None, FailureKind.TIMEOUT, counts=False),
    ]
    strict = Replaying.of(POLICY, replace(POLICY, max_failed_attempts=1), observed)
    changes, state = replay(observed, UNKNOWN, strict)
    assert ([each.state for each in changes], state) == ([AVAILABLE], AVAILABLE)


def test_plain_sailing_that_was_not_counted_takes_no_time_to_replay() -> None:
    years = Observed(START, START + 1e9, None, 200)
    changes, _ = replay([years], UNKNOWN, Replaying.of(POLICY, POLICY, [years]))
    assert changes == [Change(START + POLICY.confirm_interval_seconds, UNKNOWN, AVAILABLE)]
    slow = replace(POLICY, interval_seconds=3600.0, min_successful_attempts=100)
    changes, _ = replay([years], UNKNOWN, Replaying.of(POLICY, slow, [years]))
    assert [each.state for each in changes] == [AVAILABLE]


def test_longer_intervals_leave_attempts_out_and_say_that_this_is_an_estimate() -> None:
    course = [*[OK] * 10, *[SILENT] * 3, *[OK] * 10]
    there = probed(*course)
    slow = replace(POLICY, confirm_interval_seconds=20.0)
    replaying = Replaying.of(POLICY, slow, there.observed)
    assert replaying.thins
    assert "estimate" in replaying.notes[0]
    changes, _ = replay(there.observed, UNKNOWN, replaying)
    assert [each.state for each in changes] == [AVAILABLE]


def test_longer_intervals_find_a_long_outage_later() -> None:
    there = probed(*[OK] * 10, *[SILENT] * 40)
    slow = replace(POLICY, confirm_interval_seconds=30.0)
    real = there.changes[-1]
    changes, _ = replay(there.observed, UNKNOWN, Replaying.of(POLICY, slow, there.observed))
    assert changes[-1].state is DOWN
    assert real.at + 30 < changes[-1].at < real.at + 120


@pytest.mark.parametrize(
    ("changed", "key", "said"),
    [
        ({"enabled": False}, "enabled", "nothing would have been judged"),
        ({"interval_seconds": 10.0}, "interval_seconds", "at which nobody looked"),
        ({"down_interval_seconds": 5.0}, "down_interval_seconds", "cannot be replayed below 15 s"),
        ({"timeout_seconds": 8.0}, "timeout_seconds", "nobody waited for a later one"),
    ],
)
def test_what_nobody_looked_for_is_not_replayed(
    changed: dict[str, float], key: str, said: str
) -> None:
    there = probed(OK, SILENT)
    with pytest.raises(ReplayRefused, match=said) as refused:
        Replaying.of(POLICY, replace(POLICY, **changed), there.observed)  # type: ignore[arg-type]  # of one parameter table
    assert refused.value.key == key


def test_a_longer_timeout_changes_nothing_where_every_attempt_was_answered() -> None:
    there = probed(OK, BUSY)
    assert replayed(there, replace(POLICY, timeout_seconds=8.0)) == there.changes


def test_a_trunk_follows_from_its_targets_together() -> None:
    began, changes = roll_up_changes(
        [
            (AVAILABLE, [Change(10.0, AVAILABLE, DOWN), Change(30.0, DOWN, AVAILABLE)]),
            (AVAILABLE, [Change(20.0, AVAILABLE, DOWN)]),
        ],
        min_available=1,
    )
    assert began is TrunkState.AVAILABLE
    assert changes == [
        TrunkChange(10.0, TrunkState.AVAILABLE, TrunkState.DEGRADED),
        TrunkChange(20.0, TrunkState.DEGRADED, TrunkState.DOWN),
        TrunkChange(30.0, TrunkState.DOWN, TrunkState.DEGRADED),
    ]
    assert down_seconds(began, changes, 0.0, 100.0) == 10.0
    assert down_seconds(TrunkState.DOWN, [], 0.0, 100.0) == 100.0


def test_the_sentence_says_what_would_have_been_different() -> None:
    outage = [
        TrunkChange(START + 60, TrunkState.AVAILABLE, TrunkState.DOWN),
        TrunkChange(START + 180, TrunkState.DOWN, TrunkState.AVAILABLE),
    ]
    present, calm = Past(TrunkState.AVAILABLE, outage), Past(TrunkState.AVAILABLE, [])
    assert in_words("Acme", present, calm, START, START + 3600) == (
        "In the last 60 min Acme would never have been DOWN, instead of once (2 min); it would be"
        " AVAILABLE now, as it is."
    )
    assert in_words("Acme", present, present, START, START + 3600).startswith(
        "In the last 60 min Acme would have been DOWN just as it was, once (2 min);"
    )
