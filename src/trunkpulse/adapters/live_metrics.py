"""What Prometheus is told of live calls, while they are listened to or reported."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from trunkpulse.adapters.hep import HepListener
from trunkpulse.calls.intake import Fate
from trunkpulse.node.live_calls import LiveCalls

__all__ = ["of_live_calls"]


def of_live_calls(live: LiveCalls, listeners: Sequence[HepListener]) -> Iterator[Metric]:
    """Frames by what became of them, calls, and the evidence that they gave."""
    evidence = CounterMetricFamily(
        "trunkpulse_call_evidence",
        "What calls showed of targets: success, alive, doubt (a probe left at once), report.",
        labels=["meaning"],
    )
    counts = live.counts
    evidence.add_metric(["success"], counts.successes)
    evidence.add_metric(["alive"], counts.proofs - counts.successes)
    evidence.add_metric(["doubt"], counts.doubts)
    evidence.add_metric(["report"], counts.reports)
    yield evidence
    if not listeners:
        return
    frames = CounterMetricFamily(
        "trunkpulse_hep_frames", "HEP frames that came in, by what became of them.", labels=["fate"]
    )
    for fate in Fate:
        frames.add_metric([fate.value], live.intake.fates[fate])
    dropped = sum(listener.dropped_datagrams for listener in listeners)
    frames.add_metric(["dropped"], dropped)
    yield frames
    ledger = live.ledger
    yield GaugeMetricFamily(
        "trunkpulse_calls_up", "Calls that are up at places that are probed.", ledger.calls_up
    )
    calls = CounterMetricFamily(
        "trunkpulse_calls",
        "Calls that were followed, by what became of them.",
        labels=["fate"],
    )
    for fate_of_call in ("begun", "answered", "silent", "forgotten", "crowded_out"):
        calls.add_metric([fate_of_call], getattr(ledger.counts, fate_of_call))
    yield calls
