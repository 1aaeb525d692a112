"""Whether a failed attempt counts, as the pipeline asks it."""

from __future__ import annotations

from enum import Enum
from typing import Final, Protocol

from trunkpulse.model import FailureKind, IsolationEvidence
from trunkpulse.probing.target import ProbeTarget

__all__ = ["Doubts", "Ruling", "Trusting", "is_marked", "marked", "take_back"]

_NOT_COUNTED: Final = " (not counted: the prober was isolated)"


def marked(detail: str | None) -> str:
    """``detail`` of a failed attempt, with the words that it does not count."""
    return (detail or "").removesuffix(_NOT_COUNTED) + _NOT_COUNTED


def is_marked(detail: str | None) -> bool:
    """True if ``detail`` says that the attempt does not count."""
    return (detail or "").endswith(_NOT_COUNTED)


def take_back(target: ProbeTarget) -> None:
    """Mark the failures that ``target`` ended with, in what is remembered of it, as not counted."""
    attempts, success = target.attempts, target.last_success or 0.0
    first = len(attempts)
    while first and attempts[first - 1].failure is not None and attempts[first - 1].at > success:
        if (attempts[first - 1].detail or "").endswith(_NOT_COUNTED):
            break
        first -= 1
    if first < len(attempts):
        taken = [each._replace(detail=marked(each.detail)) for each in attempts[first:]]
        target.attempts = (*attempts[:first], *taken)


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
