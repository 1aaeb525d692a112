"""What is asked of every prober, and what each gives back.

The far sides are addresses of 127.0.0.0/8 on one port, so that each target has an address of its
own. macOS has 127.0.0.1 alone; there targets differ in the user part of their URI.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

__all__ = ["FULL", "QUICK", "Load", "Measurement", "target_uri"]


@dataclass(frozen=True, slots=True)
class Load:
    """So many targets, each probed once per interval."""

    targets: int
    interval_seconds: float
    seconds: float
    """How long to measure, after a warm-up."""

    @property
    def rate(self) -> float:
        """Probes a second."""
        return self.targets / self.interval_seconds

    def __str__(self) -> str:
        return f"{self.targets:,} every {self.interval_seconds:g} s"


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """What one prober did while it was measured."""

    sent: int
    """Probes, without retransmissions."""
    answered: int
    cpu_seconds: float
    """Of all its processes, user and system."""
    retransmissions: int = 0
    false_changes: int = 0
    """State changes while it was measured: nothing failed, so none is right."""
    lateness_p50_seconds: float | None = None
    """Between the moment a probe was due and the moment it left; None if the prober cannot say."""
    lateness_p99_seconds: float | None = None
    empty_bytes: int | None = None
    """Resident memory of the process before it had a target."""
    loaded_bytes: int | None = None
    """The same with all its targets, probed for a while."""

    @property
    def lost(self) -> int:
        return self.sent - self.answered

    @property
    def cpu_microseconds_per_probe(self) -> float:
        return self.cpu_seconds / max(self.sent, 1) * 1e6

    def and_again(self, other: Measurement) -> Measurement:
        """Both together, of the C floor, which is measured before and after what it stands beside.

        A machine may be faster in one minute than in the next.
        """
        return Measurement(
            sent=self.sent + other.sent,
            answered=self.answered + other.answered,
            cpu_seconds=self.cpu_seconds + other.cpu_seconds,
        )


QUICK = (Load(1_000, 1.0, 5.0), Load(10_000, 1.0, 8.0), Load(100_000, 10.0, 10.0))
FULL = (
    Load(1_000, 1.0, 20.0),
    Load(10_000, 1.0, 20.0),
    Load(10_000, 5.0, 20.0),
    Load(100_000, 10.0, 30.0),
    Load(1_000_000, 30.0, 60.0),
)


def target_uri(index: int, port: int) -> str:
    """The SIP URI of the target with this number, the same for every prober."""
    if sys.platform == "darwin":
        return f"sip:{index}@127.0.0.1:{port}"
    return f"sip:127.{1 + index // 62_500}.{index // 250 % 250}.{1 + index % 250}:{port}"
