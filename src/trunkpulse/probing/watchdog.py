"""A second look at ourselves, twice a second: whether the loop, the clocks and the sockets run.

What it finds is counted, said in the log, and told to ``Sight``, which keeps it from becoming a
failure of a trunk:

=====================  ======================================================================
found                  by
=====================  ======================================================================
the loop stood still   this look comes late; a stopped process (SIGSTOP) looks the same
the machine slept      the clock since boot counts sleep, the monotonic one does not
the clock was set      the wall clock moved against the one since boot
datagrams were lost    the kernel counts what it drops for each socket (Linux, SK_MEMINFO_DROPS)
probes are overdue     the prober's wheel
a cap delays probes    the pace's backlog
=====================  ======================================================================

Nothing is timed by the wall clock that has to happen on time, so a clock that is set moves no
probe. What a person reads (moments in answers and events) follows it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final, Protocol

import structlog

from trunkpulse.ports import MachineClock, MessageTransport
from trunkpulse.probing.pacing import Paces
from trunkpulse.probing.sight import STALL_SECONDS, Sight

__all__ = ["Watchdog", "WatchdogCounts"]

log = structlog.get_logger(__name__)

LOOK_SECONDS: Final = 0.5
BEATS: Final = 5
"""In the time between two looks; each only notes that the loop runs."""
STEP_SECONDS = 1.0
"""The wall clock is set if it moves so much between two looks; NTP slews a thousandth of that."""
SAY_AGAIN_SECONDS = 60.0
"""The same trouble is logged no more often, and counts as recent for so long."""
CAPS_SECONDS = 10.0
"""Between looks at the caps, which may be many."""
MOST_REMARKS = 5
"""On caps; whoever reads them has understood by then."""
DELAY_SECONDS = 1.0
"""A cap that delays probes by less than this does what it is there for."""


class Due(Protocol):
    """What the watchdog asks of the turns in which probes leave."""

    def overdue_seconds(self) -> float:
        """For how long a probe has been waiting that should have left; 0 if all is on time."""


@dataclass(slots=True)
class WatchdogCounts:
    """What the watchdog found since it started."""

    stalls: int = 0
    """Times that the event loop was late by more than half a second."""
    stall_seconds_max: float = 0.0
    """The worst of them."""
    clock_steps: int = 0
    """Times that somebody set the wall clock."""


class Watchdog:
    """See the module's opening."""

    def __init__(
        self,
        *,
        clock: MachineClock,
        sight: Sight,
        turns: Due,
        paces: Paces,
        transports: Callable[[], Collection[MessageTransport]],
    ) -> None:
        """``transports`` are the sockets that probes leave from at this moment."""
        self._clock = clock
        self._turns = turns
        self._paces = paces
        self._transports = transports
        self.sight = sight
        self.beats = BEATS
        self.counts = WatchdogCounts()
        self._looked = clock.monotonic()
        self._ran: float | None = None
        """When the loop was last seen to run; None: nobody looked yet."""
        self._set_by = clock.wall() - clock.boot()
        self._drops: deque[tuple[float, int]] = deque()
        """When the kernel dropped datagrams, and how many, lately."""
        self._dropped = sight.drops
        self._slept = sight.suspensions
        self._next_caps = 0.0
        self._said: dict[str, float] = {}
        """When what was last logged."""

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            self.look()
            for _ in range(self.beats):
                await asyncio.sleep(LOOK_SECONDS / self.beats)
                if not self._is_running():
                    break

    def look(self) -> None:
        """Look once, and expect to be called again after ``LOOK_SECONDS``."""
        now = self._clock.monotonic()
        self._look_for_stall(now)
        self.sight.looking(now + LOOK_SECONDS)
        self._look_at_clocks()
        self._look_at_sockets(now)
        if now >= self._next_caps:
            self._next_caps = now + CAPS_SECONDS
            self._look_at_caps(now)

    def overdue_seconds(self) -> float:
        """For how long a probe has been waiting that should have left, caps aside."""
        return self._turns.overdue_seconds()

    def backlogs(self) -> Iterator[tuple[str | None, int, float]]:
        """Of each cap: the carrier, how many probes it made wait, and seconds of waiting now."""
        now = self._clock.monotonic()
        for carrier, pace in self._paces.all():
            yield carrier, pace.delayed, pace.backlog_seconds(now)

    def why_delayed(self, carrier: str | None) -> str | None:
        """Which cap delays the carrier's probes noticeably; None if none does."""
        return self._paces.why_delayed(carrier, self._clock.monotonic(), DELAY_SECONDS)

    def remarks(self) -> list[str]:
        """What is wrong with our sight or pace at present, one sentence each."""
        now = self._clock.monotonic()
        remarks = []
        dropped = sum(n for moment, n in self._drops if now - moment <= SAY_AGAIN_SECONDS)
        if dropped:
            remarks.append(
                f"The kernel dropped {dropped} datagrams in the last minute because a socket's"
                " buffer was full, so some answers were not seen; raise net.core.rmem_max or probe"
                " more slowly."
            )
        # The total cap may delay every carrier: that is one thing to say.
        delays = dict.fromkeys(problem for _, problem in self._delays(now))
        remarks += [
            f"{problem[0].upper()}{problem[1:]}; raise it under [pacing]."
            for problem in islice(delays, MOST_REMARKS)
        ]
        return remarks

    # --- one thing each ------------------------------------------------------------------------

    def _is_running(self) -> bool:
        """Note that the loop runs; False if it has stood still, which is to be looked at now."""
        now = self._clock.monotonic()
        if self._ran is not None and now - self._ran - LOOK_SECONDS / self.beats > STALL_SECONDS:
            return False
        self._ran = now
        return True

    def _look_for_stall(self, now: float) -> None:
        late = 0.0 if self._ran is None else now - self._ran - LOOK_SECONDS / self.beats
        if late > STALL_SECONDS:
            self.counts.stalls += 1
            self.counts.stall_seconds_max = max(self.counts.stall_seconds_max, late)
            # It ran when it looked last; when after that it stopped, nobody saw.
            self.sight.stalled(self._looked, now)
            log.warning(
                "watchdog.stall",
                seconds=round(late, 2),
                done="attempts that timed out meanwhile are made again",
            )
        self._looked = self._ran = now

    def _look_at_clocks(self) -> None:
        if self.sight.suspensions != self._slept:
            self._slept = self.sight.suspensions
            log.warning(
                "watchdog.suspended",
                seconds=round(self.sight.slept_seconds, 1),
                done="attempts that timed out meanwhile are made again",
            )
        set_by = self._clock.wall() - self._clock.boot()
        step, self._set_by = set_by - self._set_by, set_by
        if abs(step) > STEP_SECONDS:
            self.counts.clock_steps += 1
            log.warning(
                "watchdog.clock_step", seconds=round(step, 2), done="probes leave as planned"
            )

    def _look_at_sockets(self, now: float) -> None:
        transports = self._transports()
        for transport in transports:
            self.sight.lost(transport, transport.dropped_datagrams(), now)
        self.sight.keep(transports)
        more, self._dropped = self.sight.drops - self._dropped, self.sight.drops
        while self._drops and now - self._drops[0][0] > SAY_AGAIN_SECONDS:
            self._drops.popleft()
        if more:
            self._drops.append((now, more))
            if self._may_say("drops", now):
                log.warning(
                    "watchdog.drops",
                    datagrams=more,
                    done="attempts that timed out meanwhile are made again",
                )

    def _look_at_caps(self, now: float) -> None:
        for carrier, problem in self._delays(now):
            if self._may_say(f"cap {carrier}", now):
                log.warning("pacing.delays", problem=problem, done="they leave as the cap allows")

    def _delays(self, now: float) -> Iterator[tuple[str | None, str]]:
        for carrier, _ in self._paces.all():
            problem = self._paces.why_delayed(carrier, now, DELAY_SECONDS)
            if problem is not None:
                yield carrier, problem

    def _may_say(self, what: str, now: float) -> bool:
        last = self._said.get(what)
        if last is not None and now - last < SAY_AGAIN_SECONDS:
            return False
        self._said = {key: at for key, at in self._said.items() if now - at < SAY_AGAIN_SECONDS}
        self._said[what] = now
        return True
