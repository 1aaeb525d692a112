"""Caps of probes per second: what leaves in any span of time, in which order, and who waits."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkpulse.probing.pacing import Calendar, Pace, Paces

START = 1_000.0
ROUNDING_SECONDS = 1e-6

rates = st.floats(0.05, 50_000)
gaps = st.lists(st.one_of(st.just(0.0), st.floats(0, 3)), min_size=1, max_size=300)


def asked_at(distances: Sequence[float]) -> list[float]:
    """The moments at which probes ask, from the distances between them."""
    return list(itertools.accumulate(distances, initial=START))


def assert_within(moments: Sequence[float], per_second: float, burst: float) -> None:
    """No span of time between any two of them has more than the cap allows."""
    ordered = sorted(moments)
    # A credit that fills at ``per_second`` up to ``burst`` never runs out: the same for all spans.
    credit, last = burst, ordered[0]
    for moment in ordered:
        credit = min(burst, credit + (moment - last) * per_second)
        last = moment
        credit -= 1.0
        assert credit >= -per_second * ROUNDING_SECONDS - ROUNDING_SECONDS


@given(rates, gaps)
def test_no_span_has_more_probes_of_a_carrier_than_its_cap(
    per_second: float, distances: list[float]
) -> None:
    pace = Pace(per_second)
    moments = [pace.reserve(now) for now in asked_at(distances)]
    assert_within(moments, per_second, pace.burst)


@given(rates, gaps)
def test_no_span_has_more_probes_than_the_total_cap(
    per_second: float, distances: list[float]
) -> None:
    total = Calendar(per_second)
    pace = Pace(None, total=total)
    moments = [pace.reserve(now) for now in asked_at(distances)]
    assert_within(moments, per_second, total.burst)


@given(rates, st.lists(rates, min_size=1, max_size=4), gaps, st.randoms(use_true_random=False))
def test_both_caps_hold_and_nobody_overtakes(
    total_rate: float, carrier_rates: list[float], distances: list[float], rng: random.Random
) -> None:
    total = Calendar(total_rate)
    paces = [Pace(rate, total=total) for rate in carrier_rates] + [Pace(None, total=total)]
    given_places: list[list[float]] = [[] for _ in paces]
    for now in asked_at(distances):
        which = rng.randrange(len(paces))
        moment = paces[which].reserve(now)
        assert moment >= now
        given_places[which].append(moment)
    for pace, moments in zip(paces, given_places, strict=True):
        assert moments == sorted(moments)
        if pace.per_second is not None and moments:
            assert_within(moments, pace.per_second, pace.burst)
    everything = [moment for moments in given_places for moment in moments]
    assert_within(everything, total_rate, total.burst)


@given(rates, gaps)
def test_no_place_is_lost(per_second: float, distances: list[float]) -> None:
    """A probe that waits leaves as soon as the cap allows: the last one shows every place lost."""
    pace = Pace(per_second, burst=1.0)
    expected = 0.0
    for now in asked_at(distances):
        expected = max(now, expected)
        assert pace.reserve(now) == pytest.approx(expected, rel=1e-9)
        expected += 1 / per_second


def test_no_place_of_the_total_is_lost() -> None:
    pace = Pace(None, total=Calendar(1000.0))
    moments = [pace.reserve(START) for _ in range(10_000)]
    assert moments[-1] == pytest.approx(START + 9.999, abs=0.021)


def test_a_carrier_that_waits_for_long_keeps_no_other_waiting() -> None:
    total = Calendar(1000.0)
    slow, quick = Pace(0.1, total=total), Pace(100.0, total=total)
    for _ in range(100):
        slow.reserve(START)
    assert slow.backlog_seconds(START) == pytest.approx(1000.0, abs=0.1)
    assert quick.reserve(START) - START < 0.2


def test_what_had_to_wait_leaves_evenly_and_not_as_a_herd() -> None:
    pace = Pace(50.0)
    moments = [pace.reserve(START) for _ in range(500)]
    waiting = moments[5:]
    distances = [later - earlier for earlier, later in itertools.pairwise(waiting)]
    assert min(distances) == pytest.approx(0.02)
    assert max(distances) == pytest.approx(0.02)


def test_a_slower_cap_than_one_a_second_is_kept() -> None:
    pace = Pace(0.2, total=Calendar(0.25))
    moments = [pace.reserve(START) for _ in range(5)]
    assert moments == pytest.approx([START, START + 8, START + 12, START + 16, START + 20], abs=4)
    assert_within(moments, 0.2, 1.0)


def test_probes_that_had_to_wait_are_counted() -> None:
    pace = Pace(10.0, burst=2.0)
    for _ in range(5):
        pace.reserve(START)
    assert pace.delayed == 3
    assert pace.backlog_seconds(START) == pytest.approx(0.4)
    assert pace.backlog_seconds(START + 1.0) == 0.0


def test_the_calendar_forgets_what_is_past() -> None:
    total = Calendar(1000.0)
    pace = Pace(None, total=total)
    now = START
    for _ in range(20_000):
        pace.reserve(now)
        now += 0.05
    assert len(total._taken) < 10
    assert len(total._onward) < 10


def test_nothing_configured_caps_nothing() -> None:
    assert Paces().of("acme") is None
    assert Paces().of(None) is None


def test_a_carrier_with_a_cap_has_its_own_pace_and_others_share_the_total() -> None:
    paces = Paces()
    paces.change(1000.0, {"acme": 5.0})
    assert paces.of("acme") is not paces.of(None)
    assert paces.of("other") is paces.of(None)
    assert [carrier for carrier, _ in paces.all()] == [None, "acme"]


def test_without_a_total_only_the_named_carriers_are_capped() -> None:
    paces = Paces()
    paces.change(None, {"acme": 5.0})
    assert paces.of("acme") is not None
    assert paces.of("other") is None


def test_under_a_changed_cap_nobody_waits_for_what_was_promised_under_the_old_one() -> None:
    paces = Paces()
    paces.change(50.0, {"acme": 0.1})
    acme, others = paces.of("acme"), paces.of(None)
    assert acme is not None
    assert others is not None
    for _ in range(100):
        acme.reserve(START)
        others.reserve(START)
    assert not paces.change(50.0, {"acme": 0.1})
    assert acme.reserve(START) > START + 900
    assert paces.change(50.0, {"acme": 10.0})
    assert paces.of("acme") is acme
    assert acme.reserve(START) == START
    assert paces.change(20.0, {"acme": 10.0})
    assert paces.of(None) is others
    assert others.reserve(START) == START


def test_a_total_that_is_gone_delays_nobody_any_more() -> None:
    paces = Paces()
    paces.change(1.0, {"acme": 100.0})
    acme = paces.of("acme")
    assert acme is not None
    acme.reserve(START)
    paces.change(None, {"acme": 100.0})
    assert paces.of(None) is None
    assert acme.reserve(START + 1.0) == START + 1.0


def test_the_sentence_names_the_cap_that_delays() -> None:
    paces = Paces()
    paces.change(1000.0, {"acme": 5.0})
    acme = paces.of("acme")
    assert acme is not None
    for _ in range(50):
        acme.reserve(START)
    assert paces.why_delayed("acme", START, 1.0) == (
        'probes of carrier "acme" are delayed by 10.0 s by its cap of 5 a second'
    )
    assert paces.why_delayed("other", START, 1.0) is None


def test_the_sentence_names_the_total_cap_if_that_delays_longer() -> None:
    paces = Paces()
    paces.change(10.0, {"acme": 5.0})
    others = paces.of(None)
    assert others is not None
    for _ in range(100):
        others.reserve(START)
    sentence = "all probes are delayed by 10.0 s by the total cap of 10 a second"
    assert paces.why_delayed(None, START, 1.0) == sentence
    assert paces.why_delayed("acme", START, 1.0) == sentence
