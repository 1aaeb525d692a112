"""What each entry of a switch should be, by how the trunks stand. Pure.

Each trunk that leads to an entry has a ``Verdict``, and the strongest one counts. By address: a
target that is AVAILABLE is up, one that is DOWN is down, UNKNOWN is left as it is. By name:
AVAILABLE and DEGRADED are up, DOWN is down, UNKNOWN is left as it is.

What an earlier life of the process believed says nothing until an attempt of this one bears it out:
an hour may have passed, and what the switch holds is at least as likely to be right.

A trunk that an administrator disabled is down, unless another one that is in service leads to the
same place: to disable says nothing of an address. A trunk that the licence does not cover is left
as it is: a proxy that runs must not lose its calls for paperwork.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum

from trunkpulse.model import TargetState, TrunkState
from trunkpulse.switching.matching import Address, addresses_of
from trunkpulse.switching.standing import TrunkStanding

__all__ = ["Verdict", "verdict_at", "verdict_of"]


class Verdict(IntEnum):
    """What is known of an entry; of several the largest counts."""

    NOBODY = 0
    """No trunk leads there."""
    DISABLED = 1
    """Only trunks that are out of service do."""
    UNWATCHED = 2
    """A trunk in service does, and its keepalives are off."""
    UNSURE = 3
    """It is not known yet, or must not be said."""
    DOWN = 4
    UNPROVEN = 5
    """So it was when it was last recorded, by a process that has ended; it counts for more than
    DOWN, because it may be UP in a moment."""
    UP = 6

    @property
    def wanted(self) -> bool | None:
        """Whether calls shall go there; None: leave it as it is."""
        return _WANTED.get(self)

    @property
    def is_free(self) -> bool:
        """True if nobody decides, now or later: what we took out is given back."""
        return self in {Verdict.NOBODY, Verdict.UNWATCHED}


_WANTED = {Verdict.UP: True, Verdict.DOWN: False, Verdict.DISABLED: False}
_OF_STATE = {
    TargetState.AVAILABLE: Verdict.UP,
    TargetState.DOWN: Verdict.DOWN,
    TrunkState.AVAILABLE: Verdict.UP,
    TrunkState.DEGRADED: Verdict.UP,
    TrunkState.DOWN: Verdict.DOWN,
}


def verdict_at(address: Address, standings: Iterable[TrunkStanding]) -> Verdict:
    """What these trunks say of an address."""
    return max(
        (
            _verdict(standing, target.state, proven=target.proven)
            for standing in standings
            for target in standing.targets
            if address in addresses_of(target)
        ),
        default=Verdict.NOBODY,
    )


def verdict_of(standing: TrunkStanding) -> Verdict:
    """What is said of the trunk itself."""
    return _verdict(standing, standing.state, proven=standing.proven)


def _verdict(standing: TrunkStanding, state: TargetState | TrunkState, *, proven: bool) -> Verdict:
    if not standing.in_service:
        return Verdict.DISABLED
    if not standing.licensed:
        return Verdict.UNSURE
    if not standing.watched and not proven:
        return Verdict.UNWATCHED  # nobody will ever find out
    if state in _OF_STATE and not proven:
        return Verdict.UNPROVEN
    return _OF_STATE.get(state, Verdict.UNSURE if standing.watched else Verdict.UNWATCHED)
