"""What an alert says: a line that is read on a phone, and the trunks it is about."""

from __future__ import annotations

from typing import Final

from trunkpulse.events.alert_group import TROUBLE, AlertGroup, Standing
from trunkpulse.model import Reason, TrunkState
from trunkpulse.ports import (
    MAX_ALERT_MEMBERS,
    Alert,
    AlertKind,
    AlertMember,
    AlertSeverity,
)

__all__ = ["alert_of"]

NAMED_IN_SUMMARY = 10
"""So many trunks have a line of their own."""

_REASONS: Final = {
    Reason.KEEPALIVE_FAILURE: "no healthy answers to keepalives",
    Reason.NETWORK_ERROR: "it cannot be reached over the network",
    Reason.ADMIN_DISABLED: "it was disabled",
    Reason.LICENSE_ISSUE: "the license does not cover it",
    Reason.KEEPALIVE_RESTORED: "keepalives are answered again",
    Reason.ADMIN_ENABLED: "it was enabled and has not answered yet",
    Reason.LICENSE_RESTORED: "the license covers it again",
}
_STATES: Final = {
    TrunkState.DOWN: "DOWN",
    TrunkState.DEGRADED: "DEGRADED",
    TrunkState.UNKNOWN: "not known to be well",
    TrunkState.AVAILABLE: "back",
}


def alert_of(group: AlertGroup, kind: AlertKind, *, stream_id: str, now_ms: int) -> Alert:
    """What there is to tell of ``group`` now."""
    down, degraded, held = (group.count(each) for each in TROUBLE)
    in_trouble = down + degraded + held
    back = group.count(Standing.BACK)
    # What is over by now is told all the same, of those that it was about.
    over = not in_trouble
    members = group.first(MAX_ALERT_MEMBERS, (Standing.BACK,) if over else TROUBLE)
    total = back if over else in_trouble
    if total == 1 and len(members) == 1 and (over or not back):
        title = _title_of_one(members[0], kind, over=over)
    elif not members:  # they were taken out of the configuration
        title = f"No trunk{_where(group)} is in trouble any more"
    elif over:
        title = f"{_trunks(total)}{_where(group)} {_be(total)} back"
        if kind is AlertKind.TRIGGER:
            title = f"{_trunks(total)}{_where(group)} {_be(total, past=True)} in trouble, now back"
    else:
        title = f"{_trunks(total)}{_where(group)} {_be(total)} in trouble"
        title += f" ({_counts(down, degraded, held, back)})"
    lines = [f"{title}."]
    if total > 1:
        lines += [f"{_line(each)}." for each in members[:NAMED_IN_SUMMARY]]
        if total > NAMED_IN_SUMMARY:
            lines.append(f"And {total - min(len(members), NAMED_IN_SUMMARY):,} more.")
    return Alert(
        alert_id=group.alert_id,
        stream_id=stream_id,
        kind=kind,
        group=group.labels,
        severity=_severity(kind, down, in_trouble),
        title=title,
        summary="\n".join(lines),
        members=members,
        total=total,
        total_down=down,
        opened_ms=group.opened_ms,
        at_ms=now_ms,
        pinned=group.pinned,
        position=group.position,
    )


def _severity(kind: AlertKind, down: int, in_trouble: int) -> AlertSeverity:
    if kind is AlertKind.RESOLVE:
        return AlertSeverity.INFO
    if down or not in_trouble:
        return AlertSeverity.CRITICAL
    return AlertSeverity.WARNING


def _title_of_one(member: AlertMember, kind: AlertKind, *, over: bool) -> str:
    name = member.name
    if over and kind is AlertKind.TRIGGER:
        return f"{name} was in trouble and is back"
    if over:
        return f"{name} is back"
    return f"{name} {_how(member)}"


def _line(member: AlertMember) -> str:
    name = member.name if member.name == member.trunk_id else f"{member.name} ({member.trunk_id})"
    return f"{name} {_how(member)}"


def _how(member: AlertMember) -> str:
    if member.flapping:
        now = "well" if member.state is TrunkState.AVAILABLE else _STATES[member.state]
        return f"is flapping: it comes and goes, {now} at the moment"
    if member.state is TrunkState.AVAILABLE:
        return "is back"
    return f"is {_STATES[member.state]}: {_REASONS[member.reason]}"


def _counts(down: int, degraded: int, held: int, back: int) -> str:
    parts = [
        f"{count:,} {word}"
        for count, word in (
            (down, "down"),
            (degraded, "degraded"),
            (held, "flapping"),
            (back, "back"),
        )
        if count
    ]
    return ", ".join(parts)


def _trunks(count: int) -> str:
    return f"{count:,} {'trunk' if count == 1 else 'trunks'}"


def _be(count: int, *, past: bool = False) -> str:
    if past:
        return "was" if count == 1 else "were"
    return "is" if count == 1 else "are"


def _where(group: AlertGroup) -> str:
    """`` of carrier acme in region us-east``."""
    words = {"carrier": "of carrier", "region": "in region"}
    return "".join(f" {words.get(name, f'of {name}')} {value}" for name, value in group.labels)
