"""Starts the probes of targets that rest: at once, or when a far side wants to be asked again."""

from __future__ import annotations

import random
from collections.abc import Collection, Sequence

from trunkpulse.health.hysteresis import pace_seconds
from trunkpulse.ports import Clock
from trunkpulse.probing.prober import Prober
from trunkpulse.probing.target import ProbeTarget

__all__ = ["start_probes"]


def start_probes(
    targets: Sequence[ProbeTarget],
    prober: Prober,
    *,
    clock: Clock,
    rng: random.Random,
    but_not: Collection[ProbeTarget] = (),
    wake: bool = True,
) -> None:
    """Have the targets probed, but not those in ``but_not``; sooner, if planned for too late.

    ``wake``: False if somebody else is about to spread those that rest.
    """
    now = clock.monotonic()
    for target in targets:
        if target in but_not or prober.is_under_way(target):
            continue
        planned = prober.next_attempt(target)
        quiet = _quiet_seconds(target, clock)
        if quiet > 0.0:  # the far side asked for it
            if planned is None:
                prober.probe_at(target, now + quiet)
            continue
        if planned is None:
            if wake:
                prober.probe_at(target, now)
            continue
        seconds = pace_seconds(target.run, target.settings.policy, rng.random())
        if planned > now + seconds:
            # Sooner than planned; anywhere in time, or as many as changed come as one burst.
            prober.probe_at(target, now + seconds * rng.random())


def _quiet_seconds(target: ProbeTarget, clock: Clock) -> float:
    """For how long the far side still wants to be left alone; never more than it asked for.

    It was noted by the wall clock, which may have been set back since.
    """
    last = target.attempts[-1] if target.attempts else None
    if last is None or last.quiet_until is None:
        return 0.0
    return min(last.quiet_until - clock.wall(), last.quiet_until - last.at)
