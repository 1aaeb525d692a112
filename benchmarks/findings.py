"""Everything that one run measured, and the rows that follow from it.

The bars are those of ``docs/explanation/performance.md``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from benchmarks.detection import Detected
from benchmarks.load import Load, Measurement
from benchmarks.redirecting import CALLS_PER_SECOND, Redirected
from benchmarks.rows import Bar, Row, Unit
from benchmarks.serving import Served

__all__ = ["FLOOR", "KAMAILIO", "TRUNKPULSE", "Findings"]

FLOOR = "C floor"
KAMAILIO = "Kamailio"
TRUNKPULSE = "trunkpulse"
BAR = "bar"

FLAT_FROM_TARGETS = 10_000
"""From here on a probe shall cost the same however many targets there are."""
KAMAILIO_BARS = {(1_000, 1.0): Bar(1.0), (10_000, 1.0): Bar(1 / 7), (10_000, 5.0): Bar(1.0)}
"""By targets and seconds between probes; its cost grows with the list, ours does not. At 2,000
probes a second being woken up costs more than probing: the C loop alone takes a ninth of it then.
"""
LATENESS_SECONDS = 0.05
BYTES_PER_TARGET = 1024
DETECTION_BARS = {"blackholed": 46.0, "refused": 42.0}
START_BARS = {100_000: 5.0, 1_000_000: 45.0}
"""Seconds, by trunks."""
DECISIONS_PER_SECOND = 100_000.0
REDIRECT_SECONDS = 0.005
LIST_SECONDS = 0.05
WEBHOOK_SECONDS = 0.1
ISOLATION_SECONDS = 0.1


@dataclass(slots=True)
class Findings:
    """Filled in while a run goes on; what could not be measured has a reason instead."""

    probing: dict[tuple[Load, str], Measurement] = field(default_factory=dict)
    """By load and prober."""
    served: dict[int, Served] = field(default_factory=dict)
    """By the number of trunks."""
    detection: dict[str, dict[str, Detected]] = field(default_factory=dict)
    """By policy ("default", "plain") and kind of outage."""
    decisions_per_second: float | None = None
    webhooks: dict[str, float] = field(default_factory=dict)
    redirected: dict[str, Redirected] = field(default_factory=dict)
    """By who redirected: trunkpulse, Kamailio."""
    isolation: dict[str, dict[str, Any]] = field(default_factory=dict)
    """What ``benchmarks.isolation`` prints: "quiet", and "loaded"."""
    reasons: dict[str, str] = field(default_factory=dict)
    """By the name of a step: why it gave nothing, as one sentence."""
    laid: dict[Load, str] = field(default_factory=dict)
    """Where probes of trunkpulse were lost, if any were."""

    def rows(self) -> list[Row]:
        """The table, top to bottom."""
        return [
            *self._costs(),
            *self._lateness(),
            *self._memory(),
            *self._isolation(),
            *self._detection(),
            *self._starts(),
            *self._rest(),
            *self._redirects(),
        ]

    def losses(self) -> list[str]:
        """What was lost or falsely found, one sentence each; empty is as it should be."""
        sentences = []
        for (load, prober), found in self.probing.items():
            if prober == TRUNKPULSE and found.lost:
                where = self.laid.get(load, "")
                sentences.append(
                    f"{load}: {found.lost:,} of {found.sent:,} probes were lost.{where}"
                )
            if found.false_changes:
                sentences.append(f"{load}: {found.false_changes:,} states changed falsely.")
        for policy, kinds in self.detection.items():
            for kind, detected in kinds.items():
                if detected.missed:
                    sentences.append(
                        f"Detection ({policy}, {kind}): {detected.missed} of {detected.trunks} "
                        "outages were never found."
                    )
        redirected = self.redirected.get(TRUNKPULSE)
        if redirected is not None and redirected.lost:
            sentences.append(f"Redirects: {redirected.lost:,} calls were not redirected.")
        if self.webhooks.get("lost"):
            sentences.append(f"Webhooks: {self.webhooks['lost']:.0f} events never came.")
        return sentences

    def _loads(self) -> list[Load]:
        return list(dict.fromkeys(load for load, _ in self.probing))

    def _cost(self, load: Load, prober: str) -> float | None:
        found = self.probing.get((load, prober))
        return None if found is None else found.cpu_microseconds_per_probe

    def _costs(self) -> Iterator[Row]:
        for load in self._loads():
            ours = self._cost(load, TRUNKPULSE)
            yield self._cost_row(load, FLOOR, ours, Bar(3.0))
            if (load, KAMAILIO) in self.probing:
                bar = KAMAILIO_BARS.get((load.targets, load.interval_seconds))
                yield self._cost_row(load, KAMAILIO, ours, bar)
        flat = [load for load in self._loads() if load.targets >= FLAT_FROM_TARGETS]
        for load in flat:
            if load.targets == flat[0].targets:
                continue
            yield Row(
                group="CPU per probe",
                what=f"{load}, is it flat?",
                unit=Unit.MICROSECONDS,
                ours=self._cost(load, TRUNKPULSE),
                beside=f"at {flat[0].targets:,}",
                theirs=self._cost(flat[0], TRUNKPULSE),
                bar=Bar(1.5),
            )

    def _cost_row(self, load: Load, prober: str, ours: float | None, bar: Bar | None) -> Row:
        return Row(
            group="CPU per probe",
            what=str(load),
            unit=Unit.MICROSECONDS,
            ours=ours,
            beside=prober,
            theirs=self._cost(load, prober),
            bar=bar,
        )

    def _lateness(self) -> Iterator[Row]:
        for quantile in ("p50", "p99"):
            for load in self._loads():
                found = self.probing.get((load, TRUNKPULSE))
                if found is None:
                    continue
                seconds: float | None = getattr(found, f"lateness_{quantile}_seconds")
                yield Row(
                    group=f"Lateness {quantile}",
                    what=str(load),
                    unit=Unit.MILLISECONDS,
                    ours=None if seconds is None else seconds * 1e3,
                    beside=BAR,
                    theirs=LATENESS_SECONDS * 1e3,
                    bar=Bar(1.0),
                )

    def _isolation(self) -> Iterator[Row]:
        if not self.isolation:
            return
        quiet, loaded = self.isolation["quiet"], self.isolation["loaded"]
        asked, written = loaded["requests_per_second"], loaded["changes_per_second"]
        for beside, theirs, bar in (
            (BAR, ISOLATION_SECONDS * 1e3, Bar(1.0)),
            ("quiet", quiet["lateness_p99_ms"], None),
        ):
            yield Row(
                group="Lateness p99 under load",
                what=f"{asked:,} requests, {written:,} events /s",
                unit=Unit.MILLISECONDS,
                ours=loaded["lateness_p99_ms"],
                beside=beside,
                theirs=theirs,
                bar=bar,
            )

    def _memory(self) -> Iterator[Row]:
        for load in self._loads():
            found = self.probing.get((load, TRUNKPULSE))
            # Of few targets the growth of the process is mostly other things.
            if found is None or load.targets < FLAT_FROM_TARGETS:
                continue
            if found.loaded_bytes is None or found.empty_bytes is None:
                continue
            yield Row(
                group="Memory a target",
                what=str(load),
                unit=Unit.BYTES,
                ours=(found.loaded_bytes - found.empty_bytes) / load.targets,
                beside=BAR,
                theirs=BYTES_PER_TARGET,
                # Asked of a million; with few targets each bears more of what is fixed.
                bar=Bar(1.0) if load.targets >= 1_000_000 else None,
            )

    def _detection(self) -> Iterator[Row]:
        for kind, seconds in DETECTION_BARS.items():
            ours = self.detection.get("default", {}).get(kind)
            if ours is None:
                continue
            yield Row(
                group="Detection, worst",
                what=f"{kind}, default settings",
                unit=Unit.SECONDS,
                ours=ours.worst_seconds,
                beside=BAR,
                theirs=seconds,
                bar=Bar(1.0),
            )
            for scheme, name in (("plain", "3 x 30 s"), (KAMAILIO, KAMAILIO)):
                theirs = self.detection.get(scheme, {}).get(kind)
                if theirs is not None:
                    yield Row(
                        group="Detection, worst",
                        what=f"{kind}, default settings",
                        unit=Unit.SECONDS,
                        ours=ours.worst_seconds,
                        beside=name,
                        theirs=theirs.worst_seconds,
                    )

    def _starts(self) -> Iterator[Row]:
        for trunks, seconds_allowed in START_BARS.items():
            found = self.served.get(trunks)
            if found is None:
                continue
            for database, seconds in (
                ("empty", found.start_empty_seconds),
                ("filled", found.start_filled_seconds),
            ):
                yield Row(
                    group="Start until ready",
                    what=f"{trunks:,} trunks, {database} database",
                    unit=Unit.SECONDS,
                    ours=seconds,
                    beside=BAR,
                    theirs=seconds_allowed,
                    bar=Bar(1.0),
                )

    def _rest(self) -> Iterator[Row]:
        for trunks, found in self.served.items():
            yield Row(
                group="API lists p99",
                what=f"{trunks:,} trunks",
                unit=Unit.MILLISECONDS,
                ours=found.list_p99_seconds * 1e3,
                beside=BAR,
                theirs=LIST_SECONDS * 1e3,
                bar=Bar(1.0),
            )
        if self.webhooks:
            yield Row(
                group="Verdict to webhook p99",
                what=f"{self.webhooks['changes_per_second']:.0f} changes a second",
                unit=Unit.MILLISECONDS,
                ours=self.webhooks["p99_seconds"] * 1e3,
                beside=BAR,
                theirs=WEBHOOK_SECONDS * 1e3,
                bar=Bar(1.0),
            )
        if self.decisions_per_second is not None:
            yield Row(
                group="Routing decisions",
                what="1,000 routes of 4 trunks",
                unit=Unit.PER_SECOND,
                ours=self.decisions_per_second,
                beside=BAR,
                theirs=DECISIONS_PER_SECOND,
                bar=Bar(1.0, at_least=True),
            )

    def _redirects(self) -> Iterator[Row]:
        ours, theirs = self.redirected.get(TRUNKPULSE), self.redirected.get(KAMAILIO)
        if ours is None:
            return
        most: list[tuple[str, float, Bar | None]] = [
            (BAR, float(CALLS_PER_SECOND), Bar(1.0, at_least=True))
        ]
        slowest: list[tuple[str, float, Bar | None]] = [(BAR, REDIRECT_SECONDS, Bar(1.0))]
        if theirs is not None:
            most.append((KAMAILIO, theirs.calls_per_second, None))
            slowest.append((KAMAILIO, theirs.p99_seconds, None))
        for beside, figure, bar in most:
            yield Row(
                group="Redirected calls",
                what="as many as it takes",
                unit=Unit.PER_SECOND,
                ours=ours.calls_per_second,
                beside=beside,
                theirs=figure,
                bar=bar,
            )
        for beside, figure, bar in slowest:
            yield Row(
                group="Redirect p99",
                what=f"{CALLS_PER_SECOND:,} calls a second",
                unit=Unit.MILLISECONDS,
                ours=ours.p99_seconds * 1e3,
                beside=beside,
                theirs=figure * 1e3,
                bar=bar,
            )
