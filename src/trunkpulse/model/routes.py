"""Which trunks take the calls to which numbers."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from trunkpulse.model.trunk import Direction

__all__ = ["NumberRange", "Route", "RouteTrunk", "WhenNoneAvailable"]


class WhenNoneAvailable(StrEnum):
    """What a route answers when every one of its trunks is DOWN."""

    FAIL = "fail"
    TRY_ALL = "try_all"


@dataclass(frozen=True, slots=True)
class NumberRange:
    """E.164 numbers that a route serves: a prefix, or every number from ``first`` to ``last``."""

    first: str
    """Digits with a leading plus."""
    last: str | None = None
    """None: ``first`` is a prefix. Otherwise the same length as ``first``, inclusive."""

    def __str__(self) -> str:
        """As the file writes it."""
        return self.first if self.last is None else f"{self.first}-{self.last}"


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
    numbers: tuple[NumberRange, ...] = ()
    """Empty: every number."""
    regions: tuple[str, ...] = ()
    """Empty: every region."""
    trunks: tuple[RouteTrunk, ...] = ()
    when_none_available: WhenNoneAvailable = WhenNoneAvailable.FAIL
    managed_by: str | None = None
