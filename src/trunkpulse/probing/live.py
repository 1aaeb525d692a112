"""What calls show of a target, and how long its keepalives may pause for it.

A call that runs over a target proves more than an OPTIONS would. So while calls are up and
something has lately shown that the far side is there, the next keepalive is put off: by an interval
from that proof. Once the proof is old, or the calls have ended, probing goes on within an interval.
A target that is not AVAILABLE, or has failed of late, is probed whatever its calls say.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Protocol

from trunkpulse.health.hysteresis import resting
from trunkpulse.model import TargetState

if TYPE_CHECKING:
    from trunkpulse.probing.target import ProbeTarget

__all__ = ["CallsUp", "LiveProof", "no_calls"]

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

    __slots__ = ("doubted_at", "insisted", "proved_at")

    def __init__(self) -> None:
        self.proved_at = -math.inf
        """The far side showed that it is there."""
        self.doubted_at = -math.inf
        """A call ended so that the target was probed at once."""
        self.insisted = False
        """True if somebody wants the next probe whatever calls say."""

    def rests_until(self, target: ProbeTarget, calls_up: CallsUp) -> float:
        """Until when calls spare ``target``, whose proof this is, the next keepalive."""
        policy = target.settings.policy
        if self.insisted or not policy.pause_on_active_calls or target.run != _WELL:
            return -math.inf
        moment = self.proved_at + policy.interval_seconds
        return moment if calls_up(target) else -math.inf

    def is_old(self, target: ProbeTarget, now: float) -> bool:
        """True if nothing follows from it any more."""
        policy = target.settings.policy
        return (
            now - self.proved_at >= policy.interval_seconds
            and now - self.doubted_at >= policy.confirm_interval_seconds
        )
