"""Whose turn it is: one timer over the wheel, for any number of targets.

A turn takes all that is due, at most ``PROBES_PER_TURN``, before the event loop may look at
anything else. Waking up costs more than a probe: caches are cold, and the kernel has to be asked
for a timer. So after a turn there is a rest, until as many as are worth it will be due, and never
longer than ``REST_SECONDS``. Who has a few trunks never notices; thousands leave in small batches.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable

from trunkpulse.ports import Clock
from trunkpulse.probing.histogram import LATENESS_BOUNDS_SECONDS, Histogram
from trunkpulse.probing.schedule import NEVER, TimingWheel
from trunkpulse.probing.target import ProbeTarget

__all__ = ["Turns"]

PROBES_PER_TURN = 512
ENOUGH_PROBES = 256
REST_SECONDS = 0.025
AFTER_A_FAULT_SECONDS = 1.0
"""A target whose turn ended in an exception, a fault of ours, has its next turn then."""


class Turns:
    """See the module's opening. Lives on one event loop; not thread-safe."""

    def __init__(
        self,
        clock: Clock,
        take: Callable[[list[ProbeTarget]], None],
        finish: Callable[[], None],
    ) -> None:
        """``take`` has the turns of some targets, ``finish`` comes after all targets of a turn.

        ``take`` takes each off its list, from the end, when its turn is over. If it raises, the
        last of those still there is the one that it could not cope with.
        """
        self._clock = clock
        self._take = take
        self._finish = finish
        self.wheel: TimingWheel[ProbeTarget] = TimingWheel(clock.monotonic())
        """After arming anything outside of a turn call ``rearm``."""
        self._timer: asyncio.TimerHandle | None = None
        self._timer_moment = 0.0
        self._ended = clock.monotonic()
        self._resting_until = 0.0
        self._in_turn = False
        self._closed = False
        self.lateness = Histogram(LATENESS_BOUNDS_SECONDS)
        """Between the moment at which targets were due and the moment they had had their turn."""
        self.lateness_seconds_max = 0.0

    def rearm(self) -> None:
        """Have the timer fit what the wheel holds now; in a turn, that is done at its end."""
        wheel = self.wheel
        if self._closed or self._in_turn:
            return
        if self._timer and not wheel.armed_before(self._timer_moment):
            return
        moment = wheel.next_moment()
        wheel.forget_armed()
        if moment is None:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_moment = moment = max(moment, self._resting_until)
        # In whole milliseconds, rounded up: libuv knows no finer ones, and a timer that fires
        # before its moment is a wake-up for nothing.
        delay = math.ceil((moment - self._clock.monotonic()) * 1000 + 0.5) / 1000
        self._timer = asyncio.get_running_loop().call_later(max(0.0, delay), self._on_timer)

    def overdue_seconds(self) -> float:
        """For how long somebody has been waiting for a turn; 0 if all is on time.

        A rest is on purpose and does not count: nobody is overdue who waits for its end.
        """
        moment = self.wheel.next_moment()
        if moment is None:
            return 0.0
        return max(0.0, self._clock.monotonic() - max(moment, self._resting_until))

    def close(self) -> None:
        """No more turns; safe to repeat."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _on_timer(self) -> None:
        self._timer = None
        self._in_turn = True
        wheel, take, monotonic = self.wheel, self._take, self._clock.monotonic
        taken = 0
        due: list[ProbeTarget] = []
        try:
            while taken < PROBES_PER_TURN and (batch := wheel.take(monotonic())) is not None:
                moment, due = batch
                count = len(due)
                take(due)
                late = monotonic() - moment
                self.lateness.observe(late, count)
                self.lateness_seconds_max = max(self.lateness_seconds_max, late)
                taken += count
        finally:
            # Whatever went wrong with one target, the others' turn comes, and the timer's.
            self._finish()
            now = monotonic()
            if due:
                self._put_off(due.pop(), now + AFTER_A_FAULT_SECONDS)
            for target in due:
                self._put_off(target, now)
            self._rest(taken, now)
            self._in_turn = False
            self.rearm()

    def _put_off(self, target: ProbeTarget, moment: float) -> None:
        if target.index >= 0 and target.due_tick == NEVER:
            self.wheel.arm(target, moment)

    def _rest(self, taken: int, now: float) -> None:
        """No turn before enough are due, going by the rate of the turn that ends now."""
        elapsed, self._ended = now - self._ended, now
        if 0 < taken < PROBES_PER_TURN:
            self._resting_until = now + min(REST_SECONDS, ENOUGH_PROBES * elapsed / taken)
