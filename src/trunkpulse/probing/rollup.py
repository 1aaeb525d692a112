"""Once a minute: what the numbers of some targets grew by, for the database.

The prober only ever adds to its columns (``numbers``). Here is remembered how far they had come,
and the difference is the minute. Nothing of that is on the path of a probe: the targets are looked
at in small slices, and the database is waited for by nobody else.

The minutes are statistics and not states. While the database is away they wait, as many as fit
into ``WAITING_LIMIT``; then the oldest go, which is counted and logged, and nothing else suffers.

*Which minute*: that in which the time counted began. A clock that steps back makes a minute begin
twice, and so does a restart; the store adds both up, and no attempt is in two minutes.

*Which targets*: a trunk that comes to be measured is measured from then on, so its first minute is
a part of one. A new target of a trunk that was measured already counts from its first attempt.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Final, NamedTuple

import structlog

from trunkpulse.ports import Clock, MeasureStore, MinuteNumbers, StoreUnavailable
from trunkpulse.probing.numbers import Numbers
from trunkpulse.probing.target import ProbeTarget

__all__ = ["MinuteRollup"]

log = structlog.get_logger(__name__)

MINUTE_SECONDS: Final = 60
SURELY_OVER_SECONDS: Final = 0.05
"""Timers and clocks do not agree to the last digit."""
TARGETS_PER_TURN: Final = 500
BATCH: Final = 500
"""Minutes of targets per transaction."""
WAITING_LIMIT: Final = 60_000
"""Minutes of targets that wait for the database: an hour of 1,000 targets, some 20 MiB."""
PRUNE_EVERY_MINUTES: Final = 60
DAY_MINUTES: Final = 24 * 60


class _Reached(NamedTuple):
    """How far a target's numbers had come when they were last looked at."""

    answers: int = 0
    losses: int = 0
    rtt_sum_seconds: float = 0.0


_NOTHING: Final = _Reached()


class MinuteRollup:
    """See the module's opening."""

    def __init__(
        self,
        store: MeasureStore,
        clock: Clock,
        numbers: Numbers,
        targets: Callable[[], Iterator[ProbeTarget]],
        *,
        retention_days: Callable[[], int],
    ) -> None:
        """Measure those ``targets`` that are named at the moment; none: nothing is written.

        ``targets`` may be read bit by bit while trunks come and go.
        """
        self._store = store
        self._clock = clock
        self._numbers = numbers
        self._targets = targets
        self._retention_days = retention_days
        self._reached: dict[ProbeTarget, _Reached] = {}
        self._trunks: frozenset[str] = frozenset()
        self._began = int(clock.wall()) // MINUTE_SECONDS
        """The minute in which the time that is being counted began."""
        self._waiting: deque[MinuteNumbers] = deque()
        self._away = False
        self._finishing = asyncio.Event()
        self.dropped = 0
        """Minutes of targets that the database did not take in time."""

    def __len__(self) -> int:
        """Minutes of targets that wait for the database."""
        return len(self._waiting)

    def measures(self, trunk_id: str) -> bool:
        """True if the trunk's minutes are written."""
        return trunk_id in self._trunks

    async def run(self) -> None:
        """Note and write every minute until ``finish``, and what there is then."""
        await self.note()
        minutes = 0
        while not self._finishing.is_set():
            await self._minute_over()
            await self.note()
            await self.write()
            if minutes % PRUNE_EVERY_MINUTES == 0 and not self._finishing.is_set():
                await self._prune()
            minutes += 1

    def finish(self) -> None:
        """Have ``run`` write the minute that is not over yet, and return."""
        self._finishing.set()

    async def _minute_over(self) -> None:
        seconds = MINUTE_SECONDS - self._clock.wall() % MINUTE_SECONDS + SURELY_OVER_SECONDS
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._finishing.wait()

    async def note(self) -> None:
        """Take what was added to the numbers since the last time as one minute's."""
        began, self._began = self._began, int(self._clock.wall()) // MINUTE_SECONDS
        reached: dict[ProbeTarget, _Reached] = {}
        targets = self._targets()
        while turn := list(islice(targets, TARGETS_PER_TURN)):
            for target in turn:
                reached[target] = self._note_target(target, began)
            await asyncio.sleep(0)  # probes must leave on time
        self._reached = reached
        self._trunks = frozenset(target.owner for target in reached)
        excess = len(self._waiting) - WAITING_LIMIT
        if excess > 0:
            self.dropped += excess
            for _ in range(excess):
                self._waiting.popleft()

    def _note_target(self, target: ProbeTarget, minute: int) -> _Reached:
        numbers = self._numbers.of(target.index)
        now = _Reached(numbers.answers, numbers.losses, numbers.rtt_sum_seconds)
        worst = self._numbers.take_worst(target.index)
        since = self._reached.get(target)
        if since is None:
            if target.owner not in self._trunks:
                return now  # from now on
            since = _NOTHING
        if now.answers < since.answers or now.losses < since.losses:
            since = _NOTHING  # it was taken out and put back: its slot began anew
        answers, losses = now.answers - since.answers, now.losses - since.losses
        if not answers and not losses:
            return now
        self._waiting.append(
            MinuteNumbers(
                trunk_id=target.owner,
                uri=target.uri,
                place=None if target.place is None else str(target.place),
                minute=minute,
                answers=answers,
                losses=losses,
                rtt_sum_seconds=now.rtt_sum_seconds - since.rtt_sum_seconds,
                rtt_max_seconds=worst,
                smoothed_rtt_seconds=numbers.smoothed_rtt_seconds,
                jitter_seconds=numbers.jitter_seconds,
                state=target.state,
            )
        )
        return now

    async def write(self) -> None:
        """Give the store all that waits; what it does not take goes on waiting."""
        waiting = self._waiting
        try:
            while waiting:
                batch = list(islice(waiting, BATCH))
                await self._store.add_minutes(batch)
                for _ in batch:
                    waiting.popleft()
        except StoreUnavailable as problem:
            if not self._away:
                log.warning("numbers.not_written", problem=str(problem), waiting=len(waiting))
            self._away = True
            return
        if self._away:
            log.info("numbers.written_again", dropped=self.dropped)
        self._away = False

    async def _prune(self) -> None:
        oldest = int(self._clock.wall()) // MINUTE_SECONDS - self._retention_days() * DAY_MINUTES
        with contextlib.suppress(StoreUnavailable):  # an hour later is as good
            await self._store.prune_minutes(oldest)
