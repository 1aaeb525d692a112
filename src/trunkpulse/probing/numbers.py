"""What is counted and measured of each target: columns of numbers instead of objects.

A million targets are probed 33,000 times a second, and a row in a database for each probe would be
useless and too slow. So each target has a slot, the prober's, in a few arrays of plain C numbers;
an answer costs a handful of additions there, and nothing is allocated that stays. That is 46 bytes
a target (``BYTES_PER_TARGET``). What leaves the process are sums of minutes (``rollup``).

*Smoothed round trip*: SRTT <- 7/8 SRTT + 1/8 R, and R itself at first (RFC 6298 section 2).

*Jitter*: J <- J + (|D| - J) / 16, where D is the difference between two round trips in a row
(RFC 3550 section 6.4.1, which takes it of one-way times). It is what people who run SIP call
jitter, and what ``trunkpulse probe`` takes too; it begins with the first |D| instead of creeping
up from nothing, because attempts are half a minute apart and not 20 ms.

*Loss share*: of the first 16 attempts simply the lost ones' share, from then on smoothed by 1/16.
A loss is an attempt without a final answer. An answer is an answer, whatever its code.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Callable
from typing import Final, NamedTuple

from trunkpulse.probing.histogram import RTT_BOUNDS_SECONDS, Histogram

__all__ = ["BYTES_PER_TARGET", "UNHEARD", "Numbers", "TargetNumbers"]

BYTES_PER_TARGET: Final = 46
"""Five numbers and two counts of 4 bytes each, a sum and a moment of 8, a status code of 2."""
LOSS_MEMORY: Final = 16
"""Attempts that the loss share looks back at, more or less."""
_NEXT_TO_NOTHING: Final = 0.0005
"""A loss share that has faded to less than this is none."""


class TargetNumbers(NamedTuple):
    """One target's numbers at this moment; durations are seconds."""

    answers: int = 0
    """Attempts with a final answer since the target came."""
    losses: int = 0
    """Attempts without one."""
    rtt_sum_seconds: float = 0.0
    """Of all answers together."""
    rtt_seconds: float | None = None
    """Of the last answer, healthy or not; None before the first."""
    smoothed_rtt_seconds: float | None = None
    jitter_seconds: float | None = None
    """None before the second answer."""
    loss_share: float | None = None
    """0 to 1, of the last attempts; None before the first."""


UNHEARD: Final = TargetNumbers()
"""Of a target that nothing is known of."""


class Numbers:
    """The columns, by the prober's slot (``ProbeTarget.index``), and one histogram for all."""

    answered: Callable[[int, float], None]
    """Note an answer at the target in this slot after so many seconds."""

    def __init__(self) -> None:
        self.rtt = Histogram(RTT_BOUNDS_SECONDS)
        """Round trips of all answers of all targets, since the start."""
        self._last = array("f")
        self._smoothed = array("f")
        self._jitter = array("f")
        self._loss = array("f")
        self._worst = array("f")
        self._sum = array("d")  # a float of 4 bytes soon takes no more additions
        self._answers = array("I")
        self._losses = array("I")
        self._plain_since = array("d")
        self.codes = array("H")
        """Status code of each one's last answer, kept by the prober; 0 before the first."""
        self.answered = self._noting()

    def __len__(self) -> int:
        """How many slots there are."""
        return len(self._answers)

    def grow(self, to: int) -> None:
        """Have slots up to ``to``, exclusive; new ones are empty. Never shrinks."""
        wanted = to - len(self)
        if wanted > 0:
            for measured in self._measured:
                measured.frombytes(bytes(wanted * measured.itemsize))
            for counted in self._counted:
                counted.frombytes(bytes(wanted * counted.itemsize))

    def reset(self, index: int) -> None:
        """Another target has this slot now; grows if it must."""
        if index >= len(self):
            self.grow(index + 1)
        for measured in self._measured:
            measured[index] = 0.0
        for counted in self._counted:
            counted[index] = 0

    def lost(self, index: int) -> None:
        """Note an attempt that ended without a final answer."""
        losses = self._losses[index] = self._losses[index] + 1
        share = self._loss[index]
        attempts = self._answers[index] + losses
        self._loss[index] = share + (1.0 - share) / min(attempts, LOSS_MEMORY)

    def of(self, index: int) -> TargetNumbers:
        """The numbers of a slot; of a negative one, which is none, ``UNHEARD``."""
        if not 0 <= index < len(self):
            return UNHEARD
        answers, losses = self._answers[index], self._losses[index]
        return TargetNumbers(
            answers,
            losses,
            self._sum[index],
            self._last[index] if answers else None,
            self._smoothed[index] if answers else None,
            self._jitter[index] if answers > 1 else None,
            self._loss[index] if answers or losses else None,
        )

    def sails_plainly(self, index: int, since: float | None) -> None:
        """Note since when (wall-clock seconds) all attempts have gone well; None: they have not."""
        if 0 <= index < len(self):
            self._plain_since[index] = since or 0.0

    def plain_since(self, index: int) -> float | None:
        """Since when all attempts have gone well, if that was noted."""
        return self._plain_since[index] or None if 0 <= index < len(self) else None

    def code(self, index: int) -> int | None:
        """Status code of the last answer; None before the first, and of a slot that is none."""
        return self.codes[index] or None if 0 <= index < len(self) else None

    def rtt_seconds(self, index: int) -> float | None:
        """Round trip of the last answer; None before the first, and of a slot that is none."""
        if not 0 <= index < len(self) or not self._answers[index]:
            return None
        return round(self._last[index], 7)  # as many digits as there are

    def take_worst(self, index: int) -> float:
        """The longest round trip since the last time that this was asked; 0 without an answer."""
        if not 0 <= index < len(self):
            return 0.0
        worst, self._worst[index] = self._worst[index], 0.0
        return worst

    @property
    def _measured(self) -> tuple[array[float], ...]:
        return (
            self._last,
            self._smoothed,
            self._jitter,
            self._loss,
            self._worst,
            self._sum,
            self._plain_since,
        )

    @property
    def _counted(self) -> tuple[array[int], ...]:
        return self._answers, self._losses, self.codes

    def _noting(self) -> Callable[[int, float], None]:
        """The function that notes an answer.

        The hottest of the product. As a closure it finds the columns, which grow in place, without
        looking up a single attribute of ours; the histogram's counting is written out for the same
        reason.
        """
        last, smoothed, jitter, loss, worst, total, _ = self._measured
        answers, losses, _ = self._counted
        histogram = self.rtt
        bounds, counts = histogram.bounds, histogram.counts
        place = bisect_left

        def answered(index: int, rtt_seconds: float) -> None:
            seen = answers[index]
            if seen:
                step = rtt_seconds - last[index]
                if step < 0.0:
                    step = -step
                mean = jitter[index]
                jitter[index] = mean + (step - mean) * 0.0625 if seen > 1 else step
                mean = smoothed[index]
                smoothed[index] = mean + (rtt_seconds - mean) * 0.125
            else:
                smoothed[index] = rtt_seconds
            last[index] = rtt_seconds
            answers[index] = seen + 1
            total[index] += rtt_seconds
            if rtt_seconds > worst[index]:  # noqa: PLR1730 - max() takes longer than all else here
                worst[index] = rtt_seconds
            share = loss[index]
            if share:  # rarely: it fades to nothing
                share -= share / min(seen + losses[index] + 1, LOSS_MEMORY)
                loss[index] = share if share > _NEXT_TO_NOTHING else 0.0
            counts[place(bounds, rtt_seconds)] += 1
            histogram.sum += rtt_seconds

        return answered
