"""In which order the targets of one trunk take its calls (RFC 3263 4.2, RFC 2782).

Targets known to work come first, undecided ones after them; one that is DOWN is left out unless all
are. Among equals the lower priority of the SRV record comes first, and within a priority each comes
first in proportion to its weight.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Final, NamedTuple

from trunkpulse.model import TargetState

__all__ = ["Standing", "in_order"]

_RANKS: Final = {TargetState.AVAILABLE: 0, TargetState.UNKNOWN: 1, TargetState.DOWN: 2}


class Standing(NamedTuple):
    """What decides about one target."""

    state: TargetState
    priority: int
    """Lower is tried first."""
    weight: int
    """0 comes after the others of its priority."""


def in_order(standings: Sequence[Standing], rng: random.Random) -> list[int]:
    """The positions of the targets to try, in order.

    The same standings and state of ``rng`` give the same order.
    """
    places = [
        (_RANKS[each.state], each.priority, each.weight == 0, rng.expovariate(each.weight or 1.0))
        for each in standings
    ]
    alive = [at for at, each in enumerate(standings) if each.state is not TargetState.DOWN]
    return sorted(alive or range(len(standings)), key=places.__getitem__)
