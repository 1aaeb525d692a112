"""What comes of attempts: who judges them, and how many there were of each kind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from trunkpulse.model import FailureKind
from trunkpulse.probing.target import ProbeTarget

__all__ = ["AttemptSink", "ProbeCounts"]


class AttemptSink(Protocol):
    """Who judges attempts. Both answer with the seconds from this attempt's start to the next."""

    def answered(self, target: ProbeTarget, code: int, rtt_seconds: float, data: bytes) -> float:
        """A final answer with status ``code`` arrived in time; ``data`` is the whole of it."""

    def failed(self, target: ProbeTarget, kind: FailureKind, detail: str) -> float:
        """The attempt ended without a final answer."""


@dataclass(slots=True)
class ProbeCounts:
    """What the prober did since it started."""

    attempts: int = 0
    retransmissions: int = 0
    answers: int = 0
    timeouts: int = 0
    voided: int = 0
    """Attempts without a verdict, because we could not have heard an answer."""
    network_errors: int = 0
    late_answers: int = 0
    """Answers to an attempt that had already ended, repeated ones included."""
    provisional_answers: int = 0
    challenges: int = 0
    """Challenges that were answered with credentials."""
    strangers: int = 0
    """Datagrams that answer nothing of ours."""
