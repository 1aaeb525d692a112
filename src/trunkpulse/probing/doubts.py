"""Whether a failed attempt counts, as the pipeline asks it."""

from __future__ import annotations

from enum import Enum
from typing import Final, Protocol

from trunkpulse.model import FailureKind, IsolationEvidence
from trunkpulse.probing.target import ProbeTarget

__all__ = ["NOT_COUNTED", "Doubts", "Ruling", "Trusting"]

NOT_COUNTED: Final = "not counted: the prober was isolated"


class Ruling(Enum):
    """What becomes of a failed attempt."""

    COUNTS = "counts"
    HELD = "held"
    """It does not count: we are, or were while it was made, isolated."""
    WAITS = "waits"
    """It would condemn; whether it counts is known when the check has ended."""


class Doubts(Protocol):
    """Who says whether a failure counts."""

    isolations: int
    """How often the prober suspected itself since the start."""
    evidence: IsolationEvidence | None
    """Of the isolation that lasts; None while connected."""

    def holds(self, target: ProbeTarget) -> bool:
        """True if a failure of the attempt that the target has just ended does not count."""

    def failed(self, target: ProbeTarget, kind: FailureKind) -> Ruling:
        """An attempt ended without an answer; says what becomes of it."""


class Trusting:
    """The ``Doubts`` of a prober that always believes itself."""

    def __init__(self) -> None:
        self.isolations = 0
        self.evidence: IsolationEvidence | None = None

    def holds(self, target: ProbeTarget) -> bool:
        """Nothing is ever held."""
        del target
        return False

    def failed(self, target: ProbeTarget, kind: FailureKind) -> Ruling:
        """Every failure counts."""
        del target, kind
        return Ruling.COUNTS
