"""What Prometheus is told of the switches."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from trunkpulse.switching.report import LinkState, SwitchReport

__all__ = ["of_switches"]


def of_switches(reports: Iterable[SwitchReport]) -> Iterator[Metric]:
    """Whether each is told, and does it; of those that are enabled."""
    labels = ["switch"]
    in_sync = GaugeMetricFamily(
        "trunkpulse_switch_in_sync",
        "1 if the switch was as it should be when last read, and can be read.",
        labels=labels,
    )
    age = GaugeMetricFamily(
        "trunkpulse_switch_read_age_seconds",
        "Seconds since the switch was last read; +Inf until it was.",
        labels=labels,
    )
    unmatched = GaugeMetricFamily(
        "trunkpulse_switch_unmatched_entries",
        "Entries of the switch that no trunk leads to.",
        labels=labels,
    )
    orders = CounterMetricFamily(
        "trunkpulse_switch_orders", "Entries that were written.", labels=labels
    )
    drifts = CounterMetricFamily(
        "trunkpulse_switch_drifts",
        "Entries that had changed behind our back.",
        labels=labels,
    )
    failures = CounterMetricFamily(
        "trunkpulse_switch_failures", "Attempts to read or write that failed.", labels=labels
    )
    for each in reports:
        if each.link is LinkState.OFF:
            continue
        name = [each.settings.id]
        in_sync.add_metric(name, int(each.in_sync))
        age.add_metric(name, math.inf if each.read_seconds_ago is None else each.read_seconds_ago)
        unmatched.add_metric(name, each.unmatched)
        orders.add_metric(name, each.orders)
        drifts.add_metric(name, each.drifts)
        failures.add_metric(name, each.failures)
    yield from (in_sync, age, unmatched, orders, drifts, failures)
