"""All that a node keeps, in one place."""

from __future__ import annotations

from typing import Protocol

from trunkpulse.ports.alerts import AlertStore
from trunkpulse.ports.audit import AuditLog
from trunkpulse.ports.deliveries import DeliveryLog, StreamWatch
from trunkpulse.ports.documents import DocumentStore
from trunkpulse.ports.events import EventLog, Outbox, ProberLog
from trunkpulse.ports.health import HealthStore
from trunkpulse.ports.maintenance import MaintenanceStore
from trunkpulse.ports.measures import MeasureStore
from trunkpulse.ports.streams import StreamStore

__all__ = ["Store"]


class Store(
    HealthStore,
    ProberLog,
    EventLog,
    Outbox,
    DeliveryLog,
    StreamWatch,
    StreamStore,
    AlertStore,
    MaintenanceStore,
    MeasureStore,
    DocumentStore,
    AuditLog,
    Protocol,
):
    """One database that is all of these, so that they commit together."""
