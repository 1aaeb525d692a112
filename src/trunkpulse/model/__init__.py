"""The values that every part of trunkpulse speaks in: trunks, policies, states, changes.

All are frozen. Durations are seconds (``_seconds``); moments are milliseconds since the
epoch (``_ms``) because that is what people and other programs read.
"""

from __future__ import annotations

from trunkpulse.model.changes import AttemptEvidence, IsolationEvidence, ProberEvent, StateChange
from trunkpulse.model.hours import Hours
from trunkpulse.model.maintenance import (
    MaintenanceWindow,
    Recurrence,
    Repeat,
    Weekday,
    zone_of,
)
from trunkpulse.model.numbers import (
    NumberPattern,
    NumberRange,
    NumberRule,
    ShortNumber,
    parse_number_rule,
)
from trunkpulse.model.policies import (
    IsolationPolicy,
    KeepalivePolicy,
    ProbeIdentity,
    TlsSettings,
    TransportProtocol,
)
from trunkpulse.model.routes import Route, RouteTrunk, WhenNoneAvailable
from trunkpulse.model.states import (
    FailureKind,
    IsolationRule,
    ProberReason,
    ProberState,
    Reason,
    TargetState,
    TrunkState,
    TrunkStatus,
)
from trunkpulse.model.stream_events import StreamDisabled, StreamReason, StreamState
from trunkpulse.model.streams import AlertSettings, Destination, EventStream, EventType
from trunkpulse.model.trunk import Direction, Trunk, TrunkTerms

__all__ = [
    "AlertSettings",
    "AttemptEvidence",
    "Destination",
    "Direction",
    "EventStream",
    "EventType",
    "FailureKind",
    "Hours",
    "IsolationEvidence",
    "IsolationPolicy",
    "IsolationRule",
    "KeepalivePolicy",
    "MaintenanceWindow",
    "NumberPattern",
    "NumberRange",
    "NumberRule",
    "ProbeIdentity",
    "ProberEvent",
    "ProberReason",
    "ProberState",
    "Reason",
    "Recurrence",
    "Repeat",
    "Route",
    "RouteTrunk",
    "ShortNumber",
    "StateChange",
    "StreamDisabled",
    "StreamReason",
    "StreamState",
    "TargetState",
    "TlsSettings",
    "TransportProtocol",
    "Trunk",
    "TrunkState",
    "TrunkStatus",
    "TrunkTerms",
    "Weekday",
    "WhenNoneAvailable",
    "parse_number_rule",
    "zone_of",
]
