"""Calls are counted once, from their beginning to their end, and what they prove is told once."""

from __future__ import annotations

import pytest

from trunkpulse.calls.ledger import LINGER_SECONDS, SILENCE_SECONDS, TIMER_B_SECONDS
from unit.calls.calling import FAR, IN, OTHER_FAR, OTHER_OUT, OUT, US, Talk

THIRD = ("203.0.113.9", 5060)


def test_a_call_is_up_from_its_200_to_its_bye() -> None:
    talk = Talk()
    talk.we("INVITE")
    talk.they("100")
    talk.they("180", to_tag="callee")
    assert talk.ledger.up(OUT) == 0
    talk.they("200", to_tag="callee")
    talk.we("ACK", to_tag="callee")
    assert (talk.ledger.up(OUT), talk.ledger.up(IN), talk.ledger.calls_up) == (1, 0, 1)
    talk.we("BYE", cseq="2 BYE", to_tag="callee")
    assert (talk.ledger.up(OUT), talk.ledger.calls_up) == (0, 0)
    assert talk.codes == [180]  # the success is told once, as soon as it is one


def test_the_far_side_may_hang_up_as_well() -> None:
    talk = Talk()
    talk.set_up()
    talk.they("BYE", from_tag="callee", to_tag="caller")
    assert talk.ledger.up(OUT) == 0


def test_a_bye_that_nobody_saw_is_known_by_its_answer() -> None:
    talk = Talk()
    talk.set_up()
    talk.they("200", cseq="2 BYE", to_tag="callee")
    assert talk.ledger.up(OUT) == 0


def test_retransmissions_and_a_second_mirror_count_once() -> None:
    talk = Talk()
    for _ in range(3):
        talk.we("INVITE")
    for _ in range(3):
        talk.they("200", to_tag="callee")
        talk.we("INVITE")
    assert (talk.ledger.up(OUT), talk.ledger.counts.begun, talk.codes) == (1, 1, [200])
    for _ in range(3):
        talk.we("BYE", to_tag="callee")
        talk.they("200", to_tag="callee")  # sent again by who has not heard the ACK
        talk.we("INVITE")
    assert (talk.ledger.up(OUT), talk.ledger.counts.begun, talk.codes) == (0, 1, [200])


def test_the_leg_that_is_at_no_place_of_ours_does_not_count() -> None:
    talk = Talk()
    talk.says(THIRD, US, "INVITE sip:b@x SIP/2.0")
    talk.says(US, THIRD, "SIP/2.0 200 OK", to_tag="callee")
    assert len(talk.ledger) == 0
    talk.set_up()
    assert talk.ledger.calls_up == 1


def test_a_call_that_comes_in_and_goes_out_at_one_place_is_two() -> None:
    talk = Talk()
    talk.they("INVITE")
    talk.we("INVITE")
    talk.they("200", to_tag="callee")
    talk.we("200", to_tag="callee")
    assert (talk.ledger.up(OUT), talk.ledger.up(IN)) == (1, 1)
    talk.they("BYE", to_tag="callee")
    talk.we("BYE", to_tag="callee")
    assert (talk.ledger.up(OUT), talk.ledger.up(IN)) == (0, 0)


def test_one_call_id_at_two_places_is_two_calls() -> None:
    talk = Talk()
    talk.we("INVITE")
    talk.they("503")
    talk.set_up(far=OTHER_FAR)
    assert (talk.ledger.up(OUT), talk.ledger.up(OTHER_OUT)) == (0, 1)
    assert talk.codes == [503, 200]


def test_forks_are_one_call_that_ends_with_the_last_of_them() -> None:
    talk = Talk()
    talk.set_up(to_tag="one")
    talk.they("200", to_tag="two")
    assert talk.ledger.up(OUT) == 1
    talk.we("BYE", cseq="2 BYE", to_tag="two")
    assert talk.ledger.up(OUT) == 1
    talk.they("200", to_tag="two")  # again, too late
    talk.we("BYE", cseq="2 BYE", to_tag="one")
    assert talk.ledger.up(OUT) == 0


@pytest.mark.parametrize("code", ["302", "404", "408", "486", "500", "503", "603"])
def test_an_error_ends_the_call_and_is_told_once(code: str) -> None:
    talk = Talk()
    talk.we("INVITE")
    talk.they(code, to_tag="x")
    talk.they(code, to_tag="x")
    assert (talk.codes, talk.ledger.calls_up) == ([int(code)], 0)
    talk.passes(LINGER_SECONDS)
    assert (talk.codes, len(talk.ledger)) == ([int(code)], 0)


def test_a_call_that_was_challenged_goes_on_with_credentials() -> None:
    talk = Talk()
    talk.we("INVITE")
    talk.they("407", to_tag="x")
    talk.we("INVITE", cseq="2 INVITE")
    talk.they("407", to_tag="x")  # again, late
    talk.they("200", cseq="2 INVITE", to_tag="callee")
    assert (talk.codes, talk.ledger.up(OUT)) == ([407, 200], 1)


def test_a_cancelled_call_ends_and_a_200_that_crosses_wins() -> None:
    talk = Talk()
    talk.we("INVITE")
    talk.they("180", to_tag="callee")
    talk.we("CANCEL")
    talk.they("487", to_tag="callee")
    assert (talk.codes, talk.ledger.calls_up) == ([180], 0)
    talk.they("200", to_tag="callee")
    assert (talk.codes, talk.ledger.calls_up) == ([180], 1)


def test_silence_is_told_after_five_invites_and_only_of_calls_of_ours() -> None:
    talk = Talk()
    talk.we("INVITE")
    talk.they("INVITE", call_id="theirs")
    talk.passes(SILENCE_SECONDS - 1)
    talk.we("INVITE")
    assert talk.codes == []
    talk.passes(1)
    assert talk.noted.told == [(OUT, None)]
    talk.we("INVITE")
    talk.passes(TIMER_B_SECONDS - SILENCE_SECONDS)
    assert (talk.noted.told, len(talk.ledger)) == ([(OUT, None)], 0)
    assert talk.ledger.counts.silent == 1


def test_what_was_unheard_may_still_be_answered() -> None:
    talk = Talk()
    for call_id in ("rings", "busy"):
        talk.we("INVITE", call_id=call_id)
    talk.passes(TIMER_B_SECONDS - 1)
    talk.they("180", call_id="rings", to_tag="callee")
    talk.they("486", call_id="busy", to_tag="callee")
    talk.they("200", call_id="rings", to_tag="callee")
    assert (talk.codes, talk.ledger.up(OUT)) == ([None, None, 180, 486], 1)


def test_a_hundred_alone_is_no_silence() -> None:
    talk = Talk()
    talk.we("INVITE")
    talk.they("100")
    talk.passes(SILENCE_SECONDS * 2)
    assert talk.noted.told == [(OUT, "heard")]
    talk.passes(3600)
    assert (talk.codes, len(talk.ledger)) == ([], 0)


def test_a_cancel_before_any_answer_leaves_the_silence_to_be_seen() -> None:
    talk = Talk()
    talk.we("INVITE")
    talk.we("CANCEL")
    talk.passes(SILENCE_SECONDS)
    assert talk.codes == [None]


def test_a_call_of_theirs_proves_nothing_until_they_acknowledge_our_answer() -> None:
    talk = Talk()
    talk.they("INVITE")
    talk.we("180", to_tag="ours")
    talk.we("200", to_tag="ours")
    assert (talk.noted.told, talk.ledger.up(IN)) == ([], 1)
    talk.they("ACK", to_tag="guessed")
    assert talk.noted.told == []
    talk.they("ACK", to_tag="ours")
    talk.they("ACK", to_tag="ours")
    assert talk.codes == ["ack"]


@pytest.mark.parametrize("code", ["408", "500", "503"])
def test_our_own_errors_say_nothing_of_the_far_side(code: str) -> None:
    talk = Talk()
    talk.they("INVITE")
    talk.we(code, to_tag="ours")
    talk.passes(SILENCE_SECONDS)
    assert talk.noted.told == []


def test_an_answer_that_was_not_asked_for_is_no_call() -> None:
    talk = Talk()
    talk.they("200", to_tag="callee")
    talk.they("BYE", from_tag="callee", to_tag="caller")
    assert (talk.noted.told, len(talk.ledger)) == ([], 0)
    talk.we("INVITE")
    talk.they("200", cseq="7 INVITE", to_tag="callee")
    talk.they("200", from_tag="another", to_tag="callee")
    assert (talk.noted.told, talk.ledger.calls_up) == ([], 0)


def test_what_is_said_within_a_call_keeps_it_and_proves_the_far_side_alive() -> None:
    talk = Talk()
    talk.set_up()
    hours = 3600.0
    talk.passes(3 * hours)
    talk.we("INVITE", cseq="2 INVITE", to_tag="callee")
    talk.passes(3 * hours)
    assert (talk.ledger.up(OUT), talk.noted.told) == (1, [(OUT, 200)])
    talk.they("200", cseq="2 INVITE", to_tag="callee")
    talk.they("UPDATE", from_tag="callee", to_tag="caller")
    talk.they("UPDATE", from_tag="stranger", to_tag="caller")
    assert talk.noted.told == [(OUT, 200), (OUT, "heard")]
    talk.passes(hours)
    talk.they("UPDATE", from_tag="callee", to_tag="caller")
    assert len(talk.noted.told) == 2  # what it asks does not show that it hears us
    talk.passes(3.5 * hours)
    assert (talk.ledger.up(OUT), talk.ledger.counts.begun) == (1, 1)
    talk.passes(4 * hours)
    assert (talk.ledger.up(OUT), talk.ledger.counts.forgotten) == (0, 1)


@pytest.mark.parametrize("theirs", [False, True])
def test_a_call_that_began_before_us_joins_at_its_next_invite(theirs: bool) -> None:  # noqa: FBT001
    talk = Talk()
    ask, answer = (talk.they, talk.we) if theirs else (talk.we, talk.they)
    ask("INVITE", cseq="9 INVITE", from_tag="a", to_tag="b")
    answer("200", cseq="9 INVITE", from_tag="a", to_tag="b")
    ask("ACK", cseq="9 ACK", from_tag="a", to_tag="b")
    assert talk.ledger.calls_up == 1
    answer("INVITE", cseq="3 INVITE", from_tag="b", to_tag="a")
    ask("200", cseq="3 INVITE", from_tag="b", to_tag="a")
    assert (talk.ledger.calls_up, talk.ledger.counts.begun) == (1, 1)
    answer("BYE", cseq="4 BYE", from_tag="b", to_tag="a")
    assert talk.ledger.calls_up == 0


def test_a_call_from_one_place_to_another_is_one_at_each() -> None:
    talk = Talk()
    talk.says(FAR, OTHER_FAR, "INVITE sip:b@x SIP/2.0")
    talk.says(OTHER_FAR, FAR, "SIP/2.0 200 OK", to_tag="callee")
    assert (talk.ledger.up(IN), talk.ledger.up(OTHER_OUT)) == (1, 1)
