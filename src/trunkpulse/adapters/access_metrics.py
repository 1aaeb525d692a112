"""What Prometheus is told of the licence and of the audit."""

from __future__ import annotations

import math
from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from trunkpulse.access.licence import Entitlement
from trunkpulse.admission.ledger import Ledger
from trunkpulse.admission.licensing import Licensing

__all__ = ["of_audit", "of_licence"]


def of_licence(licensing: Licensing) -> Iterator[Metric]:
    """What is covered, and until when."""
    covered = GaugeMetricFamily(
        "trunkpulse_license_covers",
        "1 while the licence covers the entitlement, 0 if it is suspended or has ended.",
        labels=["entitlement"],
    )
    ends = GaugeMetricFamily(
        "trunkpulse_license_end_timestamp_seconds",
        "Unix time at which the entitlement ends, or has ended; +Inf: never.",
        labels=["entitlement"],
    )
    for entitlement in Entitlement:
        covered.add_metric([entitlement.value], int(licensing.covers(entitlement)))
        until_ms = licensing.licence.grant(entitlement).until_ms
        end = math.inf if until_ms is None else until_ms / 1000
        ends.add_metric([entitlement.value], end)
    yield covered
    yield ends


def of_audit(ledger: Ledger) -> Iterator[Metric]:
    """How long it is, and what waits for the database."""
    head = ledger.head
    if head is not None:
        yield GaugeMetricFamily(
            "trunkpulse_audit_entries", "Entries of the audit that are durable.", head.position
        )
    yield GaugeMetricFamily(
        "trunkpulse_audit_waiting",
        "Entries of the audit that wait for the database in memory.",
        ledger.waiting,
    )
