"""A single event as an alert: for destinations that wake people, and are told of one trunk."""

from __future__ import annotations

import json

import pytest

from trunkpulse.adapters.sinks.alerting import alert_of, bounded_key
from trunkpulse.events.envelope import encode
from trunkpulse.model import (
    AttemptEvidence,
    FailureKind,
    Reason,
    StateChange,
    TargetState,
    TrunkState,
)
from trunkpulse.ports import Alert, AlertKind, AlertSeverity, Delivery

REASONS = {
    TrunkState.DOWN: Reason.KEEPALIVE_FAILURE,
    TrunkState.DEGRADED: Reason.NETWORK_ERROR,
    TrunkState.UNKNOWN: Reason.ADMIN_ENABLED,
    TrunkState.AVAILABLE: Reason.KEEPALIVE_RESTORED,
}


def told(body: str, entity: str = "carrier-a") -> Alert:
    return alert_of(
        Delivery(
            id=1,
            stream_id="noc",
            trunk_id=entity,
            event_id="evt_1",
            position=1,
            body=body,
            attempts=0,
            created_ms=0,
        )
    )


def change_to(state: TrunkState, targets: int = 1) -> str:
    evidence = tuple(
        AttemptEvidence(
            target=f"sip:192.0.2.{number}",
            state=TargetState.DOWN,
            failure=FailureKind.REFUSED,
            detail="Connection refused",
        )
        for number in range(targets)
    )
    return encode(
        StateChange(
            event_id="evt_1",
            trunk_id="carrier-a",
            trunk_name="Primary",
            sequence=1,
            at_ms=1_700_000_000_000,
            previous_state=TrunkState.AVAILABLE,
            state=state,
            reason=REASONS[state],
            failed_attempts=3,
            last_success_ms=None,
            instance_id="edge-1",
            region="eu",
            evidence=evidence,
        )
    )


@pytest.mark.parametrize(
    ("state", "kind", "severity"),
    [
        (TrunkState.DOWN, AlertKind.TRIGGER, AlertSeverity.CRITICAL),
        (TrunkState.DEGRADED, AlertKind.TRIGGER, AlertSeverity.WARNING),
        (TrunkState.UNKNOWN, AlertKind.TRIGGER, AlertSeverity.WARNING),
        (TrunkState.AVAILABLE, AlertKind.RESOLVE, AlertSeverity.INFO),
    ],
)
def test_trouble_opens_an_alert_and_only_its_end_closes_it(
    state: TrunkState, kind: AlertKind, severity: AlertSeverity
) -> None:
    alert = told(change_to(state))
    assert (alert.kind, alert.severity) == (kind, severity)
    assert alert.title == f"Trunk Primary is {state} ({REASONS[state]})"
    assert alert.alert_id == told(change_to(TrunkState.DOWN)).alert_id


def test_the_summary_names_the_targets_that_failed_but_not_without_end() -> None:
    alert = told(change_to(TrunkState.DOWN, targets=9))
    title, *lines = alert.summary.splitlines()
    assert title == alert.title
    assert lines[0] == "sip:192.0.2.0: refused, Connection refused"
    assert lines[-1] == "and 4 more targets"


@pytest.mark.parametrize(
    ("event_type", "kind", "severity"),
    [
        ("telephony.prober.isolated", AlertKind.TRIGGER, AlertSeverity.WARNING),
        ("telephony.prober.restored", AlertKind.RESOLVE, AlertSeverity.INFO),
        ("events.streams.disabled", AlertKind.TRIGGER, AlertSeverity.WARNING),
        ("some.thing.new", AlertKind.TRIGGER, AlertSeverity.INFO),
    ],
)
def test_what_is_no_news_of_a_trunk_is_told_as_well(
    event_type: str, kind: AlertKind, severity: AlertSeverity
) -> None:
    event = {"eventType": event_type, "timestamp": 1, "entityName": "edge-1"}
    alert = told(json.dumps(event), entity="prober:edge-1")
    assert (alert.kind, alert.severity) == (kind, severity)
    assert alert.alert_id == "trunkpulse/noc/prober:edge-1"
    assert "edge-1" in alert.title


def test_a_key_is_the_alerts_id_while_that_is_short_and_plain() -> None:
    assert bounded_key("trunkpulse/noc/a", 100) == "trunkpulse/noc/a"
    for odd in ("x" * 101, "a^b=c", "Köln"):
        key = bounded_key(odd, 100)
        assert key == bounded_key(odd, 100) != bounded_key(f"{odd}2", 100)
        assert len(key) <= 100
        assert key.isascii()
        assert "^" not in key
