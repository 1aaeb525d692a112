"""What each entry of a switch should be, by how the trunks stand. Pure.

By address: a target that is AVAILABLE is up, one that is DOWN is down, UNKNOWN is left as it is. A
trunk that is out of service has all its targets down. An address that several trunks share is up if
any of them says so.

By name: AVAILABLE and DEGRADED are up, DOWN is down, UNKNOWN is left as it is.
"""

from __future__ import annotations

from collections.abc import Iterable

from trunkpulse.model import TargetState, TrunkState
from trunkpulse.switching.matching import Address, addresses_of
from trunkpulse.switching.standing import TrunkStanding

__all__ = ["wanted_at", "wanted_of"]

_OF_TARGET = {TargetState.AVAILABLE: True, TargetState.DOWN: False, TargetState.UNKNOWN: None}
_OF_TRUNK = {
    TrunkState.AVAILABLE: True,
    TrunkState.DEGRADED: True,
    TrunkState.DOWN: False,
    TrunkState.UNKNOWN: None,
}


def wanted_at(address: Address, standings: Iterable[TrunkStanding]) -> bool | None:
    """Whether calls shall go there; None: it is not known, leave it as it is."""
    said = {
        _OF_TARGET[target.state] if standing.in_service else False
        for standing in standings
        for target in standing.targets
        if address in addresses_of(target)
    }
    return True if True in said else False if False in said else None


def wanted_of(standing: TrunkStanding) -> bool | None:
    """Whether calls shall go to this trunk; None as above."""
    return _OF_TRUNK[standing.state] if standing.in_service else False
