from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkpulse.access.buckets import Buckets

NOW = 1000.0


def test_a_burst_is_allowed_at_once_and_no_more() -> None:
    buckets = Buckets(2.0, 3, capacity=10)
    standings = [buckets.take("a", NOW) for _ in range(5)]
    assert [each.allowed for each in standings] == [True, True, True, False, False]
    assert [each.left for each in standings] == [2, 1, 0, 0, 0]
    assert standings[0].full_in_seconds == pytest.approx(0.5)
    assert standings[-1].full_in_seconds == pytest.approx(1.5)
    assert standings[-1].wait_seconds == pytest.approx(0.5)


def test_waiting_as_long_as_was_said_is_enough() -> None:
    buckets = Buckets(2.0, 3, capacity=10)
    for _ in range(3):
        buckets.take("a", NOW)
    wait = buckets.take("a", NOW).wait_seconds
    assert not buckets.take("a", NOW + wait / 2).allowed
    assert buckets.take("a", NOW + wait).allowed


def test_nobody_pays_for_somebody_else() -> None:
    buckets = Buckets(1.0, 1, capacity=10)
    assert buckets.take("a", NOW).allowed
    assert not buckets.take("a", NOW).allowed
    assert buckets.take("b", NOW).allowed


def test_a_clock_that_goes_backwards_gives_nothing() -> None:
    buckets = Buckets(1.0, 1, capacity=10)
    assert buckets.take("a", NOW).allowed
    assert not buckets.take("a", NOW - 100).allowed


def test_memory_is_bounded_and_who_asks_now_is_remembered() -> None:
    buckets = Buckets(1.0, 1, capacity=100)
    buckets.take("busy", NOW)
    for number in range(1000):
        buckets.take(f"other-{number}", NOW)
        assert not buckets.take("busy", NOW).allowed
    assert len(buckets) == 100


def test_it_is_said_how_long_an_empty_one_takes_to_fill() -> None:
    assert Buckets(1000.0, 2000, capacity=1).fills_in_seconds == 2
    assert Buckets(3.0, 10, capacity=1).fills_in_seconds == 4


@given(
    per_second=st.floats(0.1, 1000),
    burst=st.integers(1, 50),
    pauses=st.lists(st.floats(0, 5), max_size=200),
)
def test_over_any_stretch_of_time_no_more_than_promised_is_allowed(
    per_second: float, burst: int, pauses: list[float]
) -> None:
    buckets = Buckets(per_second, burst, capacity=2)
    now, taken = NOW, list[float]()
    for pause in pauses:
        now += pause
        standing = buckets.take("a", now)
        assert 0 <= standing.left <= burst
        if standing.allowed:
            taken.append(now)
        else:
            assert standing.wait_seconds > 0
    for first in range(len(taken)):
        for last in range(first, len(taken)):
            promised = burst + (taken[last] - taken[first]) * per_second
            assert last - first + 1 <= promised + 1e-6


@given(per_second=st.floats(0.1, 1000), burst=st.integers(1, 50), asked=st.integers(0, 200))
def test_whoever_keeps_to_the_rate_is_never_refused(
    per_second: float, burst: int, asked: int
) -> None:
    buckets = Buckets(per_second, burst, capacity=2)
    # A hair slower, since sums of fractions of a second are not exact.
    assert all(
        buckets.take("a", NOW + number * (1 / per_second) * (1 + 1e-9)).allowed
        for number in range(asked)
    )
