"""What live calls do to the probing of trunks: they count, they spare keepalives, they cast doubt.

Evidence has a direction. A keepalive asks whether the far side answers *us*, and one that calls us
need not: our address may have dropped out of its lists. So on a trunk that serves calls to it, only
its answers in such calls are evidence; calls that come in are on an ``inbound`` trunk alone.

The ledger knows calls and addresses, the prober targets. In between stands what can be told from
what: a call at an address that several targets share (of trunks that take calls of its direction)
is no proof for any one of them, so there it only ever casts doubt. What a PBX reports of a trunk
(``report``) says nothing of which of its targets carries the calls, so it spares keepalives where
there is only one.

While the prober is isolated nothing that calls show counts: they may take another path than ours.
All of this is in memory, and begins anew with the process.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Final, NamedTuple

from trunkpulse.calls.intake import Intake
from trunkpulse.calls.ledger import Host, LedgerOfCalls, Line, Place, Way
from trunkpulse.config.settings import HepSettings
from trunkpulse.health.passive import Meaning, meaning_of
from trunkpulse.model import Direction
from trunkpulse.pipeline import WELL, Pipeline
from trunkpulse.ports import Clock
from trunkpulse.probing.target import ProbeTarget
from trunkpulse.recorder import TrunkRecord
from trunkpulse.roster import Roster

__all__ = ["Activity", "LiveCalls", "LiveCounts"]

EXPIRE_EVERY_SECONDS: Final = 0.5
LONGEST_REPORT_SECONDS: Final = 3600.0
GLANCES_PER_REPORT: Final = 4
"""At older reports, to drop those whose time is up."""

MOST_PROOFS: Final = 10_000
"""Trunks of which it is remembered when calls last proved them alive."""

_WAYS: Final = {
    Direction.INBOUND: (Way.IN,),
    Direction.OUTBOUND: (Way.OUT,),
    Direction.BOTH: (Way.OUT, Way.IN),
}
"""The calls that a trunk serves."""
_PROVING: Final = {
    Direction.INBOUND: Way.IN,
    Direction.OUTBOUND: Way.OUT,
    Direction.BOTH: Way.OUT,
}
"""Those among them that show whether it does what a keepalive asks."""


class Activity(NamedTuple):
    """The calls of one trunk at this moment."""

    seen: int
    """Up, as mirrors show; at addresses that it shares with other trunks none can be told."""
    reported: int | None
    """As was reported last; None: nothing that still counts."""
    reported_until: float | None
    """Monotonic moment until which that counts."""
    proved_at: float | None
    """Monotonic moment at which calls last proved one of its targets alive, or were reported last,
    if that is remembered."""
    counts: bool
    """True if that is less than an interval between keepalives ago; what is older spares none."""
    paused: bool
    """True while they spare it keepalives, or some of them."""

    @property
    def calls(self) -> int:
        """So many are up: mirrors and reports may show the same ones."""
        return max(self.seen, self.reported or 0)


class LiveCounts:
    """Evidence that was given since the start."""

    __slots__ = ("doubts", "proofs", "reports", "successes")

    def __init__(self) -> None:
        self.successes = 0
        """Calls that went through, each counted as a success of its target."""
        self.proofs = 0
        """Everything else by which a target showed that it is there."""
        self.doubts = 0
        """Probes that left at once because of how a call ended."""
        self.reports = 0


class _Report(NamedTuple):
    calls: int
    until: float


class LiveCalls:
    """See the module's opening; the ledger's ``Witness`` and the prober's ``CallsUp``."""

    def __init__(
        self, settings: HepSettings, *, roster: Roster, pipeline: Pipeline, clock: Clock
    ) -> None:
        self._roster = roster
        self._pipeline = pipeline
        self._clock = clock
        self._whereabouts = roster.whereabouts
        self._reports: dict[str, _Report] = {}
        """By trunk id."""
        self._proofs: dict[str, float] = {}
        """When calls of a trunk, by its id, were last spoken for, in the order in which they were.
        A target forgets that once it no longer counts."""
        self.ledger = LedgerOfCalls(
            self,
            find=self._find,
            most_calls=settings.most_calls,
            lifetime_seconds=settings.call_lifetime_seconds,
        )
        self.intake = Intake(self.ledger, settings.secret)
        self.counts = LiveCounts()
        roster.prober.calls_up = self.calls_up

    async def run(self) -> None:
        """Let calls go whose time is up, for as long as somebody may mirror any."""
        while True:
            more = self.ledger.expire(self._clock.monotonic())
            await asyncio.sleep(0 if more else EXPIRE_EVERY_SECONDS)

    # --- what is up ----------------------------------------------------------------------------

    def calls_up(self, target: ProbeTarget) -> int:
        """Calls that are known to run over ``target``, and over no other, and spare keepalives."""
        record = self._roster.record_of(target)
        calls = self._seen_at(target, (_PROVING[record.trunk.direction],))
        if len(record.targets) == 1:
            report = self._report_of(record.trunk.id)
            calls = max(calls, report.calls if report is not None else 0)
        return calls

    def activity(self, record: TrunkRecord) -> Activity:
        """What is known of the trunk's calls."""
        report = self._report_of(record.trunk.id)
        proved_at = self._proofs.get(record.trunk.id)
        interval_seconds = record.trunk.keepalive.interval_seconds
        return Activity(
            seen=sum(
                self._seen_at(target, _WAYS[record.trunk.direction]) for target in record.targets
            ),
            reported=None if report is None else report.calls,
            reported_until=None if report is None else report.until,
            proved_at=proved_at,
            counts=proved_at is not None and self._clock.monotonic() - proved_at < interval_seconds,
            paused=any(self._roster.prober.pauses(target) for target in record.targets),
        )

    def _seen_at(self, target: ProbeTarget, ways: Iterable[Way]) -> int:
        if target.address is None:
            return 0
        place = Place(target.address[0], target.address[1], target.settings.reliable)
        calls = 0
        for way in ways:
            up = self.ledger.up(Line(place, way))
            if up and len(self._carrying(Line(place, way))) == 1:
                calls += up
        return calls

    # --- what is reported ------------------------------------------------------------------------

    @property
    def reported_trunks(self) -> int:
        """Of how many a report is kept; of some its time may be up."""
        return len(self._reports)

    def report(self, record: TrunkRecord, calls: int, seconds: float | None = None) -> Activity:
        """A PBX or SBC says how many calls are up on the trunk; 0 takes back what it said.

        It counts for ``seconds``, without them for one interval between keepalives, and for an
        hour at most.
        """
        self.counts.reports += 1
        now = self._clock.monotonic()
        self._forget_some(now)
        trunk = record.trunk
        self._reports.pop(trunk.id, None)
        if calls:
            lasting = trunk.keepalive.interval_seconds if seconds is None else seconds
            until = now + min(lasting, LONGEST_REPORT_SECONDS)
            self._reports[trunk.id] = _Report(calls, until)
            if len(record.targets) == 1 and self._roster.is_probed(record) and self._is_sound:
                record.targets[0].witness().reported_at = now
                self._remember_proof(trunk.id, now)
        return self.activity(record)

    def _report_of(self, trunk_id: str) -> _Report | None:
        report = self._reports.get(trunk_id)
        if report is None or report.until > self._clock.monotonic():
            return report
        del self._reports[trunk_id]
        return None

    def _forget_some(self, now: float) -> None:
        """Of the reports that were looked at least lately, so trunks that are gone leave none."""
        for _ in range(min(GLANCES_PER_REPORT, len(self._reports))):
            trunk_id = next(iter(self._reports))
            report = self._reports.pop(trunk_id)
            if report.until > now:
                self._reports[trunk_id] = report

    # --- what calls show (Witness) -----------------------------------------------------------

    def answered(self, line: Line, code: int | None) -> None:
        """The far side answered an INVITE so, or did not."""
        match meaning_of(code):
            case Meaning.SUCCESS:
                self._succeeded(line, f"a call to it was answered {code}")
            case Meaning.ALIVE:
                self._proved(line)
            case Meaning.DOUBT:
                # Of an INVITE without an answer, the answer may be among the frames that are lost.
                if code is not None or self.intake.is_whole(self._clock.monotonic()):
                    self._doubted(line)

    def acknowledged(self, line: Line) -> None:
        """It acknowledged our 2xx to its INVITE."""
        self._succeeded(line, "a call from it was set up")

    def heard(self, line: Line) -> None:
        """It said something else within a call."""
        self._proved(line)

    def _succeeded(self, line: Line, detail: str) -> None:
        target = self._proved(line)
        if target is not None:
            self.counts.successes += 1
            self._pipeline.witnessed(target, detail)

    def _proved(self, line: Line) -> ProbeTarget | None:
        """The only target that ``line`` can be of, and speaks for, is there; gives it."""
        if not self._is_sound:
            return None
        targets = self._probed(line)
        if len(targets) != 1:
            return None
        target = targets[0]
        if line.way is not _PROVING[self._roster.record_of(target).trunk.direction]:
            return None
        self.counts.proofs += 1
        now = target.witness().proved_at = self._clock.monotonic()
        self._remember_proof(self._roster.record_of(target).trunk.id, now)
        return target

    def _remember_proof(self, trunk_id: str, now: float) -> None:
        """For whoever asks, also when the target itself has forgotten it."""
        self._proofs.pop(trunk_id, None)
        self._proofs[trunk_id] = now
        if len(self._proofs) > MOST_PROOFS:
            del self._proofs[next(iter(self._proofs))]

    def _doubted(self, line: Line) -> None:
        """Have all that ``line`` may be of probed at once, each once per confirm interval."""
        if not self._is_sound:
            return
        now = self._clock.monotonic()
        for target in self._probed(line):
            # One that has failed is asked again soon anyway, nobody doubts one that is DOWN, and
            # one that is being asked will be known of in a moment.
            if target.run != WELL or self._roster.prober.is_under_way(target):
                continue
            live = target.witness()
            if now - live.doubted_at >= target.settings.policy.confirm_interval_seconds:
                live.doubted_at = now
                self.counts.doubts += 1
                self._roster.prober.probe_at(target, now)

    @property
    def _is_sound(self) -> bool:
        return self._pipeline.doubts.evidence is None

    # --- who is where --------------------------------------------------------------------------

    def _find(self, host: Host, connected: bool) -> Place | None:  # noqa: FBT001 - calls.ledger.Find
        found = self._whereabouts.has(*host, connected=connected)
        return Place(*host, connected) if found else None

    def _carrying(self, line: Line) -> list[ProbeTarget]:
        """The targets that a call of ``line`` may run over; none if they are too many."""
        place = line.place
        return [
            target
            for target in self._whereabouts.at(place.host, place.port, connected=place.connected)
            if line.way in _WAYS[self._roster.record_of(target).trunk.direction]
        ]

    def _probed(self, line: Line) -> list[ProbeTarget]:
        """Those among them that are probed: of the others nothing has to be known."""
        roster = self._roster
        return [each for each in self._carrying(line) if roster.is_probed(roster.record_of(each))]
