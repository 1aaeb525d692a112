"""Drives the suspicion of ourselves: what the probes and the link show, and who is asked around.

The probes' successes cost nothing here: once a second the prober's count of answers is read. Only
failures call in. Each second the link is looked at, too; while a check or an isolation is under way
a sample of targets, one for each carrier, is probed out of turn and read several times a second.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from trunkpulse.health.hysteresis import Run
from trunkpulse.health.suspicion import GRACE_SECONDS, Finding, Suspicion
from trunkpulse.model import (
    FailureKind,
    IsolationEvidence,
    IsolationPolicy,
    IsolationRule,
    ProberState,
    TargetState,
)
from trunkpulse.ports import Address, Clock, LinkProblem, LinkWatch
from trunkpulse.probing.census import (
    RECORDS_PER_TURN,
    SAMPLE,
    Asked,
    Census,
    Trunks,
    host_of,
    is_in_service,
    party_of,
)
from trunkpulse.probing.doubts import Ruling, take_back
from trunkpulse.probing.target import ProbeTarget

__all__ = ["Isolation"]

IDLE_SECONDS: Final = 1.0
BUSY_SECONDS: Final = 0.2
LOOK_SECONDS: Final = 1.0
ASK_AGAIN_SECONDS: Final = 1.0
"""Between two probes of a sampled target while isolated, start to start, if its limit allows."""
CHECK_EVERY_SECONDS: Final = 5.0
CHECK_SLACK_SECONDS: Final = 1.0
LONGEST_WAIT_SECONDS: Final = 8.0
"""A target with a longer ``timeout_seconds`` counts as silent by then."""
MOST_WAITING: Final = 4096
COUNTED_PER_TURN: Final = 100
"""Of those that waited for a check: each may be a change of a trunk's state."""
CENSUS_EVERY_SECONDS: Final = 600.0
AGAIN_PER_SECOND: Final = 20_000
"""Targets that are probed in a second, after a restoration, at most."""

_SILENT: Final = frozenset(
    {
        FailureKind.TIMEOUT,
        FailureKind.CONNECT_TIMEOUT,
        FailureKind.UNREACHABLE,
        FailureKind.DNS,
    }
)
_WELL: Final = frozenset({TargetState.AVAILABLE})
_IN_DOUBT: Final = _WELL | {TargetState.UNKNOWN}
_ANSWERS: Final = frozenset({FailureKind.REFUSED, FailureKind.TLS, FailureKind.MALFORMED})
"""Somebody out there did something. A broken connection (RESET) says neither."""


class Isolation:
    """See the module's opening."""

    def __init__(
        self,
        policy: IsolationPolicy,
        *,
        trunks: Trunks,
        changed: Callable[[ProberState, IsolationEvidence], None],
        count: Callable[[ProbeTarget], None],
        link: LinkWatch | None,
        clock: Clock,
        rng: random.Random,
    ) -> None:
        """Suspect nothing until ``run`` runs; ``link`` None: the link is not looked at.

        ``changed`` hears when we begin and cease to suspect ourselves, ``count`` of a failure that
        was put off and counts after all.
        """
        self._suspicion = Suspicion(policy)
        self._policy = policy
        self._prober = trunks.prober
        self._trunks = trunks
        self._changed = changed
        self._count = count
        self._link = link
        self._clock = clock
        self._stir = asyncio.Event()
        self._answers = self._signs = 0
        """Of the prober so far: answers that came in time, and all that was heard."""
        self._counted = float("-inf")
        """When the answers were last counted."""
        self._looked = float("-inf")
        self._problem: LinkProblem | None = None
        self._census = Census(trunks, rng)
        self._census_due = 0.0
        self._configured = False
        """True once it is known which trunks there are."""
        self._asked: dict[str, Asked] = {}
        self._waiting: list[Asked] = []
        """Targets whose last failure would condemn them."""
        self._clean_from = float("-inf")
        """Attempts that started before do not count as failures."""
        self._again = False
        """True while the targets are still to be sent on a clean run."""
        self.evidence: IsolationEvidence | None = None
        """Of the isolation that lasts; None while connected."""
        self.isolations = 0
        """How often it came to that since the start."""

    # --- what the pipeline asks --------------------------------------------------------------

    @property
    def isolated(self) -> bool:
        """True while trunk states are held."""
        return self._suspicion.isolated

    def holds(self, target: ProbeTarget) -> bool:
        """True if a failure of the attempt that the target has just ended does not count."""
        return self._suspicion.isolated or self._again or target.started < self._clean_from

    def failed(self, target: ProbeTarget, kind: FailureKind) -> Ruling:
        """An attempt ended without an answer; says what becomes of it."""
        if not self._policy.enabled:
            return Ruling.COUNTS
        now = self._clock.monotonic()
        if kind not in _SILENT:
            if kind in _ANSWERS:
                self._suspicion.answered(now, 1)
                self._suspicion.heard(now, self._party_of(target), host_of(target))
            return Ruling.HELD if self.holds(target) else Ruling.COUNTS
        unnamed = kind is FailureKind.DNS
        if target.state is TargetState.AVAILABLE:
            self._suspicion.silent(now, self._party_of(target), host_of(target))
        elif not unnamed or target.state is TargetState.DOWN:
            return Ruling.HELD if self.holds(target) else Ruling.COUNTS
        if self.holds(target):
            return Ruling.HELD
        self._read_counts(now)
        policy = target.settings.policy
        every = min(CHECK_EVERY_SECONDS, policy.confirm_interval_seconds)
        vouched = self._suspicion.is_vouched_for(target.started)
        condemns = target.failures + 1 >= policy.max_failed_attempts
        if not self._suspicion.checking and (
            self._suspicion.wants_check(now, every) or (not vouched and (unnamed or condemns))
        ):
            self._begin_check(now, target, resolver=unnamed)
        if condemns and not vouched and self._suspicion.checking:
            if len(self._waiting) < MOST_WAITING:
                self._waiting.append(Asked.now(target))
            return Ruling.WAITS
        return Ruling.COUNTS

    # --- life --------------------------------------------------------------------------------

    def configure(self, policy: IsolationPolicy) -> None:
        """From now on go by this policy, and by the trunks as they are now."""
        self._policy = self._suspicion.policy = policy
        self._census_due = 0.0
        self._configured = True
        if not policy.enabled:
            self._follow(self._suspicion.release(self._clock.monotonic()))
        self._stir.set()

    def resume(self, recorded: IsolationEvidence) -> None:
        """The last life of this process ended while it was isolated, for what is on record."""
        if not self._policy.enabled:
            released = replace(recorded, problem="the rule was switched off")
            self._changed(ProberState.CONNECTED, released)
            return
        held_seconds = max(0.0, self._clock.wall() - recorded.since_ms / 1000)
        self._suspicion.resume(self._clock.monotonic(), held_seconds)
        self.evidence = replace(
            recorded,
            problem=f"{recorded.problem} when it last ended, and it has heard nobody since",
        )
        self._changed(ProberState.ISOLATED, self.evidence)

    async def run(self) -> None:
        """Look, ask and judge until cancelled."""
        self._answers, self._signs = self._heard_so_far()
        self._counted = self._clock.monotonic()
        while True:
            now = self._clock.monotonic()
            if now >= self._census_due:
                self._census_due = now + CENSUS_EVERY_SECONDS
                configured = self._configured
                await self._census.take()
                now = self._clock.monotonic()
                if configured:
                    self._suspicion.can_ask(now)
            if self._again:
                await self._start_anew()
            self._read_counts(now)
            if self._policy.enabled:
                await self._look(now)
                self._read_asked()
                self._follow(self._suspicion.judge(self._clock.monotonic()))
                if self._suspicion.isolated:
                    self._sample(self._clock.monotonic())
            if not self._suspicion.checking:
                await self._release_waiting()
            if self._again:
                continue
            busy = self._suspicion.checking or self._suspicion.isolated
            await self._stirred_within(BUSY_SECONDS if busy else IDLE_SECONDS)

    async def _stirred_within(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        timer = loop.call_later(seconds, self._stir.set)
        try:
            await self._stir.wait()
        finally:
            timer.cancel()
        self._stir.clear()

    # --- what is seen ------------------------------------------------------------------------

    def _heard_so_far(self) -> tuple[int, int]:
        counts = self._prober.counts
        answers = counts.answers
        return answers, answers + counts.late_answers + counts.provisional_answers

    def _read_counts(self, now: float) -> None:
        answers, signs = self._heard_so_far()
        self._suspicion.answered(
            now, signs - self._signs, self._counted, attempts=answers - self._answers
        )
        self._answers, self._signs, self._counted = answers, signs, now

    def _read_asked(self) -> None:
        """See who of those that were asked has answered meanwhile."""
        now = self._clock.monotonic()
        for party, asked in list(self._asked.items()):
            target = asked.target
            if target.index < 0 or not is_in_service(self._trunks.record_of(target)):
                del self._asked[party]
            elif asked.has_answered():
                self._suspicion.heard(now, party, host_of(target))
                self._asked[party] = Asked.now(target)
            elif (
                target.awaiting
                and target.state is TargetState.AVAILABLE
                and now - target.started >= LONGEST_WAIT_SECONDS
                and self._suspicion.waits_for(party)
            ):
                self._suspicion.silent(now, party, host_of(target))

    async def _look(self, now: float) -> None:
        if self._link is None:
            self._suspicion.link(now, None)
            self._suspicion.resolver(None)
            return
        waiting = self._suspicion.checking or bool(self._waiting)
        if now - self._looked < (BUSY_SECONDS if waiting else LOOK_SECONDS) / 2:
            return
        self._looked = now = self._clock.monotonic()
        self._problem = await self._link.problem(self._paths())
        self._read_counts(self._clock.monotonic())
        self._suspicion.link(now, None if self._problem is None else self._problem.problem)
        if self._suspicion.needs_resolver:
            self._suspicion.resolver(await self._link.resolver_problem())

    def _paths(self) -> Sequence[tuple[str, Address]]:
        """The ways of a few probes: where they leave from, and where they go."""
        targets = [asked.target for asked in self._asked.values() if asked.target.index >= 0]
        if not targets:
            targets = [target for _, target in self._census.picked(set(), set(TargetState))]
        return [
            (str(target.settings.transport.local_address[0]), target.address)
            for target in targets
            if target.address is not None
        ]

    # --- who is asked ------------------------------------------------------------------------

    def _party_of(self, target: ProbeTarget) -> str:
        return party_of(self._trunks.record_of(target))

    def _may_be_probed(self, target: ProbeTarget, now: float) -> bool:
        policy = target.settings.policy
        least = max(ASK_AGAIN_SECONDS, policy.minimum_interval_seconds)
        quiet = target.quiet_until
        if quiet is not None and quiet > self._clock.wall():
            return False
        return target.index >= 0 and target.started + least <= now

    def _begin_check(self, now: float, failed: ProbeTarget, *, resolver: bool) -> None:
        self._asked.clear()
        seconds = 0.0
        but_not = {*self._suspicion.silent_parties, self._party_of(failed)}
        # Who is new may answer too, and then only the resolver is to blame.
        for party, target in self._census.picked(but_not, _IN_DOUBT if resolver else _WELL):
            under_way = self._prober.is_under_way(target)
            if not under_way and not self._may_be_probed(target, now):
                if target.failures and target.failure in _SILENT:
                    # It must not be asked again yet: what it said last still stands.
                    self._suspicion.silent(now, party, host_of(target))
                continue
            seconds = max(seconds, target.settings.policy.timeout_seconds)
            self._asked[party] = Asked.now(target)
            if not under_way:
                self._prober.probe_at(target, now)
        deadline = now + min(seconds, LONGEST_WAIT_SECONDS) + CHECK_SLACK_SECONDS
        self._suspicion.begin_check(now, set(self._asked), deadline, resolver=resolver)
        self._looked = float("-inf")
        self._stir.set()

    def _sample(self, now: float) -> None:
        """While isolated: probe a few out of turn, the same ones for as long as they are there."""
        if len(self._asked) < SAMPLE:
            for party, target in self._census.picked(self._asked, _IN_DOUBT):
                if len(self._asked) == SAMPLE:
                    break
                self._asked[party] = Asked.now(target)
        self._suspicion.sample = {
            party: host_of(asked.target) for party, asked in self._asked.items()
        }
        for target in [asked.target for asked in self._asked.values()]:
            if not self._prober.is_under_way(target) and self._may_be_probed(target, now):
                self._prober.probe_at(target, now)

    # --- what comes of it --------------------------------------------------------------------

    def _follow(self, finding: Finding | None) -> None:
        if finding is None:
            return
        since_ms, rule = int(self._clock.wall() * 1000), finding.rule
        if not finding.isolated and self.evidence is not None:
            since_ms = self.evidence.since_ms
            if rule is IsolationRule.RESTART:
                rule = self.evidence.rule  # the one that was in force then
        evidence = IsolationEvidence(
            rule=rule,
            since_ms=since_ms,
            problem=finding.problem,
            interfaces=() if self._problem is None else self._problem.interfaces,
            silent_carriers=finding.silent,
            asked_carriers=finding.asked,
            failed_attempts=finding.failed,
            answered_attempts=finding.answered,
            hold_expired=finding.expired,
        )
        if finding.isolated:
            self.isolations += 1
            self.evidence = evidence
            self._waiting.clear()  # held with all the others
            self._changed(ProberState.ISOLATED, evidence)
            return
        self.evidence = None
        self._asked.clear()
        self._clean_from = self._clock.monotonic()
        self._again = True
        self._changed(ProberState.CONNECTED, evidence)

    async def _release_waiting(self) -> None:
        """The check found others well: what waited for it counts."""
        waiting, self._waiting = self._waiting, []
        for number, asked in enumerate(waiting, 1):
            if number % COUNTED_PER_TURN == 0:
                await asyncio.sleep(0)  # probes must leave on time
            target = asked.target
            if target.index >= 0 and not asked.has_answered() and not self.holds(target):
                self._count(target)

    async def _start_anew(self) -> None:
        """Have all targets probed soon, spread out, and judged from a clean run."""
        records = list(self._trunks.records().values())
        start = self._clock.monotonic()
        total = max(1, len(self._prober))
        seconds = max(GRACE_SECONDS, total / AGAIN_PER_SECOND)
        taken = 0
        for number, record in enumerate(records, 1):
            if number % RECORDS_PER_TURN == 0:
                await asyncio.sleep(0)
            for target in record.targets:
                if target.index < 0:
                    continue
                if target.state is not TargetState.DOWN:
                    take_back(target)
                    if target.failures:
                        target.run = Run(target.state)
                taken += 1
                planned = self._prober.next_attempt(target)
                moment = start + seconds * taken / total
                quiet = target.quiet_until is not None
                if planned is not None and planned > moment and not quiet:
                    self._prober.probe_at(target, moment)
        self._again = False
