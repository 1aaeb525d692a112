from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkpulse.probing.histogram import (
    LATENESS_BOUNDS_SECONDS,
    RTT_BOUNDS_SECONDS,
    Histogram,
)

BOUNDS = (1.0, 2.0, 4.0)
values = st.lists(st.floats(0.0, 100.0))


@given(values)
def test_each_bound_has_the_values_that_do_not_exceed_it(seen: list[float]) -> None:
    histogram = Histogram(BOUNDS)
    for value in seen:
        histogram.observe(value)
    expected = [(bound, sum(value <= bound for value in seen)) for bound in (*BOUNDS, math.inf)]
    assert histogram.cumulative() == expected
    assert histogram.total == len(seen)
    assert histogram.sum == pytest.approx(sum(seen))


def test_a_value_that_occurred_often_is_counted_in_one_go() -> None:
    histogram = Histogram(BOUNDS)
    histogram.observe(1.5, 1000)
    assert (histogram.counts, histogram.sum) == ([0, 1000, 0, 0], 1500.0)


@given(values.filter(bool), st.floats(0.0, 1.0))
def test_a_quantile_is_within_the_bounds_of_the_true_one(seen: list[float], share: float) -> None:
    histogram = Histogram(BOUNDS)
    for value in seen:
        histogram.observe(value)
    true = sorted(seen)[max(0, math.ceil(share * len(seen)) - 1)]
    edges = (0.0, *BOUNDS)
    lower = max(edge for edge in edges if edge < true or edge == 0.0)
    upper = min((edge for edge in BOUNDS if edge >= true), default=BOUNDS[-1])
    assert lower <= histogram.quantile(share) <= upper


def test_values_between_two_bounds_count_as_evenly_spread() -> None:
    histogram = Histogram(BOUNDS)
    histogram.observe(3.0, 4)
    assert histogram.quantile(0.5) == 3.0
    assert histogram.quantile(1.0) == 4.0


def test_nothing_counted_has_quantiles_of_zero() -> None:
    assert Histogram(BOUNDS).quantile(0.99) == 0.0


def test_what_exceeds_all_bounds_counts_as_the_last_one() -> None:
    histogram = Histogram(BOUNDS)
    histogram.observe(1000.0)
    assert histogram.quantile(0.5) == 4.0


@pytest.mark.parametrize("bounds", [(), (1.0, 1.0), (2.0, 1.0)])
def test_bounds_that_do_not_ascend_are_refused(bounds: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="must ascend"):
        Histogram(bounds)


def test_the_bounds_in_use_ascend() -> None:
    for bounds in (LATENESS_BOUNDS_SECONDS, RTT_BOUNDS_SECONDS):
        assert Histogram(bounds).total == 0
