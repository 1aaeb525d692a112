"""What destinations that wake people have in common: one event told as an alert of its own.

A stream that groups its news tells alerts of many trunks; one that does not, and what is not news
of a trunk, comes as single events. Both go the same way from here on.
"""

from __future__ import annotations

import hashlib
import json
import re

from trunkpulse.events.envelope import decode
from trunkpulse.events.prober_envelope import event_type_of
from trunkpulse.model import AttemptEvidence, EventType, StateChange, TrunkState
from trunkpulse.ports import Alert, AlertKind, AlertMember, AlertSeverity, Delivery

__all__ = ["alert_of", "bounded_key", "group_text"]

TARGETS_SHOWN = 5
_PLAIN = re.compile(r"[A-Za-z0-9._:/-]+")
_SEVERITIES = {
    TrunkState.DOWN: AlertSeverity.CRITICAL,
    TrunkState.DEGRADED: AlertSeverity.WARNING,
    TrunkState.UNKNOWN: AlertSeverity.WARNING,  # enabled and not yet heard of: no recovery
    TrunkState.AVAILABLE: AlertSeverity.INFO,
}
_OTHER_TITLES = {
    EventType.PROBER_ISOLATED.value: "trunkpulse instance {name} suspects its own network, and"
    " holds the states of its trunks",
    EventType.PROBER_RESTORED.value: "trunkpulse instance {name} trusts its own network again",
    EventType.STREAM_DISABLED.value: "Event stream {name} is disabled, because its destination"
    " takes nothing any more",
}


def alert_of(delivery: Delivery) -> Alert:
    """The alert that this one event is: opened by trouble, closed by its end.

    Every event of one trunk has the same ``alert_id``. Raises InvalidEvent for a change of a
    trunk that is not one, ValueError and KeyError for anything that is no event.
    """
    if event_type_of(delivery.body) == EventType.STATE_CHANGE:
        return _of_trunk(decode(delivery.body), delivery)
    return _of_other(delivery)


def _of_trunk(change: StateChange, delivery: Delivery) -> Alert:
    severity = _SEVERITIES[change.state]
    is_over = change.state is TrunkState.AVAILABLE
    title = f"Trunk {change.trunk_name} is {change.state} ({change.reason})"
    lines = [_line(each) for each in change.evidence[:TARGETS_SHOWN]]
    if len(change.evidence) > TARGETS_SHOWN:
        lines.append(f"and {len(change.evidence) - TARGETS_SHOWN} more targets")
    return Alert(
        alert_id=_key(delivery),
        stream_id=delivery.stream_id,
        kind=AlertKind.RESOLVE if is_over else AlertKind.TRIGGER,
        group=(),
        severity=severity,
        title=title,
        summary="\n".join([title, *lines]),
        members=(
            AlertMember(
                trunk_id=change.trunk_id,
                name=change.trunk_name,
                state=change.state,
                reason=change.reason,
                since_ms=change.at_ms,
            ),
        ),
        total=1,
        total_down=1 if change.state is TrunkState.DOWN else 0,
        opened_ms=change.at_ms,
        at_ms=change.at_ms,
    )


def _of_other(delivery: Delivery) -> Alert:
    event = json.loads(delivery.body)
    kind, name, at_ms = event["eventType"], str(event["entityName"]), int(event["timestamp"])
    is_over = kind == EventType.PROBER_RESTORED
    is_known = kind in _OTHER_TITLES
    title = _OTHER_TITLES[kind].format(name=name) if is_known else f"{kind} of {name}"
    return Alert(
        alert_id=_key(delivery),
        stream_id=delivery.stream_id,
        kind=AlertKind.RESOLVE if is_over else AlertKind.TRIGGER,
        group=(),
        severity=AlertSeverity.WARNING if is_known and not is_over else AlertSeverity.INFO,
        title=title,
        summary=title,
        members=(),
        total=0,
        total_down=0,
        opened_ms=at_ms,
        at_ms=at_ms,
    )


def _key(delivery: Delivery) -> str:
    return f"trunkpulse/{delivery.stream_id}/{delivery.trunk_id}"


def _line(evidence: AttemptEvidence) -> str:
    if evidence.failure is None and evidence.code is None:
        said = evidence.state.value
    else:
        said = str(evidence.code or evidence.failure)
    detail = f", {evidence.detail}" if evidence.detail else ""
    return f"{evidence.target}: {said}{detail}"


def bounded_key(alert_id: str, limit: int) -> str:
    """``alert_id`` as a key of at most ``limit`` characters that nothing needs to escape.

    The same id always gives the same key.
    """
    if len(alert_id) <= limit and _PLAIN.fullmatch(alert_id):
        return alert_id
    return f"trunkpulse/{hashlib.sha256(alert_id.encode()).hexdigest()[:32]}"


def group_text(alert: Alert) -> str:
    """What the trunks of the alert have in common, as "carrier acme, region us-east"."""
    return ", ".join(f"{label} {value}" for label, value in alert.group)
