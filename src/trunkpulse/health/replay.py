"""What other keepalive settings would have made of the attempts that are on record.

Each run of like attempts is judged anew by ``hysteresis.advance``, beside the settings in force.
What can be told truthfully, and what cannot:

* Thresholds (``max_failed_attempts``, ``min_successful_attempts``), ``healthy_responses`` and a
  shorter ``timeout_seconds`` only judge what came in another way. They can be replayed.
* A longer timeout would have waited for answers that nobody waited for. Where attempts ended
  for want of one, it cannot be replayed.
* Longer intervals would have made fewer attempts. Those that would not have been made are left out:
  an estimate, because the others would have been made at other moments.
* Shorter intervals would have looked where nobody did. They cannot be replayed.

Attempts are remembered as runs (``Observed``): when the first and the last ended, how many there
were, and what the last one showed. The moments in between are put where the settings in force would
have had them: a confirmation's apart by its interval, the others spread evenly. The round trip of
the last stands for all. A change therefore has the moment of an attempt that was really made, or
nearly; other settings would often have made the deciding one somewhat sooner or later, because
while a change is confirmed attempts follow faster.

What is no longer remembered is put together from recorded changes (``recorded_past``).
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from trunkpulse.health.hysteresis import RULES, Run, advance, pace, resting
from trunkpulse.health.rollup import roll_up
from trunkpulse.model import (
    FailureKind,
    KeepalivePolicy,
    TargetState,
    TrunkState,
)

__all__ = [
    "Change",
    "Observed",
    "ReplayRefused",
    "Replaying",
    "TrunkChange",
    "down_seconds",
    "replay",
    "roll_up_changes",
]

_PACES: Final = ("interval_seconds", "confirm_interval_seconds", "down_interval_seconds")
_WITHOUT_A_SAY: Final = ("jitter", "pause_on_active_calls")
_WAITED: Final = frozenset({FailureKind.TIMEOUT, FailureKind.CONNECT_TIMEOUT})
_SLACK: Final = 0.01
"""Of a pace, for what clocks and round trips add."""


class Observed(NamedTuple):
    """A run of like attempts at one target, as it is remembered. Moments are wall-clock seconds."""

    first_at: float
    """When the first of them ended."""
    at: float
    """When the last of them ended."""
    times: int | None
    """How many they are; None: that was not counted."""
    code: int | None = None
    """Of the answer, if one came."""
    failure: FailureKind | None = None
    """None: they were healthy by the settings of then."""
    rtt_seconds: float | None = None
    """Of the last answer."""
    quiet_seconds: float = 0.0
    """For so long the far side asked to be left alone."""
    counts: bool = True
    """False: the prober was isolated, and failures were not counted."""


class Change(NamedTuple):
    """A target would have left one state for another. ``at`` is in wall-clock seconds."""

    at: float
    before: TargetState
    state: TargetState


class TrunkChange(NamedTuple):
    """The same of a trunk."""

    at: float
    before: TrunkState
    state: TrunkState


class ReplayRefused(ValueError):
    """Settings cannot be replayed; ``key`` is the one to leave out, the message one sentence."""

    def __init__(self, key: str, sentence: str) -> None:
        super().__init__(sentence)
        self.key = key


@dataclass(frozen=True, slots=True)
class Replaying:
    """Other settings beside those in force: whether they can be replayed, and how."""

    real: KeepalivePolicy
    other: KeepalivePolicy
    thins: bool
    """True if attempts are left out: an estimate."""
    notes: tuple[str, ...]
    """What the settings change that a replay cannot show, a sentence each."""

    @classmethod
    def of(
        cls, real: KeepalivePolicy, other: KeepalivePolicy, observed: Iterable[Observed]
    ) -> Replaying:
        """Raises ReplayRefused if ``other`` would have found out what nobody looked for."""
        if not other.enabled:
            raise ReplayRefused(
                "enabled",
                "With keepalives switched off nothing would have been judged; leave enabled out.",
            )
        for key in _PACES:
            now, then = getattr(real, key), getattr(other, key)
            if then < now:
                raise ReplayRefused(
                    key,
                    f"{key} cannot be replayed below {now:g} s, which is in force: attempts would "
                    "have been made at moments at which nobody looked.",
                )
        waits_longer = other.timeout_seconds > real.timeout_seconds
        if waits_longer and any(each.failure in _WAITED for each in observed):
            raise ReplayRefused(
                "timeout_seconds",
                f"timeout_seconds cannot be replayed above {real.timeout_seconds:g} s, which is in "
                "force: attempts ended for want of an answer, and nobody waited for a later one.",
            )
        thins = any(getattr(other, key) != getattr(real, key) for key in _PACES)
        return cls(real, other, thins, tuple(_notes(real, other, thins=thins)))


def _notes(real: KeepalivePolicy, other: KeepalivePolicy, *, thins: bool) -> Iterator[str]:
    if thins:
        yield (
            "This is an estimate: with longer intervals the attempts would have been made at other "
            "moments; of those that were made some are left out."
        )
    if other.timeout_seconds < real.timeout_seconds:
        yield (
            "Of attempts that went alike only the last one's round trip is remembered; it stands "
            "for all of them."
        )
    for key in _WITHOUT_A_SAY:
        if getattr(other, key, None) != getattr(real, key, None):
            yield f"{key} has no say in a replay."


# --- one target ----------------------------------------------------------------------------------


def replay(
    observed: Sequence[Observed], began: TargetState, replaying: Replaying
) -> tuple[list[Change], TargetState]:
    """The changes that would have been, and the state at the end.

    ``observed`` is oldest first; ``began`` is the target's state before. Work is bounded by the
    number of runs and of attempts that a change takes, not by how many attempts were made.
    """
    course = _Course(began, replaying)
    for each in observed:
        course.take(each)
    return course.changes, course.judged.state


class _Course:
    """A target on its way through what was observed."""

    def __init__(self, began: TargetState, replaying: Replaying) -> None:
        self._real, self._other = replaying.real, replaying.other
        self._thins = replaying.thins
        self._share = 1 - max(self._real.jitter, self._other.jitter) - _SLACK
        self.actual = resting(began)
        """As the settings in force have it: they paced the attempts."""
        self.judged = resting(began)
        """As the others have it."""
        self.changes: list[Change] = []
        self._kept: float | None = None
        """When the last attempt was that the other settings would have made too."""

    def take(self, run: Observed) -> None:
        """One run more."""
        at, left = run.first_at, run.times
        really = run.failure is None
        otherwise = _succeeds(run, self._other)
        while True:
            is_last = at >= run.at or left == 1
            if is_last:
                at = run.at
            self.actual = _judged(self.actual, run, self._real, success=really)
            if self._would_be_made(at):
                self._judge(at, run, success=otherwise)
            if is_last:
                return
            step = max(pace(self.actual, self._real).seconds, run.quiet_seconds)
            is_settled = _is_settled(self.actual, run, success=really)
            if left is not None:
                left -= 1
                evenly = (run.at - at) / left
                step = evenly if is_settled else min(step, evenly)
            if is_settled:
                if _is_settled(self.judged, run, success=otherwise):
                    self._skip_to(run.at, step)
                    return
                skipped = self._until_due(at, step)
                at += step * skipped
                if left is not None:
                    left = max(1, left - skipped)
            at = min(at + step, run.at)

    def _judge(self, at: float, run: Observed, *, success: bool) -> None:
        before = self.judged.state
        self.judged = _judged(self.judged, run, self._other, success=success)
        self._kept = at
        if self.judged.state is not before:
            self.changes.append(Change(at, before, self.judged.state))

    def _due(self) -> float:
        """From when on an attempt would be made."""
        if not self._thins or self._kept is None:
            return -math.inf
        return self._kept + pace(self.judged, self._other).seconds * self._share

    def _would_be_made(self, at: float) -> bool:
        return at >= self._due()

    def _until_due(self, at: float, step: float) -> int:
        """How many attempts after the one at ``at`` would not be made."""
        if step <= 0 or not math.isfinite(due := self._due()):
            return 0
        return max(0, math.ceil((due - at) / step) - 1)

    def _skip_to(self, end: float, step: float) -> None:
        """Nothing changes up to ``end``; only which attempts would have been made goes on."""
        if not self._thins or self._kept is None or step <= 0:
            self._kept = end
            return
        wanted = pace(self.judged, self._other).seconds * self._share
        apart = max(1, math.ceil(wanted / step)) * step
        self._kept += max(0, math.floor((end - self._kept) / apart)) * apart


def _succeeds(run: Observed, policy: KeepalivePolicy) -> bool:
    """True if these settings take such an attempt for a success."""
    if run.code is None:
        return run.failure is None
    if run.rtt_seconds is not None and run.rtt_seconds > policy.timeout_seconds:
        return False
    return run.code in policy.healthy_codes


def _judged(before: Run, run: Observed, policy: KeepalivePolicy, *, success: bool) -> Run:
    if not success and not run.counts:
        return before if before.state is TargetState.DOWN else resting(before.state)
    quiet = 0.0 if success else run.quiet_seconds
    return advance(before, success=success, policy=policy, quiet_seconds=quiet)


def _is_settled(now: Run, run: Observed, *, success: bool) -> bool:
    """True if more such attempts change nothing."""
    return (not success and not run.counts) or RULES[now.state, success] is now.state


# --- a trunk -------------------------------------------------------------------------------------


def roll_up_changes(
    targets: Sequence[tuple[TargetState, Sequence[Change]]], *, min_available: int
) -> tuple[TrunkState, list[TrunkChange]]:
    """What changes of its targets make of a trunk: its state before, and its own changes.

    Of each target there is the state that it began in and its changes, oldest first.
    """
    states = [began for began, _ in targets]
    needed = min(min_available, len(states))
    began = state = roll_up(states, min_available=needed, previous=TrunkState.UNKNOWN)
    found: list[TrunkChange] = []
    courses = [
        [(change.at, place, change.state) for change in changes]
        for place, (_, changes) in enumerate(targets)
    ]
    for at, place, target_state in heapq.merge(*courses):
        states[place] = target_state
        before = state
        state = roll_up(states, min_available=needed, previous=before)
        if state is not before:
            found.append(TrunkChange(at, before, state))
    return began, found


def down_seconds(
    began: TrunkState, changes: Iterable[TrunkChange], start: float, end: float
) -> float:
    """For how long from ``start`` to ``end`` the trunk was DOWN."""
    total, state, since = 0.0, began, start
    for change in changes:
        if state is TrunkState.DOWN:
            total += change.at - since
        state, since = change.state, change.at
    return total + (max(0.0, end - since) if state is TrunkState.DOWN else 0.0)
