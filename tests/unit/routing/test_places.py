import random
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from trunkpulse.model import TargetState
from trunkpulse.routing.places import Standing, in_order

A, D, U = TargetState.AVAILABLE, TargetState.DOWN, TargetState.UNKNOWN


def order(*standings: Standing, seed: int = 1) -> list[int]:
    return in_order(standings, random.Random(seed))


def test_what_works_comes_first_then_what_is_undecided_and_what_is_down_not_at_all() -> None:
    standings = (Standing(D, 0, 100), Standing(U, 0, 100), Standing(A, 9, 1))
    assert order(*standings) == [2, 1]


def test_all_are_tried_if_all_are_down() -> None:
    assert order(Standing(D, 2, 100), Standing(D, 1, 100)) == [1, 0]


def test_the_lower_priority_comes_first_whatever_the_weights() -> None:
    for seed in range(50):
        assert order(Standing(A, 20, 1000), Standing(A, 10, 1), seed=seed) == [1, 0]


def test_within_a_priority_each_comes_first_in_proportion_to_its_weight() -> None:
    rng = random.Random(7)
    standings = (Standing(A, 0, 75), Standing(A, 0, 25), Standing(A, 0, 0))
    firsts = Counter(in_order(standings, rng)[0] for _ in range(4000))
    assert firsts[2] == 0
    assert 0.70 < firsts[0] / 4000 < 0.80


@given(
    st.lists(
        st.builds(Standing, st.sampled_from(TargetState), st.integers(0, 3), st.integers(0, 100)),
        min_size=1,
        max_size=10,
    ),
    st.integers(0, 1000),
)
def test_nobody_is_lost_or_tried_twice(standings: list[Standing], seed: int) -> None:
    tried = in_order(standings, random.Random(seed))
    assert len(set(tried)) == len(tried)
    alive = {at for at, each in enumerate(standings) if each.state is not D}
    assert set(tried) == (alive or set(range(len(standings))))
