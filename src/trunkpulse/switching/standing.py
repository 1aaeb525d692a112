"""How the trunks stand, as whoever tells switches has to know it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, Protocol

from trunkpulse.model import TargetState, TransportProtocol, TrunkState

__all__ = ["Place", "TargetStanding", "TrunkStanding", "Trunks"]


class Place(NamedTuple):
    """Where a target is, once that is known."""

    protocol: TransportProtocol
    host: str
    """A literal address, without brackets."""
    port: int


class TargetStanding(NamedTuple):
    """One target of a trunk."""

    uri: str
    """In the canonical form that ``str(SipUri)`` gives."""
    place: Place | None
    state: TargetState
    proven: bool = True
    """False: the state is one of an earlier life of the process, and no attempt of this one has
    borne it out yet."""


class TrunkStanding(NamedTuple):
    """One trunk."""

    state: TrunkState
    in_service: bool
    """False: an administrator took it out."""
    targets: tuple[TargetStanding, ...]
    watched: bool = True
    """False: its keepalives are off, so nobody will find out how it is."""
    licensed: bool = True
    """False: the licence does not cover it, so nothing is said of it."""
    proven: bool = True
    """False: what attempts of this life of the process show does not make this state yet."""


class Trunks(Protocol):
    """All of them, as they are now."""

    def ids(self) -> Iterable[str]:
        """Of every trunk that is configured."""

    def standing(self, trunk_id: str) -> TrunkStanding | None:
        """None: there is no such trunk."""
