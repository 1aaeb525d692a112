from __future__ import annotations

import math

import pytest
from hypothesis import assume
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from trunkpulse.sip.errors import IllegalEvent
from trunkpulse.sip.transaction import (
    NonInviteClientTransaction,
    Stimulus,
    TransactionEvent,
    TransactionState,
    transition_table,
)

Event = TransactionEvent
State = TransactionState


def started(timeout_seconds: float = 32.0, *, reliable: bool = False) -> NonInviteClientTransaction:
    return NonInviteClientTransaction(
        b"request", b"z9hG4bK1", 100.0, timeout_seconds=timeout_seconds, reliable=reliable
    )


def run_out(transaction: NonInviteClientTransaction) -> list[tuple[float, TransactionEvent]]:
    """Every event until the end, each called for exactly at its deadline."""
    events = []
    while transaction.state is not State.TERMINATED:
        now = transaction.deadline
        events.append((now - 100.0, transaction.on_deadline(now)))
    return events


def test_an_unanswered_request_is_sent_again_on_the_schedule_of_timer_e_until_timer_f() -> None:
    moments = [0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]
    assert run_out(started()) == [
        *((moment, Event.RETRANSMIT) for moment in moments),
        (32.0, Event.TIMED_OUT),
    ]


def test_a_shorter_timer_f_ends_the_attempt_exactly_when_it_fires() -> None:
    assert run_out(started(1.5)) == [(0.5, Event.RETRANSMIT), (1.5, Event.TIMED_OUT)]
    assert run_out(started(0.25)) == [(0.25, Event.TIMED_OUT)]


def test_over_a_reliable_transport_nothing_is_sent_again() -> None:
    assert run_out(started(4.0, reliable=True)) == [(4.0, Event.TIMED_OUT)]


def test_a_provisional_answer_slows_retransmissions_to_t2_and_is_no_success() -> None:
    transaction = started(16.0)
    assert transaction.on_response(100, 100.1) is Event.PROVISIONAL
    assert transaction.state is State.PROCEEDING
    assert run_out(transaction) == [
        (0.5, Event.RETRANSMIT),
        (4.5, Event.RETRANSMIT),
        (8.5, Event.RETRANSMIT),
        (12.5, Event.RETRANSMIT),
        (16.0, Event.TIMED_OUT),
    ]


@pytest.mark.parametrize(("reliable", "lingers"), [(False, 5.0), (True, 0.0)])
def test_duplicates_of_a_final_answer_are_absorbed_until_timer_k(
    lingers: float, *, reliable: bool
) -> None:
    transaction = started(reliable=reliable)
    assert transaction.on_response(404, 101.0) is Event.FINAL
    assert transaction.deadline == 101.0 + lingers
    assert transaction.on_response(404, 102.0) is Event.ABSORBED
    assert transaction.on_response(180, 102.0) is Event.ABSORBED
    assert transaction.on_transport_error() is Event.ABSORBED
    assert transaction.deadline == 101.0 + lingers
    assert transaction.on_deadline(101.0 + lingers) is Event.TERMINATED


def test_before_its_deadline_nothing_happens() -> None:
    transaction = started()
    assert transaction.on_deadline(math.nextafter(100.5, 0)) is Event.NOTHING
    assert (transaction.state, transaction.deadline) == (State.TRYING, 100.5)


def test_a_stalled_loop_sends_once_and_looks_ahead() -> None:
    transaction = started()
    assert transaction.on_deadline(110.0) is Event.RETRANSMIT
    assert transaction.deadline == 111.0
    assert transaction.on_deadline(110.5) is Event.NOTHING


def test_a_loop_that_stalled_past_timer_f_times_out_without_sending() -> None:
    assert started(4.0).on_deadline(104.0) is Event.TIMED_OUT


def test_a_transport_error_ends_an_attempt_at_once() -> None:
    transaction = started()
    assert transaction.on_transport_error() is Event.TRANSPORT_FAILED
    assert transaction.state is State.TERMINATED


def test_after_the_end_every_event_is_illegal_and_changes_nothing() -> None:
    transaction = started()
    transaction.on_transport_error()
    before = (transaction.state, transaction.deadline)
    with pytest.raises(IllegalEvent, match="Terminated has no answer to 200-699"):
        transaction.on_response(200, 101.0)
    with pytest.raises(IllegalEvent, match="1xx"):
        transaction.on_response(100, 101.0)
    with pytest.raises(IllegalEvent):
        transaction.on_deadline(200.0)
    with pytest.raises(IllegalEvent):
        transaction.on_deadline(0.0)
    with pytest.raises(IllegalEvent):
        transaction.on_transport_error()
    assert (transaction.state, transaction.deadline) == before


def test_the_table_ends_in_terminated_from_everywhere_and_never_leaves_it() -> None:
    rows = transition_table()
    assert len({(row.state, row.stimulus) for row in rows}) == len(rows)
    assert all(row.state is not State.TERMINATED for row in rows)
    for state in (State.TRYING, State.PROCEEDING, State.COMPLETED):
        assert any(row.state is state and row.next_state is State.TERMINATED for row in rows)
    sending = {row.state for row in rows if row.event is Event.RETRANSMIT}
    assert sending == {State.TRYING, State.PROCEEDING}
    assert {row.stimulus for row in rows} == set(Stimulus)


class TransactionMachine(RuleBasedStateMachine):
    """Any order of answers, errors and late calls, held against the RFC's own words."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 100.0
        self.finals = 0
        self.ended = False
        self.sent_at: list[float] = []

    @initialize(timeout_seconds=st.sampled_from([0.3, 0.5, 1.0, 4.0, 32.0]), reliable=st.booleans())
    def start(self, timeout_seconds: float, *, reliable: bool) -> None:
        self.timeout_at = 100.0 + timeout_seconds
        self.reliable = reliable
        self.transaction = started(timeout_seconds, reliable=reliable)

    @precondition(lambda self: not self.ended)
    @rule(late=st.sampled_from([0.0, 0.0, 0.0, 0.01, 1.0, 40.0]))
    def deadline_comes(self, late: float) -> None:
        self.now = max(self.now, self.transaction.deadline) + late
        event = self.transaction.on_deadline(self.now)
        if event is Event.RETRANSMIT:
            assert not self.reliable
            assert self.finals == 0
            assert self.now < self.timeout_at
            if self.sent_at:
                # No burst: half a second is the shortest interval of all.
                assert self.now - self.sent_at[-1] >= 0.5
            self.sent_at.append(self.now)
            assert self.now < self.transaction.deadline <= self.timeout_at
        elif event is Event.TIMED_OUT:
            assert self.finals == 0
            assert self.now >= self.timeout_at
            self.ended = True
        else:
            assert event is Event.TERMINATED
            assert self.finals > 0
            self.ended = True

    @precondition(lambda self: not self.ended)
    @rule(part=st.floats(0.0, 0.99))
    def called_early(self, part: float) -> None:
        moment = self.now + (self.transaction.deadline - self.now) * part
        assume(self.now <= moment < self.transaction.deadline)
        self.now = moment
        assert self.transaction.on_deadline(moment) is Event.NOTHING

    @precondition(lambda self: not self.ended)
    @rule(code=st.integers(100, 699))
    def answer(self, code: int) -> None:
        event = self.transaction.on_response(code, self.now)
        if self.finals:
            assert event is Event.ABSORBED
        elif code < 200:
            assert event is Event.PROVISIONAL
        else:
            assert event is Event.FINAL
            self.finals += 1
            assert self.transaction.deadline == self.now + (0.0 if self.reliable else 5.0)

    @precondition(lambda self: not self.ended)
    @rule()
    def transport_error(self) -> None:
        event = self.transaction.on_transport_error()
        self.ended = self.finals == 0
        assert event is (Event.TRANSPORT_FAILED if self.ended else Event.ABSORBED)

    @precondition(lambda self: self.ended)
    @rule(code=st.integers(100, 699))
    def too_late(self, code: int) -> None:
        with pytest.raises(IllegalEvent):
            self.transaction.on_response(code, self.now)

    @invariant()
    def ends_when_told_so(self) -> None:
        assert (self.transaction.state is State.TERMINATED) == self.ended


TestTransactionMachine = TransactionMachine.TestCase
