"""What Prometheus is told: read from the live objects at the moment of the scrape.

Nothing is counted twice: the prober, the recorder and the deliveries keep their own counts, and
the collector only reads them. The registry is this object's own, so two instances in one process
do not mix.

With 100,000 trunks a scrape is some tens of megabytes of text. Reading the trunks is therefore
done in small steps on the event loop (probes must leave on time), and the text is made of that
snapshot in a thread.

A disabled trunk stays in the metrics, as DOWN with the reason ADMIN_DISABLED: a series that
vanishes looks like a monitoring failure, and alerts on it never resolve.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from trunkpulse.board import Board
from trunkpulse.events.delivery import DeliveryProgress
from trunkpulse.model import TargetState, TrunkState
from trunkpulse.pipeline import Pipeline
from trunkpulse.probing.prober import ProbeCounts
from trunkpulse.recorder import TrunkRecord

__all__ = ["CONTENT_TYPE", "Metrics"]

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
RECORDS_PER_TURN = 500

_PROBE_COUNTERS = {
    "attempts": "OPTIONS attempts started.",
    "retransmissions": "OPTIONS sent again because no answer had come (RFC 3261 Timer E).",
    "answers": "Final answers that came in time, healthy or not.",
    "timeouts": "Attempts that ended without a final answer.",
    "network_errors": "Attempts that the network or the DNS ended.",
    "late_answers": "Answers to attempts that had already ended.",
    "provisional_answers": "1xx answers.",
    "strangers": "Datagrams that answer no probe of this process.",
}


@dataclass(frozen=True, slots=True)
class _TrunkReading:
    id: str
    state: TrunkState
    reason: str
    targets: tuple[tuple[str, bool, float | None], ...]
    """URI, up or not, last round trip in seconds."""


@dataclass(slots=True)
class _Reading:
    """Everything of one scrape; a thread reads it while the live objects go on changing."""

    states: Mapping[TrunkState, int]
    probes: Mapping[str, int]
    targets: int
    lateness_seconds: float
    waiting: int
    store_available: bool
    deliveries: Mapping[str, DeliveryProgress]
    trunks: list[_TrunkReading] = field(default_factory=list)


class Metrics:
    """See the module's opening."""

    def __init__(
        self,
        *,
        pipeline: Pipeline,
        board: Board,
        deliveries: Callable[[], Mapping[str, DeliveryProgress]],
        instance_id: str,
        region: str,
        version: str,
    ) -> None:
        self._pipeline = pipeline
        self._board = board
        self._deliveries = deliveries
        self._build = (instance_id, region, version)
        # What the process takes (memory, CPU, descriptors) is read where the text is made.
        self._process = CollectorRegistry(auto_describe=False)
        ProcessCollector(registry=self._process)

    async def render(self) -> bytes:
        """All metrics in Prometheus' text format, of ``CONTENT_TYPE``."""
        reading = await self._read()
        return await asyncio.to_thread(self._text, reading)

    async def _read(self) -> _Reading:
        pipeline = self._pipeline
        reading = _Reading(
            states=self._board.counts(),
            probes=_probe_counts(pipeline.prober.counts),
            targets=len(pipeline.prober),
            lateness_seconds=pipeline.prober.counts.lateness_seconds_max,
            waiting=len(pipeline.recorder),
            store_available=pipeline.recorder.available,
            deliveries=dict(self._deliveries()),
        )
        records = iter(list(pipeline.records().values()))
        while batch := list(islice(records, RECORDS_PER_TURN)):
            reading.trunks += [_read_trunk(record) for record in batch]
            await asyncio.sleep(0)
        return reading

    def _text(self, reading: _Reading) -> bytes:
        registry = CollectorRegistry(auto_describe=False)
        registry.register(_Families(reading, self._build))
        return generate_latest(registry) + generate_latest(self._process)


class _Families(Collector):
    """One reading as Prometheus' metric families."""

    def __init__(self, reading: _Reading, build: tuple[str, str, str]) -> None:
        self._reading = reading
        self._build = build

    def collect(self) -> Iterator[Metric]:
        """Every family of the reading."""
        build = GaugeMetricFamily(
            "trunkpulse_build_info", "Always 1.", labels=["instance", "region", "version"]
        )
        build.add_metric(self._build, 1)
        yield build
        yield from self._totals()
        yield from self._of_deliveries()
        yield from self._of_trunks()

    def _totals(self) -> Iterator[Metric]:
        reading = self._reading
        trunks = GaugeMetricFamily("trunkpulse_trunks", "Trunks by state.", labels=["state"])
        for state, count in reading.states.items():
            trunks.add_metric([state], count)
        yield trunks
        yield GaugeMetricFamily(
            "trunkpulse_targets", "Targets of all trunks, resting ones included.", reading.targets
        )
        for name, count in reading.probes.items():
            yield CounterMetricFamily(f"trunkpulse_probe_{name}", _PROBE_COUNTERS[name], count)
        yield GaugeMetricFamily(
            "trunkpulse_probe_lateness_max_seconds",
            "The worst delay of a probe against its schedule since the start.",
            reading.lateness_seconds,
        )
        yield GaugeMetricFamily(
            "trunkpulse_recorder_waiting_trunks",
            "Trunks with something that the database does not hold yet.",
            reading.waiting,
        )
        yield GaugeMetricFamily(
            "trunkpulse_store_available",
            "1 while the database takes what it is given.",
            int(reading.store_available),
        )

    def _of_deliveries(self) -> Iterator[Metric]:
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
        for stream_id, progress in self._reading.deliveries.items():
            ends.add_metric([stream_id, "delivered"], progress.delivered)
            ends.add_metric([stream_id, "retried"], progress.retried)
            ends.add_metric([stream_id, "parked"], progress.parked)
            in_flight.add_metric([stream_id], progress.in_flight)
        yield ends
        yield in_flight

    def _of_trunks(self) -> Iterator[Metric]:
        state = GaugeMetricFamily(
            "trunkpulse_trunk_state",
            "Always 1: the state the trunk is in and the reason of its last change.",
            labels=["trunk", "state", "reason"],
        )
        up = GaugeMetricFamily(
            "trunkpulse_target_up",
            "1 if the target is AVAILABLE, 0 if it is DOWN, undecided or disabled.",
            labels=["trunk", "target"],
        )
        rtt = GaugeMetricFamily(
            "trunkpulse_target_rtt_seconds",
            "Round-trip time of the last healthy answer.",
            labels=["trunk", "target"],
        )
        for trunk in self._reading.trunks:
            state.add_metric([trunk.id, trunk.state, trunk.reason], 1)
            for uri, is_up, rtt_seconds in trunk.targets:
                up.add_metric([trunk.id, uri], int(is_up))
                if rtt_seconds is not None:
                    rtt.add_metric([trunk.id, uri], rtt_seconds)
        yield state
        yield up
        yield rtt


def _probe_counts(counts: ProbeCounts) -> dict[str, int]:
    return {
        "attempts": counts.attempts,
        "retransmissions": counts.retransmissions,
        "answers": counts.answers,
        "timeouts": counts.timeouts,
        "network_errors": counts.network_errors,
        "late_answers": counts.late_answers,
        "provisional_answers": counts.provisional_answers,
        "strangers": counts.strangers,
    }


def _read_trunk(record: TrunkRecord) -> _TrunkReading:
    active = record.trunk.enabled and record.admin_enabled
    targets = tuple(
        (target.uri, active and target.state is TargetState.AVAILABLE, target.rtt_seconds)
        for target in record.targets
    )
    return _TrunkReading(record.trunk.id, record.state, record.reason or "", targets)
