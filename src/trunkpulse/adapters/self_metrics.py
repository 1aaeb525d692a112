"""What Prometheus is told of ourselves: whether the loop, the clocks, the sockets and caps hold."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from trunkpulse.probing.watchdog import Watchdog

__all__ = ["of_paces", "of_watchdog"]


def of_watchdog(watchdog: Watchdog) -> Iterator[Metric]:
    """What the watchdog found, and what was made of it."""
    counts, sight = watchdog.counts, watchdog.sight
    yield CounterMetricFamily(
        "trunkpulse_loop_stalls",
        "Times that the event loop stood still for more than half a second.",
        counts.stalls,
    )
    yield GaugeMetricFamily(
        "trunkpulse_loop_stall_seconds_max",
        "The longest that the event loop stood still since the start.",
        counts.stall_seconds_max,
    )
    yield CounterMetricFamily(
        "trunkpulse_clock_steps", "Times that somebody set the wall clock.", counts.clock_steps
    )
    yield CounterMetricFamily(
        "trunkpulse_suspensions", "Times that the machine slept.", sight.suspensions
    )
    yield CounterMetricFamily(
        "trunkpulse_receive_drops",
        "Datagrams that the kernel dropped because a socket's buffer was full (Linux).",
        sight.drops,
    )
    yield GaugeMetricFamily(
        "trunkpulse_probes_overdue_seconds",
        "For how long a probe has been waiting that should have left; 0 if all is on time.",
        watchdog.overdue_seconds(),
    )
    yield CounterMetricFamily(
        "trunkpulse_attempts_voided",
        "Attempts without a verdict because this process could not have heard an answer.",
        sight.voided,
    )


def of_paces(watchdog: Watchdog) -> Iterator[Metric]:
    """What caps delay; the carrier is empty for probes that the total cap alone limits."""
    delayed = CounterMetricFamily(
        "trunkpulse_probes_delayed",
        "Probes that a cap made wait, each counted once; carrier is empty if the trunk's carrier"
        " has no cap of its own, so that only the total one limits it.",
        labels=["carrier"],
    )
    backlog = GaugeMetricFamily(
        "trunkpulse_pacing_backlog_seconds",
        "How long a probe that is due now has to wait for its cap; carrier as in the one before.",
        labels=["carrier"],
    )
    for carrier, count, seconds in watchdog.backlogs():
        delayed.add_metric([carrier or ""], count)
        backlog.add_metric([carrier or ""], seconds)
    yield delayed
    yield backlog
