"""What is asked of a route table, and what it answers: values alone."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from trunkpulse.model import Direction, NumberRule, Reason, TrunkState

__all__ = ["CallRequest", "Candidate", "Decision", "NoCandidates", "SkipReason", "Skipped"]


class SkipReason(StrEnum):
    """Why a trunk of the route is skipped when it is not for the reason of its state."""

    UNKNOWN_TRUNK = "UNKNOWN_TRUNK"
    """The route names a trunk that does not exist."""
    DIRECTION_MISMATCH = "DIRECTION_MISMATCH"
    """The trunk does not take calls of this direction."""
    DOWN = "DOWN"
    """Down, without a recorded reason."""


class NoCandidates(StrEnum):
    """Why there is nobody to send the call to."""

    NO_ROUTE = "NO_ROUTE"
    """No route has this number."""
    DIRECTION_MISMATCH = "DIRECTION_MISMATCH"
    """Routes have this number, but none takes calls of this direction."""
    REGION_MISMATCH = "REGION_MISMATCH"
    """Routes have this number and direction, but none serves this region."""
    OUT_OF_HOURS = "OUT_OF_HOURS"
    """Routes take such calls, but at other times."""
    NONE_AVAILABLE = "NONE_AVAILABLE"
    """The route has no trunk left that may be tried."""


@dataclass(frozen=True, slots=True)
class CallRequest:
    """A call that looks for a trunk."""

    to: str
    """The dialled number in E.164, or a short one, as ``numbers.dialled_number`` gives it."""
    from_: str | None = None
    """The caller, for the record; it decides nothing."""
    direction: Direction = Direction.OUTBOUND
    region: str | None = None
    """Where the call is; None: the table's default region."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A trunk to try."""

    trunk_id: str
    priority: int
    weight: int
    state: TrunkState
    since_ms: int | None = None
    """When its state last changed."""
    share: float = 1.0
    """Of the calls that are its own by weight; less than 1 while it takes them back by and by."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """A trunk of the route that is not tried, and why."""

    trunk_id: str
    reason: Reason | SkipReason
    state: TrunkState
    since_ms: int | None
    """When its state last changed."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do with a call: ``candidates`` in the order to try."""

    route_id: str | None
    """None: no route takes the call."""
    rule: NumberRule | None
    """What of the route's numbers matched; None without a route or if it has no numbers."""
    candidates: tuple[Candidate, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    last_resort: bool = False
    """True if no candidate is known to work: all are UNKNOWN, or DOWN and tried regardless."""
    reason: NoCandidates | None = None
    """Why there are no candidates; None if there are some."""
    out_of_hours: str | None = None
    """The route that describes the number more closely, but takes calls at other times."""
