"""What the times of many attempts come to: round trips and jitter."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from trunkpulse.cli.probe_facts import ProbedAttempt
from trunkpulse.sip.transaction import T1_SECONDS, T2_SECONDS

__all__ = ["RoundTrips", "p95", "sent_at_seconds"]


@dataclass(frozen=True, slots=True)
class RoundTrips:
    """Round-trip times of the answered attempts, in seconds.

    An answer does not say which transmission it answers. So only attempts that were sent once are
    measured, as long as there are any (Karn and Partridge, 1987); what the loss of a packet cost
    is no property of the path.
    """

    least: float
    average: float
    p95: float
    """95 % took no longer (nearest rank)."""
    most: float
    jitter: float | None
    """Mean absolute difference between consecutive times; None of fewer than two.

    RFC 3550 6.4.1 takes the same differences and smooths them over an endless stream; a test of a
    few attempts has nothing to forget, so all count alike.
    """
    measured: int
    """How many attempts these times are made of."""
    from_first_send: bool
    """True if every answered attempt was sent again: the times then hold that waiting too."""

    @classmethod
    def of(cls, attempts: Sequence[ProbedAttempt]) -> RoundTrips | None:
        """None if nothing was answered."""
        answered = [each for each in attempts if each.rtt_seconds is not None]
        sent_once = [each for each in answered if not each.retransmissions]
        times = [each.rtt_seconds or 0.0 for each in sent_once or answered]
        if not times:
            return None
        ascending = sorted(times)
        steps = [abs(after - before) for before, after in pairwise(times)]
        return cls(
            ascending[0],
            sum(times) / len(times),
            p95(ascending),
            ascending[-1],
            sum(steps) / len(steps) if steps else None,
            len(times),
            not sent_once,
        )


def p95(ascending: Sequence[float]) -> float:
    """What 95 % of these, at least one, do not exceed (nearest rank)."""
    return ascending[math.ceil(0.95 * len(ascending)) - 1]


def sent_at_seconds(retransmissions: int) -> float:
    """When the last of so many retransmissions leaves (Timer E, RFC 3261 section 17.1.2.2)."""
    return sum(min(T1_SECONDS * 2.0**number, T2_SECONDS) for number in range(retransmissions))
