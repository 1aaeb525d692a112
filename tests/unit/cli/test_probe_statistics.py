from __future__ import annotations

import pytest

from trunkpulse.cli.probe_statistics import RoundTrips
from unit.cli.probed import SILENCE, answered


def test_p95_is_the_nearest_rank() -> None:
    trips = RoundTrips.of([answered(rtt=number / 100) for number in range(1, 101)])
    assert trips is not None
    assert (trips.least, trips.p95, trips.most) == (0.01, 0.95, 1.0)
    assert trips.average == pytest.approx(0.505)
    assert RoundTrips.of([SILENCE]) is None


def test_jitter_is_the_mean_step_from_one_round_trip_to_the_next() -> None:
    trips = RoundTrips.of([answered(rtt=rtt) for rtt in (0.01, 0.05, 0.03)])
    assert trips is not None
    assert trips.jitter == pytest.approx((0.04 + 0.02) / 2)
    alone = RoundTrips.of([answered()])
    assert alone is not None
    assert alone.jitter is None


def test_the_round_trip_is_taken_from_attempts_that_were_sent_once() -> None:
    mixed = [answered(rtt=0.02), answered(rtt=0.52, resent=1), answered(rtt=0.04), SILENCE]
    trips = RoundTrips.of(mixed)
    assert trips is not None
    assert (trips.least, trips.most, trips.measured) == (0.02, 0.04, 2)
    assert trips.jitter == pytest.approx(0.02)
    assert not trips.from_first_send


def test_where_all_were_sent_again_the_times_say_so() -> None:
    trips = RoundTrips.of([answered(rtt=0.52, resent=1)] * 2)
    assert trips is not None
    assert (trips.p95, trips.from_first_send) == (0.52, True)
