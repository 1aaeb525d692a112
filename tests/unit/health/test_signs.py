from __future__ import annotations

from trunkpulse.health.signs import (
    FORGET_SECONDS,
    MOST_PARTIES,
    WINDOW_SECONDS,
    Counts,
    Signs,
)


def test_attempts_of_the_window_are_summed_up_and_older_ones_are_forgotten() -> None:
    signs = Signs()
    signs.count(0.0, Counts(answers=1, attempts=1))
    signs.count(1.0, Counts(silences=2))
    signs.count(1.05, Counts(answers=4, silences=8, attempts=3))
    assert signs.counts() == Counts(answers=5, silences=10, attempts=4)
    signs.forget(WINDOW_SECONDS)
    assert signs.counts() == Counts(answers=4, silences=10, attempts=3)
    signs.forget(1.0 + WINDOW_SECONDS)
    assert signs.counts() == Counts()


def test_what_is_counted_at_every_moment_takes_room_for_the_window_only() -> None:
    signs = Signs()
    for millisecond in range(20_000):
        signs.count(millisecond / 1000, Counts(answers=1))
        signs.forget(millisecond / 1000)
    assert abs(signs.counts().answers - WINDOW_SECONDS * 1000) <= 101
    assert len(signs._slices) <= WINDOW_SECONDS / 0.1 + 1


def test_a_party_is_silent_or_heard_whichever_came_last() -> None:
    signs = Signs()
    signs.silent(1.0, "acme", "192.0.2.1")
    assert (signs.silent_hosts(0.0), signs.heard_hosts(0.0)) == (1, 0)
    signs.heard(2.0, "acme", "192.0.2.1")
    assert (signs.silent_hosts(0.0), signs.heard_hosts(0.0)) == (0, 1)
    signs.silent(3.0, "acme", "192.0.2.1")
    assert (signs.silent_hosts(0.0), signs.heard_hosts(0.0)) == (1, 0)
    assert signs.silent_parties == {"acme"}


def test_parties_at_one_host_count_once() -> None:
    signs = Signs()
    for party in ("acme", "other"):
        signs.silent(1.0, party, "192.0.2.1")
    signs.silent(1.0, "third", "192.0.2.2")
    for party in ("fourth", "fifth"):
        signs.heard(1.0, party, "192.0.2.3")
    assert (signs.silent_hosts(0.0), signs.heard_hosts(0.0)) == (2, 1)
    assert signs.silent_parties == {"acme", "other", "third"}


def test_only_the_silent_of_a_sample_are_asked_for_if_there_is_one() -> None:
    signs = Signs()
    for party in "abc":
        signs.silent(1.0, party, party)
    assert signs.silent_hosts(0.0, ("a", "b", "x")) == 2
    assert signs.silent_hosts(0.0, ()) == 3


def test_a_sign_counts_from_its_moment_on_and_is_forgotten_in_time() -> None:
    signs = Signs()
    signs.silent(10.0, "acme", "192.0.2.1")
    signs.heard(10.0, "other", "192.0.2.2")
    assert (signs.silent_hosts(10.0), signs.heard_hosts(10.0)) == (1, 1)
    assert (signs.silent_hosts(10.1), signs.heard_hosts(10.1)) == (0, 0)
    signs.forget(9.9 + FORGET_SECONDS)
    assert (signs.silent_hosts(0.0), signs.heard_hosts(0.0)) == (1, 1)
    signs.forget(10.0 + FORGET_SECONDS)
    assert (signs.silent_hosts(0.0), signs.heard_hosts(0.0)) == (0, 0)


def test_however_many_parties_there_are_only_some_are_known_and_those_stay_current() -> None:
    signs = Signs()
    for number in range(MOST_PARTIES + 50):
        signs.silent(1.0, f"silent-{number}", f"silent-{number}")
        signs.heard(1.0, f"heard-{number}", f"heard-{number}")
    assert (signs.silent_hosts(0.0), signs.heard_hosts(0.0)) == (MOST_PARTIES, MOST_PARTIES)
    signs.silent(5.0, "silent-0", "silent-0")
    signs.heard(5.0, "heard-0", "heard-0")
    assert (signs.silent_hosts(5.0), signs.heard_hosts(5.0)) == (1, 1)


def test_after_clearing_nothing_is_known() -> None:
    signs = Signs()
    signs.count(1.0, Counts(1, 1, 1))
    signs.silent(1.0, "acme", "192.0.2.1")
    signs.heard(1.0, "other", "192.0.2.2")
    signs.clear()
    assert signs.counts() == Counts()
    assert (signs.silent_hosts(0.0), signs.heard_hosts(0.0)) == (0, 0)
