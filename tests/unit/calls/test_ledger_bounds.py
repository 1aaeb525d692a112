"""However calls come and go, the ledger's books agree, and it takes no more room than it may."""

from __future__ import annotations

import tracemalloc
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from trunkpulse.calls.ledger import (
    EXPIRIES_PER_STEP,
    SILENCE_SECONDS,
    TIMER_B_SECONDS,
    Line,
    Place,
    Way,
)
from unit.calls.calling import FAR, OTHER_FAR, OUT, Talk

MOST = 50
STARTS = ("INVITE", "100", "180", "200", "404", "503", "ACK", "BYE", "CANCEL", "UPDATE")
STEP = st.tuples(
    st.booleans(),
    st.sampled_from(STARTS),
    st.sampled_from(["c1", "c2", "c3"]),
    st.sampled_from(["1", "2"]),
    st.sampled_from(["caller", "callee"]),
    st.sampled_from(["", "callee", "caller", "fork"]),
    st.sampled_from([FAR, OTHER_FAR]),
    st.sampled_from([0.0, 0.0, 10.0, SILENCE_SECONDS, 5 * 3600.0]),
)


@settings(max_examples=150)
@given(st.lists(STEP, max_size=40), st.sampled_from([2, 5]))
def test_the_numbers_of_lines_are_those_of_calls_whatever_happens(
    steps: list[tuple[bool, str, str, str, str, str, tuple[str, int], float]], most: int
) -> None:
    talk = Talk(most_calls=most)
    for ours, start, call_id, number, from_tag, to_tag, far, seconds in steps:
        method = "INVITE" if start.isdecimal() else start
        (talk.we if ours else talk.they)(
            start,
            call_id=call_id,
            cseq=f"{number} {method}",
            from_tag=from_tag,
            to_tag=to_tag,
            far=far,
        )
        talk.passes(seconds)
        lines = [Line(Place(*far), way) for far in (FAR, OTHER_FAR) for way in Way]
        numbers = [talk.ledger.up(line) for line in lines]
        assert min(numbers) >= 0
        assert sum(numbers) == talk.ledger.calls_up <= len(talk.ledger) <= most
    counts = talk.ledger.counts
    told = Counter(said for _, said in talk.noted.told)
    assert told[None] == counts.silent
    assert counts.answered <= len(steps)
    talk.passes(24 * 3600.0)
    assert (len(talk.ledger), talk.ledger.calls_up) == (0, 0)


def test_a_flood_of_invites_displaces_the_oldest_unanswered_and_no_call_that_is_up() -> None:
    talk = Talk(most_calls=MOST)
    for number in range(10):
        talk.set_up(f"real-{number}")
    for number in range(1000):
        talk.we("INVITE", call_id=f"flood-{number}")
    assert (len(talk.ledger), talk.ledger.up(OUT)) == (MOST, 10)
    assert talk.ledger.counts.crowded_out == 1000 - (MOST - 10)
    talk.they("200", call_id="flood-0", to_tag="x")  # forgotten by now
    talk.they("200", call_id="flood-999", to_tag="x")
    assert talk.ledger.up(OUT) == 11
    talk.passes(SILENCE_SECONDS)
    assert talk.ledger.counts.silent == MOST - 11  # of what was displaced nothing is said


def test_for_more_calls_than_there_is_room_those_go_that_were_silent_longest() -> None:
    talk = Talk(most_calls=MOST)
    for number in range(MOST + 5):
        talk.set_up(f"c{number}")
        talk.they("UPDATE", call_id="c0", from_tag="callee", to_tag="caller")
    assert (talk.ledger.up(OUT), len(talk.ledger)) == (MOST, MOST)
    talk.we("BYE", call_id="c0", to_tag="callee")
    talk.we("BYE", call_id="c1", to_tag="callee")
    assert talk.ledger.up(OUT) == MOST - 1


def test_calls_that_are_over_go_before_those_that_are_not() -> None:
    talk = Talk(most_calls=2)
    talk.we("INVITE", call_id="waits")
    talk.we("INVITE", call_id="refused")
    talk.they("404", call_id="refused")
    talk.set_up("new")
    talk.they("200", call_id="waits", to_tag="callee")
    assert (talk.ledger.up(OUT), talk.ledger.counts.crowded_out) == (2, 0)


def test_much_that_expires_at_once_is_let_go_in_steps() -> None:
    talk = Talk()
    for number in range(EXPIRIES_PER_STEP + 1):
        talk.we("INVITE", call_id=str(number))
    assert talk.ledger.expire(talk.now + SILENCE_SECONDS)
    assert talk.ledger.counts.silent == EXPIRIES_PER_STEP
    assert not talk.ledger.expire(talk.now + SILENCE_SECONDS)
    assert talk.ledger.expire(talk.now + TIMER_B_SECONDS)
    assert len(talk.ledger) == 1
    assert not talk.ledger.expire(talk.now + TIMER_B_SECONDS)
    assert len(talk.ledger) == 0


def test_a_call_takes_a_few_hundred_bytes_however_long_its_names_are() -> None:
    calls = 2000
    talk = Talk()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for number in range(calls):
            long = f"{number:06}" + "x" * 1500
            talk.we("INVITE", call_id=long, from_tag=long)
            talk.they("200", call_id=long, from_tag=long, to_tag=long)
        talk.noted.told.clear()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert talk.ledger.calls_up == calls
    assert (after - before) / calls < 600


def test_tags_without_end_take_no_more_room() -> None:
    talk = Talk()
    talk.set_up()
    for number in range(1000):
        talk.they("200", to_tag=f"fork-{number}")
        if number % 2:
            talk.we("BYE", to_tag=f"fork-{number}")
    assert (talk.ledger.up(OUT), len(talk.ledger)) == (1, 1)
