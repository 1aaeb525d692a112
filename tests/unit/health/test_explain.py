from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkpulse.health.explain import TargetView, explain
from trunkpulse.model import (
    AttemptEvidence,
    FailureKind,
    IsolationEvidence,
    IsolationRule,
    KeepalivePolicy,
    Reason,
    TargetState,
    Trunk,
    TrunkState,
    TrunkStatus,
)

NOW = 1_700_000_000_000
ONE = Trunk(id="a", name="Alpha", targets=("sip:a.example",), managed_by="trunkpulse.toml")
THREE = replace(ONE, targets=("sip:a.example", "sip:b.example", "sip:c.example"))
HEALTHY = TargetView(
    evidence=AttemptEvidence(
        target="sip:a.example", state=TargetState.AVAILABLE, code=200, last_success_ms=NOW - 4000
    ),
    next_in_seconds=12.4,
)
SILENT = TargetView(
    evidence=AttemptEvidence(
        target="sip:b.example",
        state=TargetState.DOWN,
        failure=FailureKind.TIMEOUT,
        failed_attempts=5,
        last_success_ms=NOW - 95_000,
    ),
    next_in_seconds=3.0,
)
DOWN = TrunkStatus(TrunkState.DOWN, Reason.KEEPALIVE_FAILURE, NOW - 65_000)


def test_an_outage_names_the_target_what_it_does_and_since_when() -> None:
    told = explain(ONE, DOWN, [SILENT], admin_enabled=True, now_ms=NOW)
    assert told.summary == (
        "Alpha has been DOWN for 65 s: "
        "sip:b.example does not answer and last answered well 95 s ago."
    )
    assert told.rule == (
        "AVAILABLE after 2 consecutive successes (0 so far); "
        "an attempt may take 4 s and succeeds with 2xx."
    )
    assert told.next == (
        "The next probe leaves in 3 s; "
        "2 more successes in a row would make sip:b.example AVAILABLE."
    )


def test_a_cap_that_delays_its_probes_is_said() -> None:
    told = explain(
        ONE,
        DOWN,
        [SILENT],
        admin_enabled=True,
        now_ms=NOW,
        delayed='probes of carrier "acme" are delayed by 12.0 s by its cap of 50 a second',
    )
    assert told.next == (
        "The next probe is due in 3 s; "
        "2 more successes in a row would make sip:b.example AVAILABLE. "
        'Probes of carrier "acme" are delayed by 12.0 s by its cap of 50 a second.'
    )


def test_an_isolation_in_force_is_said() -> None:
    isolation = IsolationEvidence(
        rule=IsolationRule.LINK, since_ms=NOW - 90_000, problem="the network interface lan is down"
    )
    told = explain(ONE, DOWN, [SILENT], admin_enabled=True, now_ms=NOW, isolation=isolation)
    assert told.next.endswith(
        " The prober has been isolated for 90 s (the network interface lan is down): states are"
        " held, and failures do not count."
    )


def test_an_unhealthy_answer_that_does_not_count_is_still_one_sentence() -> None:
    marked = replace(
        SILENT.evidence,
        failure=FailureKind.UNHEALTHY_RESPONSE,
        code=503,
        detail="answered 503 (not counted: the prober was isolated)",
    )
    told = explain(ONE, DOWN, [TargetView(evidence=marked)], admin_enabled=True, now_ms=NOW)
    assert "answers 503, which does not count as healthy," in told.summary


def test_a_recovery_under_way_says_how_far_it_has_come() -> None:
    evidence = replace(SILENT.evidence, failure=None, code=200, failed_attempts=0)
    rising = TargetView(evidence=evidence, successes=1)
    told = explain(ONE, DOWN, [rising], admin_enabled=True, now_ms=NOW)
    assert "answers again" in told.summary
    assert "AVAILABLE after 2 consecutive successes (1 so far)" in told.rule
    assert told.next == (
        "A probe is under way; 1 more success in a row would make sip:b.example AVAILABLE."
    )


def test_all_is_well_in_one_sentence() -> None:
    status = TrunkStatus(TrunkState.AVAILABLE, Reason.KEEPALIVE_RESTORED, NOW - 3_600_000 * 5)
    told = explain(ONE, status, [HEALTHY], admin_enabled=True, now_ms=NOW)
    assert told.summary == "Alpha has been AVAILABLE for 5 h: 1 of 1 target healthy."
    assert "DOWN after 3 consecutive failures (0 so far)" in told.rule
    assert told.next == "The next probe leaves in 12 s."


def test_doubt_is_told_before_it_is_an_outage() -> None:
    evidence = replace(HEALTHY.evidence, failure=FailureKind.TIMEOUT, failed_attempts=2)
    status = TrunkStatus(TrunkState.AVAILABLE, Reason.KEEPALIVE_RESTORED, NOW)
    told = explain(
        ONE, status, [replace(HEALTHY, evidence=evidence)], admin_enabled=True, now_ms=NOW
    )
    assert told.summary.startswith("Alpha has been AVAILABLE for less than 1 s, but in doubt: ")
    assert "(2 so far)" in told.rule
    assert "1 more failure in a row would make sip:a.example DOWN" in told.next


def test_doubt_about_several_targets_counts_them() -> None:
    evidence = replace(HEALTHY.evidence, failure=FailureKind.TIMEOUT, failed_attempts=1)
    status = TrunkStatus(TrunkState.AVAILABLE, Reason.KEEPALIVE_RESTORED, NOW)
    doubtful = replace(HEALTHY, evidence=evidence)
    told = explain(THREE, status, [doubtful, HEALTHY, doubtful], admin_enabled=True, now_ms=NOW)
    assert "but in doubt: 2 of 3 targets failing; sip:a.example does not answer" in told.summary


def test_a_degraded_trunk_counts_its_targets() -> None:
    status = TrunkStatus(TrunkState.DEGRADED, Reason.KEEPALIVE_FAILURE, NOW - 500_000)
    told = explain(THREE, status, [HEALTHY, SILENT, HEALTHY], admin_enabled=True, now_ms=NOW)
    assert told.summary.startswith(
        "Alpha has been DEGRADED for 8 min 20 s: 1 of 3 targets down, 1 needed;"
    )
    assert "fewer than 1 of its 3 targets" in told.rule
    assert told.next.startswith("The next probe leaves in 3 s")


@pytest.mark.parametrize(
    ("failure", "code", "detail", "phrase"),
    [
        (FailureKind.REFUSED, None, "Connection refused", "refuses (Connection refused)"),
        (FailureKind.UNREACHABLE, None, "No route to host", "cannot be reached (No route to host)"),
        (FailureKind.DNS, None, None, "cannot be found in the DNS and"),
        (FailureKind.UNHEALTHY_RESPONSE, 503, None, "answers 503, which does not count"),
    ],
)
def test_each_failure_has_its_own_words(
    failure: FailureKind, code: int | None, detail: str | None, phrase: str
) -> None:
    evidence = replace(
        SILENT.evidence, failure=failure, code=code, detail=detail, last_success_ms=None
    )
    told = explain(ONE, DOWN, [replace(SILENT, evidence=evidence)], admin_enabled=True, now_ms=NOW)
    assert phrase in told.summary
    assert told.summary.endswith("and has never answered well.")


@pytest.mark.parametrize("failure", [FailureKind.TIMEOUT, FailureKind.CONNECT_TIMEOUT])
def test_a_carrier_that_is_silent_but_asks_us_has_a_path_towards_us(failure: FailureKind) -> None:
    evidence = replace(SILENT.evidence, failure=failure)
    heard = replace(SILENT, evidence=evidence, last_heard_ms=NOW - 12_000)
    told = explain(ONE, DOWN, [heard], admin_enabled=True, now_ms=NOW)
    assert told.summary.endswith(
        "and last answered well 95 s ago, "
        "but it sent us an OPTIONS 12 s ago, so the path towards us works."
    )


@pytest.mark.parametrize(
    ("change", "heard_ms"),
    [
        ({}, NOW - 96_000),  # it has answered since
        ({"last_success_ms": None}, NOW - 300_001),  # too long ago to say anything about now
        ({"failure": FailureKind.REFUSED}, NOW - 12_000),  # it does answer, in its way
        ({"failure": FailureKind.UNHEALTHY_RESPONSE, "code": 503}, NOW - 12_000),
        ({"failure": None, "code": 200}, NOW - 12_000),
    ],
)
def test_what_a_carrier_asked_is_told_only_if_it_says_something_new(
    change: dict[str, Any], heard_ms: int
) -> None:
    heard = replace(SILENT, evidence=replace(SILENT.evidence, **change), last_heard_ms=heard_ms)
    told = explain(ONE, DOWN, [heard], admin_enabled=True, now_ms=NOW)
    assert "sent us" not in told.summary


def test_of_many_dead_targets_only_a_few_are_named() -> None:
    told = explain(ONE, DOWN, [SILENT] * 10, admin_enabled=True, now_ms=NOW)
    assert told.summary.count("sip:b.example") == 3
    assert "and 7 more" in told.summary


def test_a_disabled_trunk_says_who_did_it_and_what_to_do() -> None:
    status = TrunkStatus(TrunkState.DOWN, Reason.ADMIN_DISABLED, NOW)
    by_hand = explain(ONE, status, [SILENT], admin_enabled=False, now_ms=NOW)
    assert "disabled by an administrator; this is not an outage" in by_hand.summary
    assert by_hand.next.startswith("Enable a ")
    off = replace(ONE, enabled=False)
    by_file = explain(off, status, [SILENT], admin_enabled=True, now_ms=NOW)
    assert "disabled by the configuration (trunkpulse.toml)" in by_file.summary
    assert "by hand" not in by_file.next
    by_both = explain(off, status, [SILENT], admin_enabled=False, now_ms=NOW)
    assert "must also be enabled by hand" in by_both.next


def test_a_trunk_without_keepalives_says_that_nothing_is_known() -> None:
    quiet = replace(ONE, keepalive=KeepalivePolicy(enabled=False))
    status = TrunkStatus(TrunkState.UNKNOWN)
    told = explain(quiet, status, [HEALTHY], admin_enabled=True, now_ms=NOW)
    assert "keepalives are switched off" in told.summary


def test_a_trunk_that_was_put_back_is_undecided() -> None:
    view = TargetView(evidence=AttemptEvidence(target="sip:a.example", state=TargetState.UNKNOWN))
    status = TrunkStatus(TrunkState.UNKNOWN, Reason.ADMIN_ENABLED, NOW)
    told = explain(ONE, status, [view], admin_enabled=True, now_ms=NOW)
    assert "put back in service" in told.summary
    begun = TargetView(evidence=replace(view.evidence, code=200, at_ms=NOW))
    told = explain(ONE, TrunkStatus(TrunkState.UNKNOWN), [begun], admin_enabled=True, now_ms=NOW)
    assert told.summary == "Alpha is UNKNOWN: too few attempts have been made to decide."


views = st.builds(
    TargetView,
    evidence=st.builds(
        AttemptEvidence,
        target=st.just("sip:x.example"),
        state=st.sampled_from(TargetState),
        code=st.none() | st.integers(200, 699),
        failure=st.none() | st.sampled_from(FailureKind),
        detail=st.none() | st.just("a detail"),
        failed_attempts=st.integers(0, 9),
        last_success_ms=st.none() | st.integers(0, 2 * NOW),
    ),
    successes=st.integers(0, 3),
    next_in_seconds=st.none() | st.floats(0, 1e6),
    resting=st.booleans(),
).filter(
    lambda view: (
        view.evidence.code is not None
        or view.evidence.failure is not FailureKind.UNHEALTHY_RESPONSE
    )
)


@given(
    targets=st.lists(views, max_size=6),
    state=st.sampled_from(TrunkState),
    reason=st.none() | st.sampled_from(Reason),
    since_ms=st.none() | st.integers(0, 2 * NOW),
    enabled=st.booleans(),
)
def test_there_is_always_something_to_say(
    targets: list[TargetView],
    state: TrunkState,
    reason: Reason | None,
    since_ms: int | None,
    *,
    enabled: bool,
) -> None:
    status = TrunkStatus(state, reason, since_ms)
    told = explain(THREE, status, targets, admin_enabled=enabled, now_ms=NOW)
    assert state in told.summary
    for sentence in (told.summary, told.rule, told.next):
        assert sentence.endswith(".")
        assert "None" not in sentence
        assert "\n" not in sentence


# --- names that lead to several addresses ------------------------------------------------------


def behind_a_name(address: str, target: str = "sip:b.example") -> TargetView:
    return replace(SILENT, evidence=replace(SILENT.evidence, target=target, address=address))


def test_the_addresses_of_one_name_are_told_apart() -> None:
    views = [behind_a_name("udp:192.0.2.1:5060"), behind_a_name("tls:[2001:db8::2]:5061")]
    told = explain(
        replace(ONE, targets=("sip:b.example",)), DOWN, views, admin_enabled=True, now_ms=NOW
    )
    assert "sip:b.example (udp:192.0.2.1:5060) does not answer" in told.summary
    assert "sip:b.example (tls:[2001:db8::2]:5061) does not answer" in told.summary
    assert told.next.endswith("would make sip:b.example (udp:192.0.2.1:5060) AVAILABLE.")


def test_a_target_in_digits_is_named_once() -> None:
    view = behind_a_name("udp:192.0.2.1:5060", target="sip:192.0.2.1")
    told = explain(ONE, DOWN, [view], admin_enabled=True, now_ms=NOW)
    assert "sip:192.0.2.1 does not answer" in told.summary


def test_a_trunk_that_has_not_been_probed_yet_says_so() -> None:
    fresh = TargetView(evidence=AttemptEvidence(target="sip:a.example", state=TargetState.UNKNOWN))
    unknown = TrunkStatus(TrunkState.UNKNOWN)
    told = explain(ONE, unknown, [fresh], admin_enabled=True, now_ms=NOW)
    assert told.summary == "Alpha is UNKNOWN: it has not been probed yet."


def test_maintenance_explains_why_one_answer_was_enough() -> None:
    evidence = replace(
        SILENT.evidence,
        failure=FailureKind.UNHEALTHY_RESPONSE,
        code=503,
        at_ms=NOW,
        maintenance_until_ms=NOW + 120_000,
    )
    told = explain(ONE, DOWN, [replace(SILENT, evidence=evidence)], admin_enabled=True, now_ms=NOW)
    assert "answers 503 and says that it is in maintenance (no probe for 2 min" in told.summary
    assert "one answer is enough if its Retry-After outlasts the confirmation" in told.rule
