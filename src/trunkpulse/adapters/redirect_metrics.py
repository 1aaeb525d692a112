"""What Prometheus is told of calls that were redirected."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily
from prometheus_client.metrics_core import Metric

from trunkpulse.adapters.metrics import histogram_family
from trunkpulse.adapters.sip_redirect import RedirectCounts

__all__ = ["of_redirects"]


def of_redirects(counts: RedirectCounts) -> Iterator[Metric]:
    """What calls were answered, and how quickly."""
    answers = CounterMetricFamily(
        "trunkpulse_redirect_answers",
        "INVITEs by the status code of their answer, each counted once.",
        labels=["code"],
    )
    for code in sorted({302, 404, 503, *counts.answers}):
        answers.add_metric([str(code)], counts.answers.get(code, 0))
    yield answers
    refused = CounterMetricFamily(
        "trunkpulse_redirect_refusals",
        "INVITEs that were answered 503 without a decision: beyond their source's rate, while a "
        "queue stood, with too many transactions open, or while draining.",
        labels=["reason"],
    )
    for reason, count in counts.refused.items():
        refused.add_metric([str(reason)], count)
    yield refused
    yield CounterMetricFamily(
        "trunkpulse_redirect_retransmissions",
        "INVITEs that came again and were not decided again.",
        counts.absorbed,
    )
    yield CounterMetricFamily(
        "trunkpulse_redirect_unacknowledged",
        "Answers whose ACK did not come within 32 seconds (RFC 3261 Timer H).",
        counts.unacknowledged,
    )
    yield histogram_family(
        "trunkpulse_redirect_seconds",
        "Time from the arrival of an INVITE to its answer.",
        counts.seconds,
    )
