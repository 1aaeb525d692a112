"""When a target counts as AVAILABLE or DOWN.

One lost packet is not an outage and one answer is not a recovery. A target therefore leaves its
state only after a run of attempts that all say the same, and a single attempt to the contrary
starts the run anew:

======================  =================  ===========================================
from                    attempt            to
======================  =================  ===========================================
UNKNOWN                 success            AVAILABLE after ``min_successful_attempts``
UNKNOWN                 failure            DOWN after ``max_failed_attempts``
AVAILABLE               success            stays
AVAILABLE               failure            DOWN after ``max_failed_attempts``
DOWN                    success            AVAILABLE after ``min_successful_attempts``
DOWN                    failure            stays
======================  =================  ===========================================

A far side that answers with a failure and asks to be left alone for longer than such a run would
take (Retry-After, RFC 3261 20.33, 21.5.4) has said itself what the run was to find out: no attempt
may follow in time, so one is enough and the target is DOWN. A shorter wait is one failure like any.

While a run is under way, attempts follow at ``confirm_interval_seconds``, so that the verdict
comes soon. The table below is this one; everything else here only reads it.
"""

from __future__ import annotations

import functools
from typing import Final, NamedTuple

from trunkpulse.model import KeepalivePolicy, TargetState

__all__ = ["RULES", "Pace", "Run", "advance", "pace", "pace_seconds", "resting"]

RULES: dict[tuple[TargetState, bool], TargetState] = {
    (TargetState.UNKNOWN, True): TargetState.AVAILABLE,
    (TargetState.UNKNOWN, False): TargetState.DOWN,
    (TargetState.AVAILABLE, True): TargetState.AVAILABLE,
    (TargetState.AVAILABLE, False): TargetState.DOWN,
    (TargetState.DOWN, True): TargetState.AVAILABLE,
    (TargetState.DOWN, False): TargetState.DOWN,
}
"""(state, attempt succeeded) -> the state that a long enough run of such attempts leads to."""


class Run(NamedTuple):
    """A target's state and the run of like attempts that it has behind it."""

    state: TargetState
    failures: int = 0
    """Consecutive failures, up to now."""
    successes: int = 0
    """Consecutive successes, up to now; not counted on once the target is AVAILABLE."""


class Pace(NamedTuple):
    """When the next attempt is due, counted from the start of the last one."""

    seconds: float
    jitters: bool
    """False while a change is being confirmed: the verdict must not wait for luck."""


def advance(run: Run, *, success: bool, policy: KeepalivePolicy, quiet_seconds: float = 0.0) -> Run:
    """The run after one more attempt; the far side asked for ``quiet_seconds`` without another."""
    state, failures, successes = run
    if success:
        failures, successes, needed = 0, successes + 1, policy.min_successful_attempts
        counted = successes
    else:
        failures, successes, needed = failures + 1, 0, policy.max_failed_attempts
        counted = failures
    towards = RULES[state, success]
    if towards is state:
        return _shared(Run(state, failures, 0))
    if counted < needed and quiet_seconds <= (needed - counted) * policy.confirm_interval_seconds:
        return _shared(Run(state, failures, successes))
    return _shared(Run(towards, failures, 0))


@functools.lru_cache(maxsize=1024)
def _shared(run: Run) -> Run:
    """The same run as one object: most of a million targets have had the same few."""
    return run


_RESTING: Final = {state: _shared(Run(state)) for state in TargetState}


def resting(state: TargetState) -> Run:
    """The run of a target of which no more than its state is known."""
    return _RESTING[state]


def pace(run: Run, policy: KeepalivePolicy) -> Pace:
    """How long until the next attempt: slowly when settled, fast when in doubt."""
    state, failures, successes = run
    if state is TargetState.AVAILABLE and not failures:
        return Pace(policy.interval_seconds, jitters=True)
    if state is TargetState.DOWN and not successes:
        return Pace(policy.down_interval_seconds, jitters=True)
    return Pace(policy.confirm_interval_seconds, jitters=False)


def pace_seconds(run: Run, policy: KeepalivePolicy, luck: float) -> float:
    """The pace with its jitter; ``luck`` is uniform in [0, 1)."""
    seconds, jitters = pace(run, policy)
    return seconds * (1.0 + policy.jitter * (2.0 * luck - 1.0)) if jitters else seconds
