"""What a person is told of trouble: one alert for trunks that fail together, from start to end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol, runtime_checkable

from trunkpulse.model import Reason, TrunkState
from trunkpulse.ports.events import DeliveryResult, SinkAnswer

__all__ = [
    "MAX_ALERT_MEMBERS",
    "Alert",
    "AlertAttempt",
    "AlertCommit",
    "AlertKind",
    "AlertMember",
    "AlertRecord",
    "AlertSeverity",
    "AlertSink",
    "AlertStore",
    "MemberRecord",
]

MAX_ALERT_MEMBERS = 50
"""So many trunks are named in an alert; the others are counted."""


class AlertKind(StrEnum):
    """Which part of an alert's life is told."""

    TRIGGER = "trigger"
    UPDATE = "update"
    RESOLVE = "resolve"


class AlertSeverity(StrEnum):
    """How bad it is; the words are those of PagerDuty's Events API v2."""

    CRITICAL = "critical"
    """A trunk is DOWN."""
    WARNING = "warning"
    """None is worse than DEGRADED, or what is left flaps."""
    INFO = "info"
    """All is well again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertMember:
    """One trunk of an alert."""

    trunk_id: str
    name: str
    state: TrunkState
    reason: Reason
    since_ms: int
    """When it came into this state."""
    flapping: bool = False
    """It comes and goes: that it is back is believed once it has stayed so for a while."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """What is told of trunks in trouble at one moment. Told twice, it changes nothing."""

    alert_id: str
    """The same from trigger to resolve: the destination's deduplication key."""
    stream_id: str
    kind: AlertKind
    group: tuple[tuple[str, str], ...]
    """What the trunks have in common, as ("carrier", "acme"); empty for a trunk of its own."""
    severity: AlertSeverity
    title: str
    """One line for a person."""
    summary: str
    """Several lines for a person: the title, and the trunks."""
    members: tuple[AlertMember, ...]
    """At most ``MAX_ALERT_MEMBERS``, those in the worst state first; with a resolve, those that
    were last in trouble."""
    total: int
    """Trunks in this alert now; with a resolve, those that were last in trouble."""
    total_down: int
    """Those of them that are DOWN; 0 with a resolve."""
    opened_ms: int
    """When the first of its trunks got into trouble."""
    at_ms: int
    """When this was written."""
    pinned: Mapping[str, str] = field(default_factory=dict)
    """What the destination answered to the trigger (``SinkAnswer.pinned``), such as the id of its
    ticket; with the trigger itself it is empty, or what it answered when it was asked before."""
    position: int = 0
    """Of the last event that went into it, in the log of events; 0 if none is known."""


@runtime_checkable
class AlertSink(Protocol):
    """A destination that wakes people. Never raises for what the destination did."""

    async def tell(self, alert: Alert) -> SinkAnswer:
        """Open, update or close the alert, once, within a deadline of the sink's own.

        Whatever ``SinkAnswer.pinned`` holds is kept until the alert is resolved.
        """

    async def close(self) -> None:
        """Release connections; safe to repeat."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertRecord:
    """What is kept of an alert that is open, or about to be opened."""

    key: str
    """Of its group; a stream has one alert for each at a time."""
    labels: tuple[tuple[str, str], ...]
    alert_id: str
    opened_ms: int
    asked_ms: int | None = None
    """When the destination was first asked to open it; from then on it may have been."""
    told_ms: int | None = None
    """When it last took what we told; None until it has taken the trigger."""
    due_ms: int | None = None
    """When there is something to tell; None: it knows all."""
    pinned: Mapping[str, str] = field(default_factory=dict)
    position: int = 0
    """As with ``Alert``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberRecord:
    """What is kept of a trunk in an alert."""

    key: str
    """Of the group."""
    member: AlertMember
    silent_until_ms: int | None = None
    """It is under maintenance: nobody has been told of it, or is before then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertCommit:
    """What has changed in a stream's alerts; ``ended`` and ``left`` come first."""

    ended: tuple[str, ...] = ()
    """Keys of groups that go with all their members."""
    left: tuple[tuple[str, str], ...] = ()
    """(key, trunk id) of members that go."""
    alerts: tuple[AlertRecord, ...] = ()
    members: tuple[MemberRecord, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.ended or self.left or self.alerts or self.members)


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertAttempt:
    """One attempt at telling an alert, for the log of deliveries."""

    stream_id: str
    alert_id: str
    kind: AlertKind
    position: int
    """As with ``Alert``."""
    at_ms: int
    """When it ended."""
    duration_ms: int
    result: DeliveryResult
    detail: str
    """One phrase for a person."""
    request: str
    response: str


class AlertStore(Protocol):
    """The alerts of each stream that groups its events."""

    async def load_alerts(self, stream_id: str) -> tuple[list[AlertRecord], list[MemberRecord]]:
        """All that is kept of a stream's alerts."""

    async def save_alerts(self, stream_id: str, commit: AlertCommit) -> None:
        """Write all in one transaction, durable on return; raises StoreUnavailable."""

    async def note_attempts(self, attempts: Sequence[AlertAttempt]) -> None:
        """Put attempts into the log of deliveries, in order; raises StoreUnavailable.

        What is told of an alert, its trigger, one update or its end, is one delivery there, parked
        until it is taken, and has as many attempts as it takes. It goes with the event at
        ``position``, and is not kept if that is gone.
        """
