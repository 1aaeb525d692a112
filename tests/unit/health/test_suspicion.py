"""The rule by which the prober suspects itself, without a network or a clock."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from trunkpulse.health.suspicion import GRACE_SECONDS, Suspicion
from trunkpulse.model import IsolationPolicy, IsolationRule

POLICY = IsolationPolicy()
PARTIES = ("a", "b", "c", "d")


def checked(suspicion: Suspicion, now: float, asked: set[str], *, silent: set[str]) -> None:
    """One check that begins with a silence of "a"; of ``asked`` all but ``silent`` answer."""
    suspicion.silent(now, "a")
    assert suspicion.wants_check(now, 5.0)
    suspicion.begin_check(now, asked, now + 5)
    suspicion.link(now, None)
    for party in sorted(asked - silent):
        suspicion.answered(now + 0.1, 1)
        suspicion.heard(now + 0.1, party)
    for party in sorted(silent):
        suspicion.silent(now + 4, party)


def isolated_by_peers() -> Suspicion:
    suspicion = Suspicion(POLICY)
    checked(suspicion, 100.0, {"b"}, silent={"b"})
    finding = suspicion.judge(104.1)
    assert finding is not None
    assert finding.isolated
    assert (finding.rule, finding.silent, finding.asked) == (IsolationRule.PEERS, 2, 2)
    return suspicion


def test_two_of_two_that_are_silent_isolate() -> None:
    assert isolated_by_peers().isolated


def test_one_that_answers_ends_the_check() -> None:
    suspicion = Suspicion(POLICY)
    checked(suspicion, 100.0, {"b", "c"}, silent=set())
    assert suspicion.judge(100.2) is None
    assert not suspicion.checking
    assert not suspicion.isolated


def test_nothing_is_decided_before_the_check_has_ended() -> None:
    suspicion = Suspicion(POLICY)
    checked(suspicion, 100.0, {"b", "c"}, silent=set())
    suspicion = Suspicion(POLICY)
    suspicion.silent(99.9, "b")
    suspicion.silent(100.0, "a")
    suspicion.begin_check(100.0, {"c", "d"}, 105.0)
    assert suspicion.judge(104.9) is None
    assert suspicion.checking
    finding = suspicion.judge(105.0)
    assert finding is not None
    assert finding.isolated


def test_a_check_waits_for_a_look_at_the_link_that_began_after_it() -> None:
    suspicion = Suspicion(POLICY)
    suspicion.silent(100.0, "a")
    suspicion.begin_check(100.0, set(), 101.0)
    suspicion.link(99.9, None)
    assert suspicion.judge(100.1) is None
    assert suspicion.checking
    suspicion.link(100.1, None)
    assert suspicion.judge(100.2) is None
    assert not suspicion.checking


def test_a_few_failures_among_many_answers_are_no_reason_to_ask() -> None:
    suspicion = Suspicion(POLICY)
    suspicion.answered(99.0, 2)
    for _ in range(9):
        suspicion.silent(100.0, "a")
    assert not suspicion.wants_check(100.0, 5.0)
    for _ in range(9):
        suspicion.silent(100.0, "a")
    assert suspicion.wants_check(100.0, 5.0)


def test_answers_from_one_in_ten_do_not_make_up_for_nine_that_are_silent() -> None:
    suspicion = Suspicion(POLICY)
    others = {f"other-{number}" for number in range(9)}
    checked(suspicion, 100.0, others, silent=others - {"other-0"})
    finding = suspicion.judge(104.1)
    assert finding is not None
    assert (finding.silent, finding.asked) == (9, 10)


def test_the_link_is_believed_to_be_down_after_a_while_or_with_a_lost_probe() -> None:
    suspicion = Suspicion(POLICY)
    suspicion.link(100.0, "down")
    assert suspicion.judge(100.0) is None
    suspicion.link(101.0, "down")
    assert suspicion.judge(101.0) is None
    suspicion.link(102.0, "down")
    finding = suspicion.judge(102.0)
    assert finding is not None
    assert finding.rule is IsolationRule.LINK

    suspicion = Suspicion(POLICY)
    suspicion.link(100.0, "down")
    suspicion.silent(100.2, "a")
    suspicion.begin_check(100.2, set(), 101.2)
    finding = suspicion.judge(100.2)
    assert finding is not None
    assert finding.rule is IsolationRule.LINK


def test_answers_over_a_link_disprove_that_it_is_down() -> None:
    suspicion = Suspicion(POLICY)
    for now in range(100, 200):
        suspicion.answered(float(now), 1)
        suspicion.link(float(now), "down")
        assert suspicion.judge(float(now)) is None


def test_a_link_that_stays_down_is_held_for_as_long_as_it_does() -> None:
    suspicion = Suspicion(POLICY)
    for now in range(100, 2000):
        suspicion.link(float(now), "down")
        finding = suspicion.judge(float(now))
        assert (finding is not None) is (now == 102)
    suspicion.link(2000.0, None)
    assert suspicion.judge(2000.0) is None
    finding = suspicion.judge(2000.0 + GRACE_SECONDS)
    assert finding is not None
    assert not finding.isolated


def test_the_first_that_answers_restores() -> None:
    suspicion = isolated_by_peers()
    assert suspicion.judge(500.0) is None
    suspicion.heard(501.0, "b")
    finding = suspicion.judge(501.0)
    assert finding is not None
    assert not finding.isolated
    assert not finding.expired


def test_a_hold_expires_once_and_silence_alone_does_not_begin_another() -> None:
    suspicion = isolated_by_peers()
    assert suspicion.judge(104.1 + 899) is None
    finding = suspicion.judge(104.1 + 900)
    assert finding is not None
    assert finding.expired
    checked(suspicion, 1010.0, {"b"}, silent={"b"})
    assert suspicion.judge(1014.1) is None
    assert not suspicion.isolated
    assert suspicion.is_vouched_for(1014.0)


def test_parties_at_one_host_are_one_whether_silent_or_heard() -> None:
    suspicion = Suspicion(POLICY)
    for number in range(20):
        suspicion.silent(100.0, f"tenant-{number}", "sbc")
    suspicion.begin_check(100.0, {"other"}, 105.0)
    suspicion.link(100.0, None)
    suspicion.silent(104.0, "other", "sbc")
    assert suspicion.judge(104.0) is None
    assert not suspicion.checking

    suspicion = isolated_by_peers()
    suspicion.sample = {f"p{number}": f"p{number}" for number in range(16)}
    for number in range(4):
        suspicion.heard(105.0, f"tenant-{number}", "pbx")
    assert suspicion.judge(105.0) is None
    suspicion.heard(105.0, "p0")
    assert suspicion.judge(105.0) is not None


def test_answers_that_were_counted_late_vouch_for_nothing_after_the_last_count() -> None:
    suspicion = Suspicion(POLICY)
    suspicion.answered(101.0, 7, since=100.0)
    assert suspicion.is_vouched_for(99.9)
    assert not suspicion.is_vouched_for(100.1)


def test_late_answers_are_signs_of_life_but_no_answered_attempts() -> None:
    suspicion = Suspicion(POLICY)
    for _ in range(20):
        suspicion.silent(98.0, "b")
    checked(suspicion, 100.0, {"d"}, silent={"d"})
    suspicion.answered(100.2, 1, attempts=0)
    suspicion.answered(100.5, 0, attempts=0)
    finding = suspicion.judge(104.1)
    assert suspicion.is_vouched_for(100.1)
    assert finding is not None
    assert (finding.failed, finding.answered) == (22, 0)


def test_a_restart_while_isolated_is_not_over_before_somebody_can_be_asked() -> None:
    suspicion = Suspicion(POLICY)
    suspicion.resume(100.0)
    assert suspicion.judge(160.0) is None
    suspicion.can_ask(160.0)
    assert suspicion.judge(165.0) is None
    suspicion.can_ask(165.0)
    finding = suspicion.judge(166.0)
    assert finding is not None
    assert (finding.isolated, finding.rule) == (False, IsolationRule.RESTART)


def test_a_hold_goes_on_over_a_restart_and_leaves_the_network_a_minute_to_come_up() -> None:
    for held, left in ((600.0, 300.0), (5000.0, 60.0)):
        suspicion = Suspicion(POLICY)
        suspicion.resume(100.0, held)
        suspicion.can_ask(100.0)
        assert suspicion.judge(100.0) is None
        for party in ("a", "b"):
            suspicion.silent(105.0, party)
        assert suspicion.judge(106.0) is None
        assert suspicion.judge(99.9 + left) is None
        finding = suspicion.judge(100.0 + left)
        assert finding is not None
        assert finding.expired


@given(
    st.lists(st.tuples(st.floats(0.01, 8), st.sampled_from(PARTIES), st.booleans()), max_size=120),
    st.sampled_from(PARTIES),
)
def test_a_single_carriers_outage_is_never_held(
    story: list[tuple[float, str, bool]], dead: str
) -> None:
    """``dead`` never answers, all others always do; whoever is asked is asked at any time."""
    suspicion = Suspicion(POLICY)
    now = 0.0
    for passes, party, looks in story:
        now += passes
        if party != dead:
            suspicion.answered(now, 1)
        else:
            suspicion.silent(now, party)
            if suspicion.wants_check(now, 5.0):
                suspicion.begin_check(now, set(PARTIES) - suspicion.silent_parties, now + 5)
                suspicion.link(now, None)
                for other in PARTIES:
                    if other != dead:
                        suspicion.answered(now, 1)
                        suspicion.heard(now, other)
        if looks:
            assert suspicion.judge(now) is None
        assert not suspicion.isolated


@given(st.sets(st.sampled_from(["b", "c", "d", "e", "f"]), min_size=1))
def test_an_answer_of_anybody_else_prevents_it(answering: set[str]) -> None:
    suspicion = Suspicion(POLICY)
    others = {"b", "c", "d", "e", "f"}
    checked(suspicion, 100.0, others, silent=others - answering)
    assert suspicion.judge(104.1) is None
    assert suspicion.judge(105.1) is None
    assert not suspicion.isolated
