"""Guessing is slowed down, and nobody but the guesser is."""

from __future__ import annotations

import math
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkpulse.admission.guessing import Guessing, GuessingRules, network_of

HERE, THERE = "192.0.2.1", "198.51.100.7"


def guess_all(guessing: Guessing, account: str, address: str, *, count: int, now: float = 0) -> int:
    """How many of ``count`` guesses at one moment are let through."""
    return sum(guessing.admit(account, address, now) == 0 for _ in range(count))


def test_a_few_mistakes_are_free_and_then_each_doubles_the_wait() -> None:
    guessing = Guessing()
    now, waits = 0.0, []
    for _ in range(5):
        assert guessing.admit("alice", HERE, now) == 0
    for _ in range(6):
        wait = guessing.admit("alice", HERE, now)
        waits.append(wait)
        now += wait
        assert guessing.admit("alice", HERE, now) == 0
    assert waits == [1, 2, 4, 8, 16, 32]


def test_no_wait_is_longer_than_a_quarter_of_an_hour() -> None:
    guessing = Guessing()
    now = 0.0
    for _ in range(100):
        wait = guessing.admit("alice", HERE, now)
        assert wait <= 900
        now += wait


def test_ten_thousand_guesses_at_once_are_let_through_five_times() -> None:
    assert guess_all(Guessing(), "alice", HERE, count=10_000) == 5


def test_the_owner_elsewhere_does_not_notice() -> None:
    guessing = Guessing()
    guess_all(guessing, "alice", HERE, count=10_000)
    assert guessing.admit("alice", THERE, 0) == 0


def test_a_guess_that_is_refused_does_not_lengthen_the_wait() -> None:
    guessing = Guessing()
    guess_all(guessing, "alice", HERE, count=6)
    first = guessing.admit("alice", HERE, 0)
    guess_all(guessing, "alice", HERE, count=1000)
    assert guessing.admit("alice", HERE, 0) == first


def test_many_accounts_from_one_address_are_slowed_down_too() -> None:
    guessing = Guessing()
    let_through = sum(guessing.admit(f"user-{n}", HERE, 0) == 0 for n in range(1000))
    assert let_through == 30
    assert guessing.admit("somebody-else", THERE, 0) == 0


def test_one_account_from_many_addresses_is_slowed_down_except_for_its_owner() -> None:
    guessing = Guessing()
    let_through = sum(
        guessing.admit("alice", f"10.{n >> 8}.{n & 255}.1", 0) == 0 for n in range(10_000)
    )
    assert let_through == 60
    assert guessing.admit("alice", "10.200.1.1", 0) > 0
    assert guessing.admit("alice", THERE, 0, crowd=None) == 0
    assert guessing.admit("alice", "10.200.1.2", 0, crowd="a browser of hers") == 0


def test_with_a_stolen_mark_no_more_can_be_guessed_than_by_strangers() -> None:
    guessing = Guessing()
    let_through = sum(
        guessing.admit("alice", f"10.{n >> 8}.{n & 255}.1", 0, crowd="stolen") == 0
        for n in range(10_000)
    )
    assert let_through == 60
    assert guessing.admit("alice", THERE, 0, crowd="another") == 0


def test_all_addresses_of_one_subscriber_are_one() -> None:
    guessing = Guessing()
    let_through = sum(guessing.admit("alice", f"2001:db8::{n:x}", 0) == 0 for n in range(1, 1000))
    assert let_through == 5
    assert guessing.admit("alice", "2001:db8:0:1::1", 0) == 0


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8::abcd", "2001:db8::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("unknown", "unknown"),
    ],
)
def test_what_an_address_counts_as(address: str, network: str) -> None:
    assert network_of(address) == network


def test_the_right_password_ends_the_waiting_and_gives_the_guess_back() -> None:
    guessing = Guessing()
    for _ in range(1000):
        assert guessing.admit("alice", HERE, 0) == 0
        guessing.was_right("alice", HERE)


def test_what_could_not_be_tried_does_not_count() -> None:
    guessing = Guessing()
    for _ in range(1000):
        assert guessing.admit("alice", HERE, 0) == 0
        guessing.was_not_tried("alice", HERE)


def test_a_new_secret_from_an_administrator_lets_in_again() -> None:
    guessing = Guessing()
    guess_all(guessing, "alice", HERE, count=10)
    guessing.forget("alice")
    assert guessing.admit("alice", HERE, 0) == 0


def test_after_a_day_a_count_begins_anew() -> None:
    guessing = Guessing()
    now = 0.0
    for _ in range(20):
        now += guessing.admit("alice", HERE, now)
    now += 24 * 3600 + 901
    assert guess_all(guessing, "alice", HERE, count=100, now=now) == 5


def test_memory_is_bounded_whoever_guesses() -> None:
    guessing = Guessing(GuessingRules(capacity=100))
    for n in range(5000):
        account, address = f"user-{n}", f"10.{n >> 8}.{n & 255}.1"
        guessing.admit(account, address, 0)
    assert len(guessing._streaks) <= 100
    assert len(guessing._addresses) <= 100
    assert len(guessing._crowds) <= 100


def test_a_name_takes_no_more_memory_the_longer_it_is() -> None:
    def taken(name: str) -> int:
        guessing = Guessing()
        tracemalloc.start()
        try:
            for n in range(500):
                guessing.admit(f"{n}{name}", f"10.0.{n >> 8}.{n & 255}", 0)
            return tracemalloc.get_traced_memory()[0]
        finally:
            tracemalloc.stop()

    # 500 such names alone are two megabytes. What Python keeps for the next tuple is not counted,
    # so that the second of the two may seem to take less.
    assert taken("\N{GRINNING FACE}" * 1000) < 2 * taken("x")


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["alice", "bob"]),
        st.sampled_from([HERE, THERE]),
        st.floats(0, 2000),
        st.booleans(),
    ),
    max_size=80,
)


@given(STEPS)
def test_who_waits_as_long_as_was_said_is_let_through(
    steps: list[tuple[str, str, float, bool]],
) -> None:
    guessing, now = Guessing(), 0.0
    for account, address, passed, right in steps:
        now += passed
        wait = guessing.admit(account, address, now)
        assert wait >= 0
        assert math.isfinite(wait)
        if wait > 0:
            now += wait
            assert guessing.admit(account, address, now) == 0
        if right:
            guessing.was_right(account, address)


@given(STEPS)
def test_what_goes_on_at_one_account_and_address_changes_nothing_for_others(
    steps: list[tuple[str, str, float, bool]],
) -> None:
    guessing, now = Guessing(), 0.0
    for account, _, passed, right in steps:
        now += passed
        if guessing.admit(account, HERE, now) == 0 and right:
            guessing.was_right(account, HERE)
    assert guessing.admit("carol", THERE, now) == 0
    assert guessing.admit("carol", THERE, now) == 0


@given(st.lists(st.floats(0, 100), min_size=1, max_size=200))
def test_in_any_span_of_time_only_so_many_guesses_are_let_through(pauses: list[float]) -> None:
    rules = GuessingRules()
    guessing, now, let_through = Guessing(rules), 0.0, 0
    for pause in pauses:
        now += pause
        let_through += guessing.admit("alice", HERE, now) == 0
    most = rules.address_guesses + now / rules.address_refill_seconds
    # Five for free, then waits of 1, 2, 4 … seconds that together fit into the span.
    doublings = math.floor(math.log2(now + 1)) if now else 0
    assert let_through <= min(most, rules.free_guesses + doublings + now / 900) + 1
