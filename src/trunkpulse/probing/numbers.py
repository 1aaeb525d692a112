"""What is counted and measured of each target: rows of numbers instead of objects.

A million targets are probed 33,000 times a second, and a row in a database for each probe would be
useless and too slow. So each target has a slot, the prober's, in one table of plain C numbers; an
answer costs a handful of additions there, and nothing is allocated that stays. That is 48 bytes a
target (``BYTES_PER_TARGET``), side by side, because whatever is looked at once in half a minute
comes from far away. What leaves the process are sums of minutes (``rollup``).

*Smoothed round trip*: SRTT <- 7/8 SRTT + 1/8 R, and R itself at first (RFC 6298 section 2).

*Jitter*: J <- J + (|D| - J) / 16, where D is the difference between two round trips in a row
(RFC 3550 section 6.4.1, which takes it of one-way times). It is what people who run SIP call
jitter, and what ``trunkpulse probe`` takes too; it begins with the first |D| instead of creeping
up from nothing, because attempts are half a minute apart and not 20 ms.

*Loss share*: of the first 16 attempts simply the lost ones' share, from then on smoothed by 1/16.
A loss is an attempt without a final answer. An answer is an answer, whatever its code.
"""

from __future__ import annotations

import struct
from bisect import bisect_left
from collections.abc import Callable
from typing import Final, NamedTuple

from trunkpulse.probing.histogram import RTT_BOUNDS_SECONDS, Histogram

__all__ = ["BYTES_PER_TARGET", "UNHEARD", "Numbers", "TargetNumbers"]

_ROW: Final = struct.Struct("=d5fIHxxId")
"""What ``_OF_ANSWERS`` has, and then the losses and since when all has gone well."""
_OF_ANSWERS: Final = struct.Struct("@d5fIH")
"""Sum of all round trips (a float of 4 bytes soon takes no more additions); last, smoothed, jitter,
loss share, worst; how many answers; status code of the last, 0 before the first."""
_WORST: Final = struct.Struct("=f")
_WORST_AT: Final = 24
_LOSSES: Final = struct.Struct("=I")
_LOSSES_AT: Final = 36
_PLAIN_SINCE: Final = struct.Struct("=d")
_PLAIN_SINCE_AT: Final = 40
BYTES_PER_TARGET: Final = _ROW.size
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
    """The rows, by the prober's slot (``ProbeTarget.index``), and one histogram for all."""

    answered: Callable[[int, float, int], None]
    """Note an answer of the target in this slot, after so many seconds, with this status code."""

    def __init__(self) -> None:
        self.rtt = Histogram(RTT_BOUNDS_SECONDS)
        """Round trips of all answers of all targets, since the start."""
        self._rows = bytearray()
        self.answered = self._noting()

    def __len__(self) -> int:
        """How many slots there are."""
        return len(self._rows) // BYTES_PER_TARGET

    def grow(self, to: int) -> None:
        """Have slots up to ``to``, exclusive; new ones are empty. Never shrinks."""
        wanted = to - len(self)
        if wanted > 0:
            self._rows += bytes(wanted * BYTES_PER_TARGET)

    def reset(self, index: int) -> None:
        """Another target has this slot now; grows if it must."""
        self.grow(index + 1)
        at = index * BYTES_PER_TARGET
        self._rows[at : at + BYTES_PER_TARGET] = bytes(BYTES_PER_TARGET)

    def lost(self, index: int) -> None:
        """Note an attempt that ended without a final answer."""
        at = index * BYTES_PER_TARGET
        total, last, smoothed, jitter, share, worst, answers, code, losses, plain_since = (
            _ROW.unpack_from(self._rows, at)
        )
        losses += 1
        share += (1.0 - share) / min(answers + losses, LOSS_MEMORY)
        _ROW.pack_into(
            self._rows,
            at,
            total,
            last,
            smoothed,
            jitter,
            share,
            worst,
            answers,
            code,
            losses,
            plain_since,
        )

    def of(self, index: int) -> TargetNumbers:
        """The numbers of a slot; of a negative one, which is none, ``UNHEARD``."""
        if not 0 <= index < len(self):
            return UNHEARD
        total, last, smoothed, jitter, share, _, answers, _, losses, _ = _ROW.unpack_from(
            self._rows, index * BYTES_PER_TARGET
        )
        return TargetNumbers(
            answers,
            losses,
            total,
            last if answers else None,
            smoothed if answers else None,
            jitter if answers > 1 else None,
            share if answers or losses else None,
        )

    def sails_plainly(self, index: int, since: float | None) -> None:
        """Note since when (wall-clock seconds) all attempts have gone well; None: they have not."""
        if 0 <= index < len(self):
            at = index * BYTES_PER_TARGET + _PLAIN_SINCE_AT
            _PLAIN_SINCE.pack_into(self._rows, at, since or 0.0)

    def plain_since(self, index: int) -> float | None:
        """Since when all attempts have gone well, if that was noted."""
        if not 0 <= index < len(self):
            return None
        at = index * BYTES_PER_TARGET + _PLAIN_SINCE_AT
        since: float = _PLAIN_SINCE.unpack_from(self._rows, at)[0]
        return since or None

    def code(self, index: int) -> int | None:
        """Status code of the last answer; None before the first, and of a slot that is none."""
        if not 0 <= index < len(self):
            return None
        code: int = _OF_ANSWERS.unpack_from(self._rows, index * BYTES_PER_TARGET)[7]
        return code or None

    def rtt_seconds(self, index: int) -> float | None:
        """Round trip of the last answer; None before the first, and of a slot that is none."""
        seconds = self.of(index).rtt_seconds
        return None if seconds is None else round(seconds, 7)  # as many digits as there are

    def take_worst(self, index: int) -> float:
        """The longest round trip since the last time that this was asked; 0 without an answer."""
        if not 0 <= index < len(self):
            return 0.0
        at = index * BYTES_PER_TARGET + _WORST_AT
        worst: float = _WORST.unpack_from(self._rows, at)[0]
        _WORST.pack_into(self._rows, at, 0.0)
        return worst

    def _noting(self) -> Callable[[int, float, int], None]:
        """The function that notes an answer.

        The hottest of the product. As a closure it finds the rows, which grow in place, without
        looking up a single attribute of ours; the histogram's counting is written out for the same
        reason.
        """
        rows, histogram = self._rows, self.rtt
        bounds, counts = histogram.bounds, histogram.counts
        unpack, pack, place = _OF_ANSWERS.unpack_from, _OF_ANSWERS.pack_into, bisect_left

        def answered(index: int, rtt_seconds: float, code: int) -> None:
            at = index * BYTES_PER_TARGET
            total, last, smoothed, jitter, share, worst, seen, _ = unpack(rows, at)
            if seen:
                step = rtt_seconds - last
                if step < 0.0:
                    step = -step
                jitter = jitter + (step - jitter) * 0.0625 if seen > 1 else step
                smoothed += (rtt_seconds - smoothed) * 0.125
            else:
                smoothed = rtt_seconds
            if rtt_seconds > worst:  # noqa: PLR1730 - max() takes longer than all else here
                worst = rtt_seconds
            seen += 1
            if share:  # rarely: it fades to nothing
                losses = _LOSSES.unpack_from(rows, at + _LOSSES_AT)[0]
                share -= share / min(seen + losses, LOSS_MEMORY)
                if share < _NEXT_TO_NOTHING:
                    share = 0.0
            pack(
                rows,
                at,
                total + rtt_seconds,
                rtt_seconds,
                smoothed,
                jitter,
                share,
                worst,
                seen,
                code,
            )
            counts[place(bounds, rtt_seconds)] += 1
            histogram.sum += rtt_seconds

        return answered
