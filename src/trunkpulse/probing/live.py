"""What calls show of a target, and how long its keepalives may pause for it.

A call that runs over a target proves more than an OPTIONS would. So while calls are up and
something has lately shown that the far side is there, the next keepalive is put off: by an interval
from that proof. Once the proof is old, or the calls have ended, probing goes on within an interval.
A target that is not AVAILABLE, or has failed of late, is probed whatever its calls say.

There is a ceiling: since the last probe that was really answered at most ``MOST_PAUSED_INTERVALS``
go by, whatever calls prove, and at most ``MOST_REPORTED_INTERVALS`` if a PBX only reports them. So
what is forged, misread or said of calls that hang hides a dead far side for so long and no longer.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, Protocol

from trunkpulse.health.hysteresis import resting
from trunkpulse.model import TargetState

if TYPE_CHECKING:
    from trunkpulse.probing.target import ProbeTarget

__all__ = [
    "MOST_PAUSED_INTERVALS",
    "MOST_REPORTED_INTERVALS",
    "CallsUp",
    "LiveProof",
    "no_calls",
]

MOST_PAUSED_INTERVALS: Final = 10
"""Between two answered keepalives, for what the far side itself shows."""
MOST_REPORTED_INTERVALS: Final = 4
"""The same for what is only reported, by somebody who may count calls that ended long ago."""

_WELL = resting(TargetState.AVAILABLE)


class CallsUp(Protocol):
    """Says how many calls are up at a target, as far as they can be told from others'."""

    def __call__(self, target: ProbeTarget) -> int:
        """So many."""


def no_calls(target: ProbeTarget) -> int:
    """The ``CallsUp`` of a prober that is told of none."""
    del target
    return 0


class LiveProof:
    """When calls last showed something of one target; moments are monotonic."""

    __slots__ = ("_answered_at", "_success", "doubted_at", "insisted", "proved_at", "reported_at")

    def __init__(self, target: ProbeTarget) -> None:
        """Nothing yet; of ``target`` it is remembered whether its last probe was answered."""
        self.proved_at = -math.inf
        """The far side showed that it is there."""
        self.reported_at = -math.inf
        """A PBX said that calls are up, which proves less."""
        self.doubted_at = -math.inf
        """A call ended so that the target was probed at once."""
        self.insisted = False
        """True if somebody wants the next probe whatever calls say."""
        self._success = target.last_success
        """The last answered probe that is known of."""
        self._answered_at = target.started if _was_answered(target) else -math.inf
        """When that was sent; -inf: long ago."""

    @property
    def shown_at(self) -> float:
        """When calls were last spoken for, by the far side or by a PBX; -inf: never."""
        return max(self.proved_at, self.reported_at)

    def rests_until(self, target: ProbeTarget, calls_up: CallsUp) -> float:
        """Until when calls spare ``target``, whose proof this is, the next keepalive."""
        if target.last_success != self._success:
            # It is asked before each attempt, so this was the one before, or is the last.
            self._success = target.last_success
            self._answered_at = target.started
        policy = target.settings.policy
        if self.insisted or not policy.pause_on_active_calls or target.run != _WELL:
            return -math.inf
        if not calls_up(target):
            return -math.inf
        interval, answered_at = policy.interval_seconds, self._answered_at
        return max(
            min(self.proved_at + interval, answered_at + MOST_PAUSED_INTERVALS * interval),
            min(self.reported_at + interval, answered_at + MOST_REPORTED_INTERVALS * interval),
        )

    def is_old(self, target: ProbeTarget, now: float) -> bool:
        """True if nothing follows from it any more."""
        policy = target.settings.policy
        return (
            now - self.shown_at >= policy.interval_seconds
            and now - self.doubted_at >= policy.confirm_interval_seconds
        )


def _was_answered(target: ProbeTarget) -> bool:
    """True if the last probe was, as far as is known; False also while one is under way."""
    success = target.last_success
    if success is None or not target.started or target.awaiting or target.locating:
        return False
    attempts = target.attempts
    return not attempts or attempts[-1].at <= success
