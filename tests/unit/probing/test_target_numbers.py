from __future__ import annotations

import itertools
import math
import sys
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkpulse.probing.numbers import BYTES_PER_TARGET, UNHEARD, Numbers

SLOTS = 4
RTTS = st.floats(min_value=1e-5, max_value=32.0, allow_nan=False)
STEPS = st.lists(
    st.tuples(st.integers(0, SLOTS - 1), st.one_of(RTTS, st.sampled_from(["lost", "reset"]))),
    max_size=80,
)


@dataclass
class Remembered:
    """What one target went through, every attempt of it."""

    attempts: list[float | None] = field(default_factory=list)
    """Round trips, None for a loss."""

    @property
    def rtts(self) -> list[float]:
        return [each for each in self.attempts if each is not None]

    def smoothed(self) -> float:
        first, *others = self.rtts
        mean = first
        for each in others:
            mean = 7 / 8 * mean + 1 / 8 * each
        return mean

    def jitter(self) -> float:
        steps = [abs(after - before) for before, after in itertools.pairwise(self.rtts)]
        mean, *others = steps
        for each in others:
            mean = mean + (each - mean) / 16
        return mean

    def loss_share(self) -> float:
        share = 0.0
        for number, each in enumerate(self.attempts, start=1):
            lost = each is None
            share += (lost - share) / min(number, 16)
            if not lost and share < 0.0005:
                share = 0.0
        return share


@given(steps=STEPS)
def test_each_slot_is_what_its_own_attempts_come_to(
    steps: list[tuple[int, float | str]],
) -> None:
    numbers = Numbers()
    numbers.grow(SLOTS)
    model = [Remembered() for _ in range(SLOTS)]
    for index, step in steps:
        if step == "reset":
            numbers.reset(index)
            model[index] = Remembered()
        elif isinstance(step, float):
            numbers.answered(index, step, 200)
            model[index].attempts.append(step)
        else:
            numbers.lost(index)
            model[index].attempts.append(None)
    for index, expected in enumerate(model):
        found, rtts = numbers.of(index), expected.rtts
        assert (found.answers, found.losses) == (len(rtts), len(expected.attempts) - len(rtts))
        assert found.rtt_sum_seconds == pytest.approx(math.fsum(rtts))
        assert numbers.take_worst(index) == pytest.approx(max(rtts, default=0.0))
        if not expected.attempts:
            assert found == UNHEARD
            continue
        assert found.loss_share == pytest.approx(expected.loss_share(), abs=1e-3)
        if not rtts:
            assert (found.rtt_seconds, found.smoothed_rtt_seconds) == (None, None)
            continue
        assert found.rtt_seconds == pytest.approx(rtts[-1])
        assert found.smoothed_rtt_seconds == pytest.approx(expected.smoothed(), rel=1e-5)
        if len(rtts) == 1:
            assert found.jitter_seconds is None
        else:
            assert found.jitter_seconds == pytest.approx(expected.jitter(), rel=1e-4, abs=1e-4)


@given(rtts=st.lists(RTTS, max_size=50))
def test_the_histogram_holds_every_answer(rtts: list[float]) -> None:
    numbers = Numbers()
    for index, rtt in enumerate(rtts):
        numbers.reset(index)
        numbers.answered(index, rtt, 200)
    assert numbers.rtt.total == len(rtts)
    assert numbers.rtt.sum == pytest.approx(math.fsum(rtts))
    for bound, upto in numbers.rtt.cumulative():
        assert upto == sum(rtt <= bound for rtt in rtts)


def test_the_worst_round_trip_is_of_the_time_since_it_was_asked() -> None:
    numbers = Numbers()
    numbers.reset(0)
    for rtt in (0.25, 0.5, 0.125):
        numbers.answered(0, rtt, 200)
    assert numbers.take_worst(0) == 0.5
    assert numbers.take_worst(0) == 0.0
    numbers.answered(0, 0.125, 200)
    assert numbers.take_worst(0) == 0.125


def test_a_slot_with_a_new_target_knows_nothing_of_the_old_one() -> None:
    numbers = Numbers()
    numbers.reset(2)
    numbers.answered(2, 0.5, 200)
    numbers.lost(2)
    numbers.reset(2)
    assert numbers.of(2) == UNHEARD
    assert numbers.take_worst(2) == 0.0


@pytest.mark.parametrize("index", [-1, 7])
def test_a_target_without_a_slot_is_unheard(index: int) -> None:
    numbers = Numbers()
    numbers.grow(7)
    numbers.answered(6, 0.5, 200)
    assert numbers.of(index) == UNHEARD
    assert numbers.take_worst(index) == 0.0


def test_growing_keeps_what_was_noted_and_the_function_that_notes() -> None:
    numbers = Numbers()
    numbers.grow(1)
    answered = numbers.answered
    answered(0, 0.5, 200)
    numbers.grow(1000)
    numbers.grow(10)
    assert len(numbers) == 1000
    answered(999, 0.25, 200)
    assert (numbers.of(0).rtt_seconds, numbers.of(999).rtt_seconds) == (0.5, 0.25)


def test_a_loss_long_ago_fades_to_none_at_all() -> None:
    numbers = Numbers()
    numbers.reset(0)
    numbers.lost(0)
    assert numbers.of(0).loss_share == 1.0
    shares = []
    while numbers.of(0).loss_share:
        numbers.answered(0, 0.02, 200)
        shares.append(numbers.of(0).loss_share or 0.0)
    assert shares[:3] == pytest.approx([1 / 2, 1 / 3, 1 / 4])
    assert shares == sorted(shares, reverse=True)
    assert shares[-1] == 0.0
    assert len(shares) < 100


def test_a_target_takes_no_more_memory_than_is_said() -> None:
    numbers = Numbers()
    numbers.grow(100_000)
    taken = sum(map(sys.getsizeof, vars(numbers).values()))
    assert BYTES_PER_TARGET <= taken / 100_000 < BYTES_PER_TARGET * 1.2
