"""Which trunks take the calls to which numbers."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from trunkpulse.model.hours import Hours
from trunkpulse.model.numbers import NumberRule
from trunkpulse.model.trunk import Direction

__all__ = ["Route", "RouteTrunk", "WhenNoneAvailable"]


class WhenNoneAvailable(StrEnum):
    """What a route answers when every one of its trunks is DOWN."""

    FAIL = "fail"
    TRY_ALL = "try_all"


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteTrunk:
    """A trunk's place in a route."""

    id: str
    priority: int = 1
    """Lower is tried first."""
    weight: int = 100
    """Share of the calls within one priority."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Which trunks take the calls to which numbers."""

    id: str
    direction: Direction = Direction.OUTBOUND
    numbers: tuple[NumberRule, ...] = ()
    """Empty: every number but the short ones."""
    regions: tuple[str, ...] = ()
    """Empty: every region."""
    times: tuple[Hours, ...] = ()
    """When it takes calls; empty: always."""
    timezone: str | None = None
    """Whose clocks ``times`` go by: a name of the IANA database; None: those of ``[routing]``."""
    trunks: tuple[RouteTrunk, ...] = ()
    when_none_available: WhenNoneAvailable = WhenNoneAvailable.FAIL
    failback_ramp_seconds: float = 0.0
    """Over how long a trunk that was DOWN takes its share back, from 0 to 3600; 0: at once."""
    managed_by: str | None = None
