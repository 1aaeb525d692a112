from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkpulse.board import Board
from trunkpulse.model import Reason, TrunkState, TrunkStatus

ids = st.sampled_from(["a", "b", "c"])
steps = st.lists(st.tuples(ids, st.none() | st.sampled_from(list(TrunkState))))


class Follower:
    """Keeps the states of a board by what it is told alone."""

    def __init__(self, board: Board) -> None:
        self.board = board
        self.states: dict[str, TrunkState] = {}
        self.moves = 0
        board.watch(self)

    def moved(self, trunk_id: str, state: TrunkState) -> None:
        assert self.states[trunk_id] is not state
        self.states[trunk_id] = state
        self.moves += 1

    def listed(self, trunk_id: str) -> None:
        self.states.pop(trunk_id, None)
        if trunk_id in self.board:
            self.states[trunk_id] = self.board.status(trunk_id).state


@given(steps)
def test_counts_and_watchers_keep_up_with_whatever_happens(
    steps: list[tuple[str, TrunkState | None]],
) -> None:
    board = Board()
    follower = Follower(board)
    for trunk_id, state in steps:
        if state is None:
            board.remove(trunk_id)
        else:
            board.publish(trunk_id, TrunkStatus(state, None, None))
        states = {each: board.status(each).state for each in board}
        counted = Counter(states.values())
        assert board.counts() == {state: counted[state] for state in TrunkState}
        assert follower.states == states


def test_a_trunk_that_is_published_with_the_state_it_has_is_listed_again() -> None:
    board = Board()
    board.publish("a", TrunkStatus(TrunkState.DOWN, Reason.KEEPALIVE_FAILURE, 1))
    follower = Follower(board)
    board.publish("a", TrunkStatus(TrunkState.DOWN, Reason.ADMIN_DISABLED, 2))
    assert follower.states == {"a": TrunkState.DOWN}
    assert follower.moves == 0


def test_counts_that_were_asked_for_stay_as_they_were() -> None:
    board = Board()
    before = board.counts()
    board.publish("a", TrunkStatus(TrunkState.DOWN, None, None))
    assert before[TrunkState.DOWN] == 0


def _follow(*steps: tuple[TrunkState, int]) -> Board:
    board = Board()
    for state, since_ms in steps:
        board.publish("a", TrunkStatus(state, None, since_ms))
    return board


DOWN, UNKNOWN, UP = TrunkState.DOWN, TrunkState.UNKNOWN, TrunkState.AVAILABLE
DEGRADED = TrunkState.DEGRADED


@pytest.mark.parametrize(
    ("steps", "returned_ms"),
    [
        ([], None),
        ([(UNKNOWN, 1), (UP, 2), (DEGRADED, 3), (UP, 4)], None),
        ([(DOWN, 1)], None),
        ([(DOWN, 1), (UP, 2)], 2),
        ([(DOWN, 1), (DEGRADED, 2), (UP, 3)], 2),
        ([(DOWN, 1), (UNKNOWN, 2)], None),
        ([(DOWN, 1), (UNKNOWN, 2), (UP, 3)], 3),
        ([(DOWN, 1), (UP, 2), (UNKNOWN, 3), (UP, 4)], 2),
        ([(DOWN, 1), (UP, 2), (UP, 2)], 2),
        ([(DOWN, 1), (UP, 2), (DOWN, 3)], None),
        ([(DOWN, 1), (UP, 2), (DOWN, 3), (UP, 4)], 4),
    ],
)
def test_a_trunk_is_back_from_down_once_it_is_found_to_work(
    steps: list[tuple[TrunkState, int]], returned_ms: int | None
) -> None:
    assert _follow(*steps).returned_ms("a") == returned_ms


def test_a_trunk_that_is_removed_never_was_down() -> None:
    board = _follow((DOWN, 1), (UP, 2))
    board.remove("a")
    assert board.returned_ms("a") is None
    board.publish("a", TrunkStatus(UP, None, 3))
    assert board.returned_ms("a") is None
