"""Attempts as they may have been, put together from the changes that were recorded.

A change keeps what the last attempt at each target of the trunk had shown: how it ended, how many
before it failed alike, when it last succeeded. In between nothing is known but that nothing
changed: failures, or successes, too few for a change are missing here. While a target was DOWN it
is taken to have failed at ``down_interval_seconds`` until it recovered.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from trunkpulse.health.replay import Observed
from trunkpulse.model import (
    AttemptEvidence,
    FailureKind,
    KeepalivePolicy,
    StateChange,
    TargetState,
    TrunkState,
)

__all__ = ["Record", "with_past"]


class Record(NamedTuple):
    """All that is on record of one target's attempts."""

    runs: Sequence[Observed]
    """Oldest first."""
    began: TargetState
    """Its state before."""
    exact_from: float | None
    """Since when attempts are remembered, in wall-clock seconds; None: none are."""


def with_past(
    remembered: Sequence[Observed],
    changes: Sequence[StateChange],
    uri: str,
    address: str | None,
    *,
    policy: KeepalivePolicy,
    otherwise: TargetState,
) -> Record:
    """What is ``remembered`` of the target at ``uri``, and before that what ``changes`` show of it.

    Both are oldest first. ``policy`` is in force; ``address`` is where the target is now, None if
    that is not known; ``otherwise`` is the state that it began in if no change shows it.
    """
    past = _Past(policy)
    for change in changes:
        for each in change.evidence:
            if each.target == uri and (None in (address, each.address) or each.address == address):
                past.take(change, each)
                break
    exact_from = remembered[0].first_at if remembered else None
    # Events have moments in whole milliseconds: what is remembered must not be there twice.
    end = math.inf if exact_from is None else exact_from - 0.001
    before = [each for each in past.runs if each.at < end]
    return Record([*before, *remembered], past.began or otherwise, exact_from)


class _Past:
    """Runs of attempts, put together from what one change after another shows of a target."""

    def __init__(self, policy: KeepalivePolicy) -> None:
        self._policy = policy
        self._state: TargetState | None = None
        self.runs: list[Observed] = []
        self.began: TargetState | None = None

    def take(self, change: StateChange, shown: AttemptEvidence) -> None:
        """The next change, and what it shows of the target."""
        if shown.at_ms is None:
            return
        at = shown.at_ms / 1000
        if self.began is None:
            self.began = _state_before(change, shown)
        if self.runs and at <= self.runs[-1].at:
            self._state = shown.state
            return
        if shown.failure is None:
            self._succeeded(at, shown)
        else:
            self._failed(at, shown, shown.failure)
        self._state = shown.state

    def _succeeded(self, at: float, shown: AttemptEvidence) -> None:
        policy = self._policy
        rtt = None if shown.rtt_ms is None else shown.rtt_ms / 1000
        recovered = shown.state is TargetState.AVAILABLE and self._before() is TargetState.DOWN
        if not recovered:
            since = self.runs[-1].at if self.runs and self.runs[-1].failure is None else at
            self._add(Observed(since, at, None, shown.code, None, rtt))
            return
        times = policy.min_successful_attempts
        first = at - (times - 1) * policy.confirm_interval_seconds
        if self.runs and self.runs[-1].failure is not None:
            # While DOWN nothing but failures leads nowhere; a success among them is not on record.
            last = self.runs[-1]
            more = round((first - last.at) / policy.down_interval_seconds) - 1
            if more > 0 and last.times is not None:
                ended = last.at + more * policy.down_interval_seconds
                self.runs[-1] = last._replace(at=ended, times=last.times + more)
        self._add(Observed(first, at, times, shown.code, None, rtt))

    def _failed(self, at: float, shown: AttemptEvidence, failure: FailureKind) -> None:
        times = max(1, shown.failed_attempts)
        first = at - (times - 1) * self._policy.confirm_interval_seconds
        if shown.last_success_ms is not None:
            success = shown.last_success_ms / 1000
            if not self.runs or success > self.runs[-1].at:
                after_success = self.runs and self.runs[-1].failure is None
                since = self.runs[-1].at if after_success else success
                self._add(Observed(since, success, None))
            first = max(first, success)
        until = shown.maintenance_until_ms
        self._add(
            Observed(
                first,
                at,
                times,
                shown.code,
                failure,
                None if shown.rtt_ms is None else shown.rtt_ms / 1000,
                0.0 if until is None else max(0.0, until / 1000 - at),
            )
        )

    def _before(self) -> TargetState | None:
        return self.began if self._state is None else self._state

    def _add(self, run: Observed) -> None:
        if self.runs:
            run = run._replace(first_at=min(max(run.first_at, self.runs[-1].at), run.at))
        self.runs.append(run)


def _state_before(change: StateChange, shown: AttemptEvidence) -> TargetState:
    """The target's state before the first change that is known."""
    match change.previous_state:
        case TrunkState.AVAILABLE:
            return TargetState.AVAILABLE
        case TrunkState.UNKNOWN:
            return TargetState.UNKNOWN
        case TrunkState.DOWN if len(change.evidence) == 1:
            return TargetState.DOWN
        case _:
            return shown.state
