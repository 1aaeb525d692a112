"""What Prometheus is told of event streams: what was sent, what waits, and what is in trouble."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from trunkpulse.events.delivery import DeliveryProgress
from trunkpulse.ports import StreamBacklog, StreamHealth

__all__ = ["of_backlogs", "of_deliveries", "of_stream_health"]

_NOTHING = StreamBacklog()


def of_deliveries(progress: Mapping[str, DeliveryProgress]) -> Iterator[Metric]:
    """What the lanes have done since they were started."""
    ends = CounterMetricFamily(
        "trunkpulse_event_delivery_attempts",
        "Attempts to deliver an event, by how they ended.",
        labels=["stream", "result"],
    )
    in_flight = GaugeMetricFamily(
        "trunkpulse_event_deliveries_in_flight",
        "Deliveries that are being sent, or sent and not yet settled.",
        labels=["stream"],
    )
    for stream_id, of_stream in progress.items():
        ends.add_metric([stream_id, "delivered"], of_stream.delivered)
        ends.add_metric([stream_id, "retried"], of_stream.retried)
        ends.add_metric([stream_id, "parked"], of_stream.parked)
        ends.add_metric([stream_id, "dead"], of_stream.dead)
        in_flight.add_metric([stream_id], of_stream.in_flight)
    yield ends
    yield in_flight


def of_backlogs(
    backlogs: Mapping[str, StreamBacklog], streams: Mapping[str, object], now_ms: int
) -> Iterator[Metric]:
    """What is in the database, also of ``streams`` that wait for nothing."""
    waiting = GaugeMetricFamily(
        "trunkpulse_stream_deliveries",
        "Deliveries that are pending, parked or dead (given up), as the database has them.",
        labels=["stream", "state"],
    )
    lag = GaugeMetricFamily(
        "trunkpulse_stream_lag_seconds",
        "Age of the oldest event that is pending for a stream; 0 if none is.",
        labels=["stream"],
    )
    for stream_id in sorted({*streams, *backlogs}):
        backlog = backlogs.get(stream_id, _NOTHING)
        waiting.add_metric([stream_id, "pending"], backlog.pending)
        waiting.add_metric([stream_id, "parked"], backlog.parked)
        waiting.add_metric([stream_id, "dead"], backlog.dead)
        age_ms = 0 if backlog.oldest_ms is None else max(0, now_ms - backlog.oldest_ms)
        lag.add_metric([stream_id], age_ms / 1000)
    yield waiting
    yield lag


def of_stream_health(
    health: Mapping[str, StreamHealth], streams: Mapping[str, object], now_ms: int
) -> Iterator[Metric]:
    """Which destinations do nothing but fail, and which streams are given up."""
    failing = GaugeMetricFamily(
        "trunkpulse_stream_failing_seconds",
        "How long a destination has done nothing but fail; 0 if its last delivery was accepted.",
        labels=["stream"],
    )
    disabled = GaugeMetricFamily(
        "trunkpulse_stream_disabled",
        "1 if a stream was given up because of its destination, and waits to be enabled again.",
        labels=["stream"],
    )
    for stream_id in sorted({*streams, *health}):
        trouble = health.get(stream_id)
        since_ms = now_ms if trouble is None else trouble.failing_since_ms
        failing.add_metric([stream_id], max(0, now_ms - since_ms) / 1000)
        disabled.add_metric([stream_id], int(bool(trouble and trouble.disabled_ms is not None)))
    yield failing
    yield disabled
