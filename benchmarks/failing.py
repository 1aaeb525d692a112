"""Which targets of a soak fail when: a plan that anybody can work out, and a log of what was done.

The plan is a pure function of a seed, a target and a moment. Time is cut into cycles, each target's
beginning at a moment of its own; in some cycles it has one outage, silent or rejecting, short or
long, early enough that it has recovered by the cycle's end. So nobody has to be told: the far side
asks the plan what to do, and whoever checks asks it what should have been found.
"""

from __future__ import annotations

import hashlib
import re
import struct
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from benchmarks.farside import ANSWERED, REJECTED, SILENT
from trunkpulse.model import KeepalivePolicy

__all__ = ["Bounds", "FailingPlan", "FarLog", "Outage", "policy_of"]

_CSEQ = re.compile(rb"\r\nCSeq: *(\d+)")
SHORTEST_OUTAGE = 0.1
LONGEST_OUTAGE = 3.0
"""Of an outage, in the time after which it is certain to have been found."""


def policy_of(interval_seconds: float) -> KeepalivePolicy:
    """The default settings at 30 s; at other intervals the same in proportion."""
    return KeepalivePolicy(
        interval_seconds=interval_seconds,
        confirm_interval_seconds=interval_seconds / 6,
        down_interval_seconds=interval_seconds / 2,
        timeout_seconds=min(4.0, max(1.0, interval_seconds * 4 / 30)),
    )


@dataclass(frozen=True, slots=True)
class Bounds:
    """How soon and how late a change may come under a policy; all in seconds."""

    policy: KeepalivePolicy
    slack_seconds: float = 1.0
    """For the far side, the probes and the verdicts to be late by."""

    @property
    def recovered(self) -> float:
        """From the end of an outage, at most, until the target is AVAILABLE again."""
        policy = self.policy
        longest = max(policy.down_interval_seconds, self._step) * (1 + policy.jitter)
        confirming = (policy.min_successful_attempts - 1) * policy.confirm_interval_seconds
        return longest + confirming + self.slack_seconds

    @property
    def found(self) -> float:
        """From the beginning of an outage, at most, until the target is DOWN."""
        policy = self.policy
        interval = policy.interval_seconds * (1 + policy.jitter)
        return interval + self.least(SILENT) + self.slack_seconds

    def least(self, code: int) -> float:
        """From the beginning of an outage, at least, until the target is DOWN."""
        runs = self.policy.max_failed_attempts - 1
        if code == SILENT:
            return runs * self._step + self.policy.timeout_seconds
        return runs * self.policy.confirm_interval_seconds

    @property
    def _step(self) -> float:
        """Between two attempts that nobody answers, start to start, while confirming."""
        return max(self.policy.confirm_interval_seconds, self.policy.timeout_seconds)


@dataclass(frozen=True, slots=True)
class Outage:
    """A target fails from ``starts`` to ``ends``, in seconds of the plan."""

    target: int
    starts: float
    ends: float
    code: int
    """REJECTED or SILENT."""

    @property
    def seconds(self) -> float:
        return self.ends - self.starts


class FailingPlan:
    """See the module's opening."""

    def __init__(self, seed: int, share: float, bounds: Bounds) -> None:
        """``share`` of the targets fail at any moment, on average."""
        self._seed = seed
        self._shortest = SHORTEST_OUTAGE * bounds.found
        self._longest = LONGEST_OUTAGE * bounds.found
        self._cycle = 2 * self._longest + bounds.recovered
        self._probability = share * self._cycle * 2 / (self._shortest + self._longest)
        if not 0 < self._probability <= 1:
            raise ValueError(f"no plan has a share of {share:g} of its targets fail at once")

    def code(self, target: int, moment: float) -> int:
        """How the target behaves at a moment of the plan: ANSWERED, REJECTED or SILENT."""
        cycle = int((moment + self._offset(target)) // self._cycle)
        outage = self._outage(target, cycle)
        if outage is None or not outage.starts <= moment < outage.ends:
            return ANSWERED
        return outage.code

    def outages(self, target: int, until: float) -> Iterator[Outage]:
        """The target's outages that begin before ``until``, in order."""
        offset = self._offset(target)
        for cycle in range(int(offset // self._cycle), int((until + offset) // self._cycle) + 1):
            outage = self._outage(target, cycle)
            if outage is not None and outage.starts < until:
                yield outage

    def _outage(self, target: int, cycle: int) -> Outage | None:
        """The outage in one cycle of a target; nothing fails before the plan begins."""
        luck, beginning, length, kind = self._luck(target, cycle)
        if luck >= self._probability:
            return None
        starts = cycle * self._cycle - self._offset(target) + beginning * self._longest
        if starts < 0:
            return None
        seconds = self._shortest + length * (self._longest - self._shortest)
        return Outage(target, starts, starts + seconds, SILENT if kind < 0.5 else REJECTED)

    def _offset(self, target: int) -> float:
        return self._luck(target, -1)[0] * self._cycle

    def _luck(self, target: int, cycle: int) -> tuple[float, float, float, float]:
        """Four numbers in [0, 1), the same each time."""
        key = struct.pack(">QQq", self._seed, target, cycle)
        words = struct.unpack(">4I", hashlib.blake2b(key, digest_size=16).digest())
        first, second, third, fourth = (word / 2**32 for word in words)
        return first, second, third, fourth


class Request(NamedTuple):
    """One request as the far side saw it."""

    at: float
    """Wall-clock seconds."""
    cseq: int
    """The number of the attempt; retransmissions have the same."""
    code: int
    """How it was answered."""


class FarLog:
    """What the far side did: every request that it failed, and those of the time thereafter."""

    def __init__(self, plan: FailingPlan, bounds: Bounds) -> None:
        self._plan = plan
        self._kept_seconds = bounds.found + bounds.recovered
        self._last_failed: dict[int, float] = {}
        self.began: float | None = None
        """The wall-clock moment of the plan's beginning; nothing fails before."""
        self.requests: defaultdict[int, list[Request]] = defaultdict(list)
        """By target, in order."""
        self.failed = 0

    def begin(self) -> float:
        """Follow the plan from now on."""
        self.began = time.time()
        return self.began

    def behaviour(self, target: int, request: bytes) -> int:
        """What ``farside.FarSide`` shall do with a request."""
        if self.began is None:
            return ANSWERED
        now = time.time()
        code = self._plan.code(target, now - self.began)
        if code != ANSWERED:
            self.failed += 1
            self._last_failed[target] = now
        elif target not in self._last_failed:
            return code
        elif now - self._last_failed[target] > self._kept_seconds:
            del self._last_failed[target]
            return code
        found = _CSEQ.search(request)
        if found is not None:
            self.requests[target].append(Request(now, int(found[1]), code))
        return code

    @property
    def failing(self) -> int:
        """Targets that failed lately or are about to be seen as recovered."""
        return len(self._last_failed)
