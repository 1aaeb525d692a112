"""What the core needs from the outside world, one Protocol each; ``adapters`` provide them."""

from __future__ import annotations

from trunkpulse.ports.clock import Clock, MachineClock
from trunkpulse.ports.events import (
    Delivery,
    DeliveryOutcome,
    DeliveryReport,
    DeliveryResult,
    DestinationInvalid,
    EventLog,
    EventSink,
    Outbox,
    ProberLog,
    RecordedEvent,
    SinkAnswer,
)
from trunkpulse.ports.health import (
    HealthCommit,
    HealthStore,
    StoredHealth,
    StoredTarget,
    StoreUnavailable,
)
from trunkpulse.ports.measures import MeasureStore, MinuteNumbers, WantedMinutes
from trunkpulse.ports.network import (
    Address,
    Certificate,
    LinkProblem,
    LinkWatch,
    Location,
    MessageReceiver,
    MessageTransport,
    Obstacle,
    ResolutionFailed,
    Resolver,
    Server,
    TransportPlan,
)

__all__ = [
    "Address",
    "Certificate",
    "Clock",
    "Delivery",
    "DeliveryOutcome",
    "DeliveryReport",
    "DeliveryResult",
    "DestinationInvalid",
    "EventLog",
    "EventSink",
    "HealthCommit",
    "HealthStore",
    "LinkProblem",
    "LinkWatch",
    "Location",
    "MachineClock",
    "MeasureStore",
    "MessageReceiver",
    "MessageTransport",
    "MinuteNumbers",
    "Obstacle",
    "Outbox",
    "ProberLog",
    "RecordedEvent",
    "ResolutionFailed",
    "Resolver",
    "Server",
    "SinkAnswer",
    "StoreUnavailable",
    "StoredHealth",
    "StoredTarget",
    "TransportPlan",
    "WantedMinutes",
]
