"""The series of each target's numbers for Prometheus, written directly as text.

They are part of what ``[metrics] per_trunk`` switches; what all targets come to together is in the
histogram of round trips, which is always there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from trunkpulse.probing.numbers import Numbers
from trunkpulse.probing.target import ProbeTarget
from trunkpulse.recorder import TrunkRecord

__all__ = ["NumberSeries"]

_HEADS: Final = {
    "answers_total": ("counter", "Attempts with a final answer, healthy or not."),
    "losses_total": ("counter", "Attempts without a final answer."),
    "rtt_smoothed_seconds": ("gauge", "Smoothed round-trip time of all answers (RFC 6298)."),
    "jitter_seconds": ("gauge", "Smoothed difference of round trips in a row (RFC 3550)."),
}


class NumberSeries:
    """Four families, put together some trunks at a time."""

    def __init__(self, numbers: Numbers, labels: Callable[[TrunkRecord, ProbeTarget], str]) -> None:
        """``labels`` writes what tells a target from all others, in braces."""
        self._numbers = numbers
        self._labels = labels
        self._families = {
            name: [
                f"# HELP trunkpulse_target_{name} {meaning}\n",
                f"# TYPE trunkpulse_target_{name} {kind}\n",
            ]
            for name, (kind, meaning) in _HEADS.items()
        }

    def add(self, records: Sequence[TrunkRecord]) -> None:
        """Write the lines of these trunks."""
        answers, losses, smoothed, jitters = self._families.values()
        for record in records:
            for target in record.targets:
                numbers = self._numbers.of(target.index)
                labels = self._labels(record, target)
                answers.append(f"trunkpulse_target_answers_total{labels} {numbers.answers}\n")
                losses.append(f"trunkpulse_target_losses_total{labels} {numbers.losses}\n")
                rtt, jitter = numbers.smoothed_rtt_seconds, numbers.jitter_seconds
                if rtt is not None:
                    smoothed.append(f"trunkpulse_target_rtt_smoothed_seconds{labels} {rtt:.6f}\n")
                if jitter is not None:
                    jitters.append(f"trunkpulse_target_jitter_seconds{labels} {jitter:.6f}\n")

    def text(self) -> bytes:
        """All that was written, family by family."""
        return "".join(line for lines in self._families.values() for line in lines).encode()
