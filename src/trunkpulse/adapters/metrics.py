"""What Prometheus is told: read from the live objects at the moment of the scrape.

Nothing is counted twice: the prober, the recorder and the deliveries keep their own counts, and
the collector only reads them. The registry is this object's own, so two instances in one process
do not mix.

Totals and histograms are always there, and cost the same for a million trunks as for ten: each is
a number that somebody keeps anyway. They go through ``prometheus_client``, one generator a source.

Series of each trunk and target are another matter: with 100,000 trunks they are 90 megabytes of
text in each scrape. So without other orders there are some only up to ``PER_TRUNK_LIMIT`` trunks,
and a metric says which it is. Their lines are written directly, in small steps, because objects
for each of them would take seconds, and probes must leave on time.

A disabled trunk stays in the metrics, as DOWN with the reason ADMIN_DISABLED: a series that
vanishes looks like a monitoring failure, and alerts on it never resolve.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from itertools import islice

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from trunkpulse.adapters.number_series import NumberSeries
from trunkpulse.adapters.self_metrics import of_paces, of_watchdog
from trunkpulse.adapters.stream_metrics import of_backlogs, of_deliveries, of_stream_health
from trunkpulse.adapters.turns import Turns
from trunkpulse.board import Board
from trunkpulse.events.backlog import Backlogs
from trunkpulse.events.delivery import DeliveryProgress
from trunkpulse.model import Reason, TargetState
from trunkpulse.pipeline import Pipeline
from trunkpulse.ports import Clock, StreamHealth
from trunkpulse.probing.histogram import Histogram
from trunkpulse.probing.outcomes import ProbeCounts
from trunkpulse.probing.target import ProbeTarget
from trunkpulse.recorder import TrunkRecord
from trunkpulse.roster import Roster

__all__ = ["CONTENT_TYPE", "Metrics"]

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
RECORDS_PER_STEP = 50
PER_TRUNK_LIMIT = 10_000
"""Trunks up to which each has series of its own unless the configuration says otherwise."""

_STATE_HEAD = b"""\
# HELP trunkpulse_trunk_state Always 1: the trunk's state and the reason of its last change.
# TYPE trunkpulse_trunk_state gauge
"""
_UP_HEAD = b"""\
# HELP trunkpulse_target_up 1 if the target is AVAILABLE, 0 if DOWN, undecided or disabled.
# TYPE trunkpulse_target_up gauge
"""
_RTT_HEAD = b"""\
# HELP trunkpulse_target_rtt_seconds Round-trip time of the last answer, healthy or not.
# TYPE trunkpulse_target_rtt_seconds gauge
"""
_SUCCESS_HEAD = b"""\
# HELP trunkpulse_target_last_success_timestamp_seconds Unix time of the last success.
# TYPE trunkpulse_target_last_success_timestamp_seconds gauge
"""
_EXPIRY_HEAD = b"""\
# HELP trunkpulse_target_certificate_expiry_timestamp_seconds End of the certificate it showed.
# TYPE trunkpulse_target_certificate_expiry_timestamp_seconds gauge
"""
_LABEL_ESCAPES = str.maketrans({"\\": "\\\\", "\n": "\\n", '"': '\\"'})

_PROBE_COUNTERS = {
    "attempts": "OPTIONS attempts started.",
    "retransmissions": "OPTIONS sent again because no answer had come (RFC 3261 Timer E).",
    "answers": "Final answers that came in time, healthy or not.",
    "timeouts": "Attempts that ended without a final answer.",
    "network_errors": "Attempts that the network or the DNS ended.",
    "late_answers": "Answers to attempts that had already ended.",
    "provisional_answers": "1xx answers.",
    "challenges": "401 and 407 answers that were met with credentials.",
    "strangers": "Datagrams that answer no probe of this process.",
}


class Metrics(Collector):
    """See the module's opening."""

    def __init__(
        self,
        *,
        pipeline: Pipeline,
        roster: Roster,
        board: Board,
        deliveries: Callable[[], Mapping[str, DeliveryProgress]],
        stream_health: Callable[[], Mapping[str, StreamHealth]],
        backlogs: Backlogs,
        clock: Clock,
        instance_id: str,
        region: str,
        version: str,
        per_trunk: Callable[[], bool | None] = lambda: None,
        others: Callable[[], Iterator[Metric]] = lambda: iter(()),
    ) -> None:
        """``per_trunk`` says whether each trunk has series; None: if there are not too many.

        ``others`` gives what is told beside all this.
        """
        self._pipeline = pipeline
        self._roster = roster
        self._board = board
        self._deliveries = deliveries
        self._stream_health = stream_health
        self._backlogs = backlogs
        self._clock = clock
        self._build = (instance_id, region, version)
        self._per_trunk = per_trunk
        self._others = others
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)
        ProcessCollector(registry=self._registry)

    async def render(self, turns: Turns) -> bytes:
        """All metrics in Prometheus' text format, of ``CONTENT_TYPE``."""
        await self._backlogs.read()
        totals = generate_latest(self._registry)
        if not self._has_trunk_series():
            return totals
        states, ups = [_STATE_HEAD], [_UP_HEAD]
        rtts, successes, expiries = [_RTT_HEAD], [_SUCCESS_HEAD], [_EXPIRY_HEAD]
        numbers = NumberSeries(self._roster.numbers, _labels)
        records = iter(list(self._roster.records().values()))
        while batch := list(islice(records, RECORDS_PER_STEP)):
            states.append("".join(map(_state_line, batch)).encode())
            ups.append("".join(map(_up_lines, batch)).encode())
            rtts.append("".join(map(_rtt_lines, batch)).encode())
            successes.append("".join(map(_success_lines, batch)).encode())
            expiries.append("".join(map(_expiry_lines, batch)).encode())
            numbers.add(batch)
            await turns.give_way()
        return b"".join((totals, *states, *ups, *rtts, *successes, *expiries, numbers.text()))

    def collect(self) -> Iterator[Metric]:
        """The totals, for the registry."""
        build = GaugeMetricFamily(
            "trunkpulse_build_info", "Always 1.", labels=["instance_id", "region", "version"]
        )
        build.add_metric(self._build, 1)
        yield build
        yield from self._of_trunks()
        yield from self._of_probes()
        yield from self._of_recording()
        yield from of_watchdog(self._roster.watchdog)
        yield from of_paces(self._roster.watchdog)
        yield from self._of_streams()
        yield from self._others()

    def _has_trunk_series(self) -> bool:
        ordered = self._per_trunk()
        return len(self._roster.records()) <= PER_TRUNK_LIMIT if ordered is None else ordered

    def _of_trunks(self) -> Iterator[Metric]:
        trunks = GaugeMetricFamily("trunkpulse_trunks", "Trunks by state.", labels=["state"])
        for state, count in self._board.counts().items():
            trunks.add_metric([state], count)
        yield trunks
        yield GaugeMetricFamily(
            "trunkpulse_per_trunk_series",
            "1 if each trunk and target has series of its own, 0 if there are totals alone.",
            int(self._has_trunk_series()),
        )

    def _of_probes(self) -> Iterator[Metric]:
        prober = self._roster.prober
        yield GaugeMetricFamily(
            "trunkpulse_targets", "Targets of all trunks, resting ones included.", len(prober)
        )
        for name, count in _probe_counts(prober.counts).items():
            yield CounterMetricFamily(f"trunkpulse_probe_{name}", _PROBE_COUNTERS[name], count)
        yield GaugeMetricFamily(
            "trunkpulse_probe_lateness_max_seconds",
            "The worst delay of a probe against its schedule since the start.",
            prober.turns.lateness_seconds_max,
        )
        yield histogram_family(
            "trunkpulse_probe_lateness_seconds",
            "Delays between the moments at which probes were due and those at which they had left.",
            prober.turns.lateness,
        )
        yield histogram_family(
            "trunkpulse_probe_rtt_seconds",
            "Round-trip times of all answers, healthy or not.",
            self._roster.numbers.rtt,
        )
        yield GaugeMetricFamily(
            "trunkpulse_dns_failing_names",
            "URIs whose last look-up failed; known addresses stay in use.",
            len(self._roster.locator.troubles()),
        )
        yield CounterMetricFamily(
            "trunkpulse_nat_address_changes",
            "Times that a far side saw us at another public address than before.",
            self._roster.public.changes,
        )

    def _of_recording(self) -> Iterator[Metric]:
        recorder = self._pipeline.recorder
        yield GaugeMetricFamily(
            "trunkpulse_recorder_waiting_trunks",
            "Trunks with something that the database does not hold yet.",
            len(recorder),
        )
        doubts = self._pipeline.doubts
        yield GaugeMetricFamily(
            "trunkpulse_prober_isolated",
            "1 while the prober suspects itself and holds the states of trunks.",
            int(doubts.evidence is not None),
        )
        yield CounterMetricFamily(
            "trunkpulse_prober_isolations",
            "Times that the prober came to suspect itself.",
            doubts.isolations,
        )
        yield GaugeMetricFamily(
            "trunkpulse_store_available",
            "1 while the database takes what it is given.",
            int(recorder.available),
        )

    def _of_streams(self) -> Iterator[Metric]:
        progress, now_ms = self._deliveries(), round(self._clock.wall() * 1000)
        yield from of_deliveries(progress)
        yield from of_backlogs(self._backlogs.known, progress, now_ms)
        yield from of_stream_health(self._stream_health(), progress, now_ms)


def histogram_family(name: str, meaning: str, histogram: Histogram) -> Metric:
    """``histogram`` as Prometheus takes it."""
    family = HistogramMetricFamily(name, meaning)
    buckets = [
        ("+Inf" if math.isinf(bound) else str(bound), count)
        for bound, count in histogram.cumulative()
    ]
    family.add_metric([], buckets, histogram.sum)
    return family


def _state_line(record: TrunkRecord) -> str:
    trunk, reason = _escaped(record.trunk.id), record.reason or ""
    return f'trunkpulse_trunk_state{{trunk="{trunk}",state="{record.state}",reason="{reason}"}} 1\n'


def _labels(record: TrunkRecord, target: ProbeTarget) -> str:
    """A name may lead to several addresses, and each is a target: all three tell them apart."""
    trunk, uri = _escaped(record.trunk.id), _escaped(target.uri)
    return f'{{trunk="{trunk}",target="{uri}",address="{target.place or ""}"}}'


def _up_lines(record: TrunkRecord) -> str:
    in_service = record.trunk.enabled and record.admin_enabled
    active = in_service and record.reason is not Reason.LICENSE_ISSUE
    return "".join(
        f"trunkpulse_target_up{_labels(record, target)} "
        f"{int(active and target.state is TargetState.AVAILABLE)}\n"
        for target in record.targets
    )


def _rtt_lines(record: TrunkRecord) -> str:
    return "".join(
        f"trunkpulse_target_rtt_seconds{_labels(record, target)} {target.rtt_seconds}\n"
        for target in record.targets
        if target.rtt_seconds is not None
    )


def _success_lines(record: TrunkRecord) -> str:
    return "".join(
        f"trunkpulse_target_last_success_timestamp_seconds{_labels(record, target)} "
        f"{target.last_success:.3f}\n"
        for target in record.targets
        if target.last_success is not None
    )


def _expiry_lines(record: TrunkRecord) -> str:
    shown = ((target, target.certificate) for target in record.targets)
    return "".join(
        f"trunkpulse_target_certificate_expiry_timestamp_seconds{_labels(record, target)} "
        f"{certificate.not_after_ms / 1000:.0f}\n"
        for target, certificate in shown
        if certificate is not None
    )


def _escaped(value: str) -> str:
    return value.translate(_LABEL_ESCAPES)


def _probe_counts(counts: ProbeCounts) -> dict[str, int]:
    return {
        "attempts": counts.attempts,
        "retransmissions": counts.retransmissions,
        "answers": counts.answers,
        "timeouts": counts.timeouts,
        "network_errors": counts.network_errors,
        "late_answers": counts.late_answers,
        "provisional_answers": counts.provisional_answers,
        "challenges": counts.challenges,
        "strangers": counts.strangers,
    }
