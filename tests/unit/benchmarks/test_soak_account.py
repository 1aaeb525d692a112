from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from benchmarks.account import Account, recorded_changes
from benchmarks.failing import Bounds, FailingPlan, FarLog, Outage, Request, policy_of
from benchmarks.farside import ANSWERED, REJECTED, SILENT
from benchmarks.soak import Outcome, Sample
from trunkpulse.events.envelope import encode
from trunkpulse.model import KeepalivePolicy, Reason, StateChange, TrunkState

BEGAN = 1_000_000.0
ENDED = 900.0
BOUNDS = Bounds(policy_of(30.0))
PLAN = FailingPlan(1, 0.2, BOUNDS)


def one(code: int, at_least: float, at_most: float = 1e9) -> Outage:
    """Some outage of the plan that is over well before the end."""
    for target in range(2_000):
        for outage in PLAN.outages(target, ENDED - 250):
            if outage.code == code and at_least <= outage.seconds <= at_most:
                return outage
    raise AssertionError("the plan has no such outage")


LONG = one(REJECTED, BOUNDS.found + 1)
LONG_SILENT = one(SILENT, BOUNDS.found + 1)
SHORT = one(REJECTED, 0, 9.0)


def change(number: int, at: float, state: TrunkState, reason: Reason) -> StateChange:
    return StateChange(
        event_id=f"e{number}",
        trunk_id="trunk",
        trunk_name="trunk",
        sequence=number,
        at_ms=int((BEGAN + at) * 1000),
        previous_state=TrunkState.UNKNOWN,
        state=state,
        reason=reason,
        failed_attempts=3,
        last_success_ms=None,
        instance_id="i",
        region="r",
    )


def story(target: int) -> Iterator[tuple[Outage, float, float]]:
    """For each outage that lasts long enough, when a good prober is DOWN and up again."""
    for outage in PLAN.outages(target, ENDED):
        if outage.seconds >= BOUNDS.found:
            yield outage, outage.starts + 20.0, outage.ends + 12.0


def good_changes(target: int) -> list[StateChange]:
    changes = [change(1, -5.0, TrunkState.AVAILABLE, Reason.KEEPALIVE_RESTORED)]
    for _, down, up in story(target):
        if down < ENDED:
            changes.append(
                change(len(changes) + 1, down, TrunkState.DOWN, Reason.KEEPALIVE_FAILURE)
            )
        if up < ENDED:
            changes.append(
                change(len(changes) + 1, up, TrunkState.AVAILABLE, Reason.KEEPALIVE_RESTORED)
            )
    return changes


def far_log(target: int) -> list[Request]:
    requests: list[Request] = []
    for number, (outage, _, _) in enumerate(story(target)):
        for step in range(3):
            at = BEGAN + outage.starts + 1 + 5 * step
            requests.append(Request(at, 100 * number + step, outage.code))
        for step in range(2):
            at = BEGAN + outage.ends + 1 + 5 * step
            requests.append(Request(at, 100 * number + 50 + step, ANSWERED))
    return requests


def account(target: int, requests: Sequence[Request] | None = None) -> Account:
    log = far_log(target) if requests is None else requests
    return Account(plan=PLAN, bounds=BOUNDS, requests={target: log}, began=BEGAN, ended=ENDED)


def differences(outage: Outage, changes: Sequence[StateChange]) -> list[str]:
    return list(account(outage.target).differences(outage.target, changes))


def moved(changes: list[StateChange], outage: Outage, seconds: float) -> list[StateChange]:
    """The change to DOWN of this outage that much later."""
    at_ms = int((BEGAN + outage.starts + 20.0) * 1000)
    return [
        replace(each, at_ms=each.at_ms + int(seconds * 1000)) if each.at_ms == at_ms else each
        for each in changes
    ]


def without(changes: Sequence[StateChange], *left_out: StateChange) -> list[StateChange]:
    kept = [each for each in changes if each not in left_out]
    return [replace(each, sequence=number) for number, each in enumerate(kept, 1)]


# --- the plan ------------------------------------------------------------------------------------


def test_the_default_interval_has_the_default_settings() -> None:
    assert policy_of(30.0) == KeepalivePolicy()
    assert BOUNDS.found == pytest.approx(31.5 + 5 + 5 + 4 + 1)
    assert BOUNDS.least(REJECTED) == pytest.approx(10)


def test_the_plan_is_the_same_for_whoever_asks() -> None:
    again = FailingPlan(1, 0.2, BOUNDS)
    other = FailingPlan(2, 0.2, BOUNDS)
    mine = [outage for target in range(50) for outage in PLAN.outages(target, ENDED)]
    assert mine == [outage for target in range(50) for outage in again.outages(target, ENDED)]
    assert mine != [outage for target in range(50) for outage in other.outages(target, ENDED)]


def test_what_a_target_does_is_what_its_outages_say() -> None:
    for target in range(100):
        outages = list(PLAN.outages(target, ENDED))
        for moment in range(0, int(ENDED), 7):
            during = [each.code for each in outages if each.starts <= moment < each.ends]
            assert PLAN.code(target, moment) == (during[0] if during else ANSWERED)


def test_between_two_outages_a_target_recovers() -> None:
    for target in range(500):
        outages = list(PLAN.outages(target, 5_000.0))
        for before, after in pairwise(outages):
            assert after.starts - before.ends >= BOUNDS.recovered


def test_the_share_that_fails_is_the_one_asked_for() -> None:
    failing = sum(PLAN.code(target, 600.0) != ANSWERED for target in range(5_000))
    assert failing / 5_000 == pytest.approx(0.2, rel=0.1)
    with pytest.raises(ValueError, match=r"share of 0\.9"):
        FailingPlan(1, 0.9, BOUNDS)


def test_nothing_fails_before_the_plan_begins() -> None:
    log = FarLog(PLAN, BOUNDS)
    assert {log.behaviour(target, b"") for target in range(500)} == {ANSWERED}
    assert not log.requests


# --- the account ---------------------------------------------------------------------------------


@pytest.mark.parametrize("outage", [LONG, LONG_SILENT, SHORT])
def test_a_true_record_has_no_differences(outage: Outage) -> None:
    assert differences(outage, good_changes(outage.target)) == []


def test_a_target_that_never_came_up_is_named() -> None:
    assert differences(LONG, []) == [f"Target {LONG.target} did not begin as AVAILABLE."]


@pytest.mark.parametrize("outage", [LONG, LONG_SILENT])
def test_a_change_that_comes_too_early_or_too_late_is_found(outage: Outage) -> None:
    good = good_changes(outage.target)
    early = differences(outage, moved(good, outage, BOUNDS.least(outage.code) - 20.0 - 1.0))
    assert any("no outage explains it" in sentence for sentence in early)
    late = differences(outage, moved(good, outage, BOUNDS.found - 20.0 + 1.0))
    assert any("unnoticed" in sentence for sentence in late)


def test_an_outage_that_nobody_noticed_is_found() -> None:
    good = good_changes(LONG.target)
    at_ms = int((BEGAN + LONG.starts + 20.0) * 1000)
    down = next(each for each in good if each.at_ms == at_ms)
    up = good[good.index(down) + 1]
    missing = differences(LONG, without(good, down, up))
    assert missing == [
        f"Target {LONG.target} failed from {LONG.starts:.2f} to {LONG.ends:.2f} s, unnoticed."
    ]


def test_a_recovery_that_nobody_noticed_is_found() -> None:
    good = good_changes(LONG.target)
    at_ms = int((BEGAN + LONG.ends + 12.0) * 1000)
    up = next(each for each in good if each.at_ms == at_ms)
    assert any("worked again" in each for each in differences(LONG, without(good, up)))


def test_a_change_without_an_outage_is_found() -> None:
    good = good_changes(SHORT.target)
    extra = change(2, SHORT.starts + 5.0, TrunkState.DOWN, Reason.KEEPALIVE_FAILURE)
    changes = sorted([*good, extra], key=lambda each: each.at_ms)
    numbered = [replace(each, sequence=number) for number, each in enumerate(changes, 1)]
    assert any("no outage explains it" in each for each in differences(SHORT, numbered))


def test_a_gap_in_the_numbers_is_found() -> None:
    good = good_changes(LONG.target)
    gapped = [good[0], *(replace(each, sequence=each.sequence + 1) for each in good[1:])]
    assert f"Target {LONG.target} has change 3 where 2 belongs." in differences(LONG, gapped)


def test_a_change_needs_the_attempts_that_the_far_side_failed() -> None:
    good = good_changes(LONG.target)
    starts = BEGAN + LONG.starts
    short = [each for each in far_log(LONG.target) if not starts + 10 < each.at < starts + 20]
    assert [
        sentence
        for sentence in account(LONG.target, short).differences(LONG.target, good)
        if "after 2 failed attempts instead of 3" in sentence
    ]


def test_a_wrong_reason_is_found() -> None:
    wrong = [replace(each, reason=Reason.NETWORK_ERROR) for each in good_changes(LONG.target)]
    assert any("instead of a failed keepalive" in each for each in differences(LONG, wrong))


def test_the_event_log_is_read_by_trunk_and_other_events_are_set_apart(tmp_path: Path) -> None:
    good = good_changes(LONG.target)
    with closing(sqlite3.connect(tmp_path / "db")) as connection, connection:
        connection.execute("CREATE TABLE events (position INTEGER, body TEXT)")
        bodies = [*map(encode, good), '{"eventType": "telephony.prober.isolated"}']
        connection.executemany("INSERT INTO events VALUES (?, ?)", enumerate(bodies))
    changes, others = recorded_changes(tmp_path / "db")
    assert changes == {"trunk": good}
    assert others == ['{"eventType": "telephony.prober.isolated"}']


# --- leaks ---------------------------------------------------------------------------------------


def samples(memory: Sequence[int], tasks: Sequence[int] | None = None) -> Outcome:
    return Outcome(
        samples=[
            Sample(60.0 * minute, size, 20, tasks[minute] if tasks else 7)
            for minute, size in enumerate(memory)
        ]
    )


def test_memory_may_grow_at_first_and_not_later() -> None:
    assert not list(
        samples([80, 90, 95, 99, 100, *[100] * 10, 101, 101, 101, 101, 101, 101]).leaks()
    )
    (leak,) = samples([100] * 11 + [103] * 10).leaks()
    assert leak.startswith("Memory grew by 3.0%")


def test_tasks_that_come_and_go_are_no_leak() -> None:
    assert not list(samples([100] * 21, [7, 9] * 10 + [7]).leaks())
    (leak,) = samples([100] * 21, list(range(7, 28))).leaks()
    assert leak == "There were at most 17 tasks near the beginning, 22 at the end."


def test_a_soak_that_was_too_short_says_so() -> None:
    assert list(Outcome().leaks()) == ["The soak was too short to tell whether anything leaks."]
