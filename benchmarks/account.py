"""Holds every recorded change against what the far side says it did.

A change to DOWN must lie in an outage that was, no sooner than the attempts that it takes can have
failed, no later than the bar, and the far side must have failed that many attempts in a row. Each
outage that lasts long enough must have its change, each recovery one back, and there must be no
other change at all.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from benchmarks.failing import Bounds, FailingPlan, Outage, Request
from benchmarks.farside import ANSWERED
from trunkpulse.events.envelope import InvalidEvent, decode
from trunkpulse.model import Reason, StateChange, TrunkState

__all__ = ["Account", "recorded_changes"]

FAR_SIDE_SECONDS = 0.5
"""A far side with much to do answers a request this long after it was sent, and by what it is then:
an attempt may begin so much before the outage that fails it."""
ROUNDING_SECONDS = 0.02
"""Events have whole milliseconds; two processes read the clock one after the other."""


def recorded_changes(database: Path) -> tuple[dict[str, list[StateChange]], list[str]]:
    """The event log: changes by trunk, in the order in which they were recorded, and the rest.

    The rest are events of another kind, such as a prober's doubts about itself.
    """
    changes: defaultdict[str, list[StateChange]] = defaultdict(list)
    others: list[str] = []
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        for (body,) in connection.execute("SELECT body FROM events ORDER BY position"):
            try:
                change = decode(body)
            except InvalidEvent:
                others.append(body)
            else:
                changes[change.trunk_id].append(change)
    return dict(changes), others


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """See the module's opening."""

    plan: FailingPlan
    bounds: Bounds
    requests: Mapping[int, Sequence[Request]]
    """The far side's log."""
    began: float
    """The wall-clock moment of the plan's beginning."""
    ended: float
    """Seconds of the plan after which nothing is expected any more."""

    def differences(self, target: int, changes: Sequence[StateChange]) -> Iterator[str]:
        """What does not fit, one sentence each."""
        name = f"Target {target}"
        if not changes or changes[0].state is not TrunkState.AVAILABLE:
            yield f"{name} did not begin as AVAILABLE."
            return
        for number, change in enumerate(changes, 1):
            if change.sequence != number:
                yield f"{name} has change {change.sequence} where {number} belongs."
        left = list(changes[1:])
        for outage in self.plan.outages(target, self.ended):
            earliest = outage.starts + self.bounds.least(outage.code) - FAR_SIDE_SECONDS
            while left and self._at(left[0]) < earliest:
                yield self._unexplained(name, left.pop(0))
            latest = min(outage.starts + self.bounds.found, self._last_verdict(outage))
            if left and left[0].state is TrunkState.DOWN and self._at(left[0]) <= latest:
                down = left.pop(0)
                yield from self._evidence_of_failure(name, outage, down)
                yield from self._recovery(name, outage, left)
            elif outage.seconds >= self.bounds.found and latest <= self.ended:
                yield f"{name} failed from {outage.starts:.2f} to {outage.ends:.2f} s, unnoticed."
        for change in left:
            yield self._unexplained(name, change)

    def _at(self, change: StateChange) -> float:
        """When it was decided, in seconds of the plan."""
        return change.at_ms / 1000 - self.began

    def _last_verdict(self, outage: Outage) -> float:
        """An attempt that began in the outage may end, without an answer, a little after it."""
        return outage.ends + self.bounds.policy.timeout_seconds + self.bounds.slack_seconds

    def _unexplained(self, name: str, change: StateChange) -> str:
        return (
            f"{name} became {change.state} at {self._at(change):.2f} s, and no outage explains it."
        )

    def _recovery(self, name: str, outage: Outage, left: list[StateChange]) -> Iterator[str]:
        """The change back that belongs to the outage is taken from those that are left."""
        latest = outage.ends + self.bounds.recovered
        if left and left[0].state is TrunkState.AVAILABLE:
            at = self._at(left[0])
            if outage.ends - ROUNDING_SECONDS <= at <= latest:
                yield from self._evidence_of_recovery(name, outage, left.pop(0))
                return
        if latest <= self.ended:
            when = f"from {outage.ends:.2f} s on, unnoticed until {latest:.2f} s"
            yield f"{name} worked again {when}."

    def _evidence_of_failure(self, name: str, outage: Outage, down: StateChange) -> Iterator[str]:
        needed = self.bounds.policy.max_failed_attempts
        failed, answered = self._attempts(outage.target, outage.starts, self._at(down))
        if len(failed - answered) < needed:
            yield (
                f"{name} became DOWN at {self._at(down):.2f} s after {len(failed - answered)} "
                f"failed attempts instead of {needed}."
            )
        if down.reason is not Reason.KEEPALIVE_FAILURE:
            yield f"{name} became DOWN for {down.reason} instead of a failed keepalive."

    def _evidence_of_recovery(self, name: str, outage: Outage, up: StateChange) -> Iterator[str]:
        needed = self.bounds.policy.min_successful_attempts
        _, answered = self._attempts(outage.target, outage.ends, self._at(up))
        if len(answered) < needed:
            yield (
                f"{name} became AVAILABLE at {self._at(up):.2f} s after {len(answered)} "
                f"answers instead of {needed}."
            )
        if up.reason is not Reason.KEEPALIVE_RESTORED:
            yield f"{name} became AVAILABLE for {up.reason} instead of a restored keepalive."

    def _attempts(self, target: int, first: float, last: float) -> tuple[set[int], set[int]]:
        """Attempts that were failed, and that were answered, from one moment to another."""
        failed: set[int] = set()
        answered: set[int] = set()
        for request in self.requests.get(target, ()):
            at = request.at - self.began
            if first - ROUNDING_SECONDS <= at <= last + ROUNDING_SECONDS:
                (answered if request.code == ANSWERED else failed).add(request.cseq)
        return failed, answered
