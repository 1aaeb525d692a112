from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkpulse.events.backoff import RetrySchedule
from trunkpulse.ports import (
    Delivery,
    DeliveryOutcome,
    DeliveryReport,
    DeliveryResult,
    SinkAnswer,
)

FIRST_MS = 1_700_000_000_000
PARKS_MS = FIRST_MS + 300_000
MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
PAUSES_MS = (
    5 * MINUTE_MS,
    30 * MINUTE_MS,
    *(hours * HOUR_MS for hours in (2, 5, 10, 14, 20, 24)),
)
SCHEDULE = RetrySchedule()
BUSY = SinkAnswer(outcome=DeliveryOutcome.TRY_LATER, detail="503 Service Unavailable")


def delivery(
    attempts: int = 1, *, first_ms: int | None = FIRST_MS, times_parked: int = 0
) -> Delivery:
    return Delivery(
        id=7,
        stream_id="noc",
        trunk_id="a",
        event_id="e",
        position=1,
        body="{}",
        attempts=attempts,
        created_ms=FIRST_MS - HOUR_MS,
        first_attempt_ms=first_ms,
        times_parked=times_parked,
    )


def report(
    answer: SinkAnswer,
    *,
    at_ms: int,
    attempts: int = 1,
    first_ms: int | None = FIRST_MS,
    times_parked: int = 0,
    seed: int = 1,
) -> DeliveryReport:
    told = delivery(attempts, first_ms=first_ms, times_parked=times_parked)
    return SCHEDULE.report(told, answer, now_ms=at_ms, rng=Random(seed))


def asking(seconds: float) -> SinkAnswer:
    return SinkAnswer(outcome=DeliveryOutcome.TRY_LATER, retry_after_seconds=seconds)


def test_an_accepted_delivery_is_done_however_old_it_is() -> None:
    accepted = SinkAnswer(outcome=DeliveryOutcome.ACCEPTED, detail="200 OK")
    late_ms = PARKS_MS + 1
    assert report(accepted, at_ms=late_ms) == DeliveryReport(
        delivery_id=7,
        stream_id="noc",
        result=DeliveryResult.DELIVERED,
        at_ms=late_ms,
        detail="200 OK",
        attempt=2,
    )


@pytest.mark.parametrize("times_parked", [0, 1, 8])
def test_a_refusal_is_final_at_once(times_parked: int) -> None:
    refused = SinkAnswer(
        outcome=DeliveryOutcome.REFUSED, detail="404 Not Found", retry_after_seconds=1
    )
    assert report(refused, at_ms=FIRST_MS, times_parked=times_parked) == DeliveryReport(
        delivery_id=7,
        stream_id="noc",
        result=DeliveryResult.DEAD,
        at_ms=FIRST_MS,
        detail="404 Not Found",
        attempt=2,
    )


@pytest.mark.parametrize("times_parked", [0, 1, 8])
def test_a_destination_that_is_gone_leaves_the_delivery_as_it_is(times_parked: int) -> None:
    gone = SinkAnswer(outcome=DeliveryOutcome.GONE, detail="410 Gone")
    ended = report(gone, at_ms=PARKS_MS + 1, times_parked=times_parked)
    assert (ended.result, ended.gone) == (DeliveryResult.RETRY, True)
    assert ended.due_ms is not None
    assert ended.due_ms > PARKS_MS + 1


def test_a_report_tells_what_was_said() -> None:
    said = SinkAnswer(
        outcome=DeliveryOutcome.TRY_LATER, detail="503", request="POST /hook", response="503 busy"
    )
    ended = report(said, at_ms=FIRST_MS)
    assert (ended.request, ended.response, ended.gone) == ("POST /hook", "503 busy", False)


def test_a_failure_is_retried_until_five_minutes_are_over_and_then_parked() -> None:
    last_chance = report(BUSY, at_ms=PARKS_MS - 1)
    assert last_chance.result is DeliveryResult.RETRY
    assert last_chance.due_ms == PARKS_MS
    assert report(BUSY, at_ms=PARKS_MS).result is DeliveryResult.PARKED


def test_the_five_minutes_begin_with_the_first_attempt_however_old_the_event_is() -> None:
    late_ms = FIRST_MS + 240 * HOUR_MS
    first = report(BUSY, at_ms=late_ms, attempts=0, first_ms=None)
    assert first.result is DeliveryResult.RETRY
    assert first.due_ms is not None
    assert late_ms < first.due_ms <= late_ms + 1000


@pytest.mark.parametrize(("times_parked", "pause_ms"), list(enumerate(PAUSES_MS)))
def test_a_parked_delivery_is_tried_again_after_the_advised_pauses(
    times_parked: int, pause_ms: int
) -> None:
    due: set[int] = set()
    for seed in range(300):
        outcome = report(BUSY, at_ms=PARKS_MS, times_parked=times_parked, seed=seed)
        assert outcome.result is DeliveryResult.PARKED
        assert outcome.due_ms is not None
        due.add(outcome.due_ms - PARKS_MS)
    assert pause_ms <= min(due) < pause_ms * 1.01
    assert pause_ms * 1.09 < max(due) <= pause_ms * 1.1
    assert len(due) > 250  # those that were parked together do not come back together


def test_a_delivery_that_has_been_parked_for_three_days_is_dead() -> None:
    last = report(BUSY, at_ms=PARKS_MS + sum(PAUSES_MS), times_parked=len(PAUSES_MS))
    assert (last.result, last.due_ms) == (DeliveryResult.DEAD, None)


def test_the_receivers_wish_outlasts_a_shorter_pause_of_a_parked_delivery() -> None:
    outcome = report(asking(3600), at_ms=PARKS_MS)
    assert (outcome.result, outcome.due_ms) == (DeliveryResult.PARKED, PARKS_MS + HOUR_MS)
    assert report(asking(1), at_ms=PARKS_MS).due_ms == report(BUSY, at_ms=PARKS_MS).due_ms


@pytest.mark.parametrize(
    ("attempts", "longest"), [(1, 1), (2, 2), (3, 4), (4, 8), (5, 16), (6, 30), (5000, 30)]
)
def test_delays_fill_the_whole_span_up_to_a_ceiling_that_doubles(
    attempts: int, longest: float
) -> None:
    rng = Random(3)
    delays = [SCHEDULE.delay_seconds(attempts, rng) for _ in range(2000)]
    span = longest - 0.5
    assert 0.5 <= min(delays) < 0.5 + span * 0.05
    assert longest - span * 0.05 < max(delays) <= longest


def test_deliveries_that_failed_together_do_not_come_back_together() -> None:
    due = {report(BUSY, at_ms=FIRST_MS, attempts=9, seed=seed).due_ms for seed in range(100)}
    assert len(due) > 90


def test_the_receivers_wish_outlasts_a_shorter_backoff() -> None:
    assert report(asking(90), at_ms=FIRST_MS).due_ms == FIRST_MS + 90_000


def test_the_receivers_wish_is_honoured_past_the_five_minutes() -> None:
    answer = report(asking(1200), at_ms=FIRST_MS)
    assert (answer.result, answer.due_ms) == (DeliveryResult.RETRY, FIRST_MS + 1_200_000)


@pytest.mark.parametrize("seconds", [3600.0, 3601.0, 1e12, float("inf")])
def test_the_receivers_wish_is_bounded_to_an_hour(seconds: float) -> None:
    assert report(asking(seconds), at_ms=FIRST_MS).due_ms == FIRST_MS + 3_600_000


def test_a_wish_to_come_back_at_once_does_not_shorten_the_backoff() -> None:
    due_ms = report(asking(0), at_ms=FIRST_MS).due_ms
    assert due_ms is not None
    assert due_ms >= FIRST_MS + 500


@given(
    age_ms=st.integers(0, 299_999),
    attempts=st.integers(0, 10_000),
    wish=st.none() | st.floats(0, 1e9),
    seed=st.integers(),
)
def test_a_retry_is_always_due_later_and_never_much_later(
    age_ms: int, attempts: int, wish: float | None, seed: int
) -> None:
    now_ms = FIRST_MS + age_ms
    answer = SinkAnswer(outcome=DeliveryOutcome.TRY_LATER, retry_after_seconds=wish)
    outcome = report(answer, at_ms=now_ms, attempts=attempts, seed=seed)
    assert outcome.result is DeliveryResult.RETRY
    assert outcome.due_ms is not None
    longest_seconds = max(30.0, min(wish or 0.0, 3600.0))
    assert now_ms < outcome.due_ms <= now_ms + longest_seconds * 1000 + 1
