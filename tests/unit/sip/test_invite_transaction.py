"""The INVITE server transaction: its table, its timers, and whatever may happen to it."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkpulse.sip.errors import IllegalEvent
from trunkpulse.sip.invite import (
    TIMER_H_SECONDS,
    InviteEvent,
    InviteServerTransaction,
    InviteState,
    InviteStimulus,
    invite_transition_table,
)

ANSWER = b"SIP/2.0 302 Moved Temporarily\r\n\r\n"


def answered(now: float = 0.0, *, reliable: bool = False) -> InviteServerTransaction:
    transaction = InviteServerTransaction(now, reliable=reliable)
    assert transaction.on_answer(ANSWER, now) is InviteEvent.ANSWERED
    return transaction


def deadlines(transaction: InviteServerTransaction) -> list[tuple[float, InviteEvent]]:
    """What is due until the end, each at its very moment."""
    happened: list[tuple[float, InviteEvent]] = []
    while transaction.state is not InviteState.TERMINATED:
        moment = transaction.deadline
        happened.append((moment, transaction.on_deadline(moment)))
    return happened


def test_the_table_has_the_states_of_figure_7_and_ends_in_terminated() -> None:
    table = invite_transition_table()
    assert len({(row.state, row.stimulus) for row in table}) == len(table)
    assert {row.state for row in table} == set(InviteState) - {InviteState.TERMINATED}
    assert {row.stimulus for row in table} == set(InviteStimulus)


def test_over_udp_timer_g_repeats_the_answer_until_timer_h_gives_up() -> None:
    *repeated, (end, last) = deadlines(answered())
    assert [moment for moment, _ in repeated] == [
        0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5,
    ]  # fmt: skip
    assert {event for _, event in repeated} == {InviteEvent.RESEND}
    assert (end, last) == (TIMER_H_SECONDS, InviteEvent.UNACKNOWLEDGED)


def test_over_a_connection_nothing_is_repeated_and_timer_i_is_zero() -> None:
    assert deadlines(answered(reliable=True)) == [(TIMER_H_SECONDS, InviteEvent.UNACKNOWLEDGED)]
    transaction = answered(reliable=True)
    assert transaction.on_ack(1.0) is InviteEvent.CONFIRMED
    assert deadlines(transaction) == [(1.0, InviteEvent.TERMINATED)]


def test_the_ack_ends_the_repetitions_and_stragglers_are_absorbed_for_timer_i() -> None:
    transaction = answered()
    assert transaction.on_invite() is InviteEvent.RESEND
    assert transaction.on_ack(0.2) is InviteEvent.CONFIRMED
    assert transaction.answer == b""
    assert transaction.on_ack(0.3) is InviteEvent.ABSORBED
    assert transaction.on_invite() is InviteEvent.ABSORBED
    assert transaction.on_deadline(5.1) is InviteEvent.NOTHING
    assert deadlines(transaction) == [(5.2, InviteEvent.TERMINATED)]


def test_a_loop_that_stood_still_makes_up_for_nothing() -> None:
    transaction = answered()
    assert transaction.on_deadline(20.0) is InviteEvent.RESEND
    assert transaction.deadline == 21.0
    assert transaction.on_deadline(40.0) is InviteEvent.UNACKNOWLEDGED


@pytest.mark.parametrize("state", InviteState)
@pytest.mark.parametrize("stimulus", InviteStimulus)
def test_what_the_table_has_no_row_for_raises_and_changes_nothing(
    state: InviteState, stimulus: InviteStimulus
) -> None:
    if any((row.state, row.stimulus) == (state, stimulus) for row in invite_transition_table()):
        return
    transaction = InviteServerTransaction(0.0, reliable=False)
    transaction.state = state
    with pytest.raises(IllegalEvent, match=state.value):
        transaction._advance(stimulus)
    assert transaction.state is state


@given(
    reliable=st.booleans(),
    happenings=st.lists(
        st.tuples(st.sampled_from(["invite", "ack", "wait"]), st.floats(0.0, 3.0)), max_size=60
    ),
)
def test_whatever_comes_the_answer_stays_the_same_until_its_ack(
    *, reliable: bool, happenings: list[tuple[str, float]]
) -> None:
    transaction = answered(reliable=reliable)
    now, acknowledged = 0.0, False
    sent = [ANSWER]
    for (what, seconds), _ in zip(happenings, itertools.count(), strict=False):
        now += seconds
        while transaction.deadline <= now and transaction.state is not InviteState.TERMINATED:
            if transaction.on_deadline(now) is InviteEvent.RESEND:
                sent.append(transaction.answer)
        if transaction.state is InviteState.TERMINATED:
            break
        if what == "ack":
            transaction.on_ack(now)
            acknowledged = True
        elif what == "invite" and transaction.on_invite() is InviteEvent.RESEND:
            sent.append(transaction.answer)
            assert not acknowledged
    assert set(sent) == {ANSWER}
    assert (transaction.answer == ANSWER) == (transaction.state is InviteState.COMPLETED)
