"""Keeps one switch as it should be.

A round reads the switch, writes what differs and, if there was anything, reads it again. There is a
round whenever a trunk of interest changes (changes that come together are one round), and every
``interval_seconds``, which is how a restart of the switch and a hand that meddled are noticed. What
a round goes by is read in that round, and each order is weighed once more right before it is given.
Only what we took out is remembered (``taken``), and written down elsewhere (``on_record``).

While the switch is out of reach rounds are tried after growing pauses that stay shorter than three
seconds, so that a switch that comes back is right again within five.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from typing import Final

import structlog

from trunkpulse.config.switches import LastOfGroup, SwitchSettings
from trunkpulse.ports import Entry, MachineClock, Switch, SwitchRefused, SwitchUnreachable
from trunkpulse.switching.deadline import in_time
from trunkpulse.switching.lines import counted, drawn_up
from trunkpulse.switching.plan import Order, Rightness, planned
from trunkpulse.switching.report import Line, LinkState, SwitchReport
from trunkpulse.switching.standing import Trunks
from trunkpulse.switching.taken import Taken
from trunkpulse.switching.troubles import Troubles
from trunkpulse.switching.wanted import Verdict
from trunkpulse.switching.wishes import ENTRIES_PER_TURN, Wish, Wishes

__all__ = ["MOST_NAMES", "SwitchLoop"]

log = structlog.get_logger(__name__)

BACKOFF_SECONDS: Final = (0.25, 3.0)
"""First and longest pause while the switch is out of reach; each is shortened by up to half."""
DEFECT: Final = (
    "What it answered met a defect of trunkpulse; please report what the log says of it under "
    "switch.defect."
)
PROOF_SECONDS: Final = 2.0
"""Between two rounds at most, while states of the last life wait for a probe to bear them out."""
SHORTEST_REST_SECONDS: Final = 0.02
LONGEST_REST_SECONDS: Final = 1.0
"""Between two rounds: as long as the last one took, so that a storm of changes leaves air."""
TOLD_EACH: Final = 20
"""Orders of one round that have a line of their own in the log; of more there is a count."""
MOST_UNANSWERED: Final = 3
"""Orders in a row that get no answer; with so many of them it is the switch that is gone."""
MOST_PASSES: Final = 2
"""Of writing and reading back in one round; what waited for another entry is in the second."""
MOST_NAMES: Final = 10_000
"""Trunks that a switch which goes by name is told of."""


def _nothing() -> None:
    """Nobody wants to know that a round has ended."""


class SwitchLoop:
    """See the module's opening."""

    def __init__(
        self,
        settings: SwitchSettings,
        switch: Switch,
        trunks: Trunks,
        *,
        clock: MachineClock,
        rng: random.Random,
        taken: Taken | None = None,
        ended: Callable[[], None] = _nothing,
    ) -> None:
        """``taken`` is what whoever looked after the same switch before took out of it.

        ``ended`` is called after each round: ``taken`` may have changed.
        """
        self.settings = settings
        self._switch = switch
        self._ended = ended
        self._trunks = trunks
        self._clock = clock
        self._rng = rng
        self._wishes = Wishes(settings, trunks, by_address=switch.by_address)
        self._rightness = Rightness()
        self.taken = Taken() if taken is None else taken
        """What it took out and has not given back; shared with whoever comes after it."""
        self._troubles = Troubles(clock)
        self._work = asyncio.Event()
        """Something changed, or somebody wants a round now."""
        self._asked = asyncio.Event()
        """Somebody wants a round now."""
        self._waiters: list[asyncio.Future[None]] = []
        self._link = LinkState.CONNECTING
        self._problem: str | None = None
        self._tried = 0
        """Rounds that failed in a row."""
        self._read_ms: int | None = None
        self._read_at = 0.0
        self._lines: tuple[Line, ...] = ()
        self._drifted: dict[str, tuple[int, int]] = {}
        """Of entries that drifted: how often, and when last."""
        self._said: tuple[Order, ...] = ()
        """What was last said in a dry run."""
        self._orders = self._drifts = self._failures = 0
        self._unmatched = self._differing = 0
        self._unproven = 0
        """True if of some entry nobody knows yet what it should be."""
        self._in_sync = False

    # --- what it is told ---------------------------------------------------------------------

    def moved(self, trunk_id: str) -> None:
        """The trunk, or one of its targets, is in another state."""
        if self._wishes.concerns(trunk_id):
            self._work.set()

    def listed(self, trunk_id: str) -> None:
        """The trunk has come or gone, or leads elsewhere."""
        if self._wishes.doubt(trunk_id):
            self._work.set()

    async def sync(self) -> None:
        """Return after a whole round, which begins now, has ended, well or not."""
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        self._asked.set()
        self._work.set()
        await waiter

    # --- what it says ------------------------------------------------------------------------

    @property
    def lines(self) -> Sequence[Line]:
        """How the entries stood when last read, in the switch's order."""
        return self._lines

    def report(self) -> SwitchReport:
        """How things are."""
        read = self._read_ms is not None
        return SwitchReport(
            settings=self.settings,
            link=self._link,
            problem=self._problem,
            in_sync=self._in_sync,
            read_ms=self._read_ms,
            read_seconds_ago=self._clock.monotonic() - self._read_at if read else None,
            entries=len(self._lines),
            unmatched=self._unmatched,
            differing=self._differing,
            orders=self._orders,
            drifts=self._drifts,
            failures=self._failures,
        )

    # --- its life ----------------------------------------------------------------------------

    async def run(self, after: asyncio.Task[None] | None = None) -> None:
        """Keep it right until cancelled; ``after`` whoever looked after it before has ended."""
        try:
            if after is not None:
                await asyncio.wait({after})
            while True:
                self._work.clear()
                self._asked.clear()
                waiting, self._waiters = self._waiters, []
                if waiting:
                    self._troubles.hurry()
                began = self._clock.monotonic()
                try:
                    pause = await self._round()
                finally:
                    _answer(waiting)
                    self._ended()
                await self._rest(pause, self._clock.monotonic() - began)
        finally:
            _answer(self._waiters)
            try:
                await self._switch.close()
            except Exception:
                # As in a round: a defect of one adapter must not end the node.
                log.exception("switch.defect", switch=self.settings.id)

    async def _rest(self, pause_seconds: float | None, took_seconds: float) -> None:
        """Wait for work, or, with a pause, for its end; somebody who asks waits for neither."""
        breath = min(max(took_seconds, SHORTEST_REST_SECONDS), LONGEST_REST_SECONDS)
        asked = await _within(self._asked, breath if pause_seconds is None else pause_seconds)
        if pause_seconds is None and not asked:
            # Nobody tells that a state which was recorded is borne out: it does not change.
            longest = PROOF_SECONDS if self._unproven else self.settings.interval_seconds
            await _within(self._work, min(longest, self.settings.interval_seconds))

    async def _round(self) -> float | None:
        """One round; the pause that has to follow if it failed."""
        try:
            await self._bring_right()
        except SwitchUnreachable as problem:
            return self._failed(LinkState.UNREACHABLE, str(problem))
        except SwitchRefused as problem:
            return self._failed(LinkState.REFUSED, str(problem))
        except Exception as defect:
            # Switches are optional: what we did not foresee in one costs that one, not the node.
            if self._problem != DEFECT:
                log.exception(
                    "switch.defect", switch=self.settings.id, defect=type(defect).__name__
                )
            return self._failed(LinkState.UNREACHABLE, DEFECT)
        if self._link is not LinkState.CONNECTED:
            log.info("switch.connected", switch=self.settings.id, entries=len(self._lines))
        self._link, self._problem, self._tried = LinkState.CONNECTED, None, 0
        return None

    def _failed(self, link: LinkState, problem: str) -> float:
        if self._link is not link or self._problem != problem:
            log.warning(
                "switch.out_of_sync", switch=self.settings.id, link=link.value, problem=problem
            )
        self._link, self._problem, self._in_sync = link, problem, False
        self._failures += 1
        self._tried += 1
        self._rightness.forget()
        self._troubles.hurry()
        first, longest = BACKOFF_SECONDS
        ceiling = min(first * 2.0 ** min(self._tried - 1, 16), longest)
        return ceiling * self._rng.uniform(0.5, 1.0)

    # --- a round -----------------------------------------------------------------------------

    async def _bring_right(self) -> None:
        entries = await self._read()
        wishes = before = await self._wishes.of(entries)
        keep_last = self.settings.when_none_available is LastOfGroup.KEEP_LAST
        tried: set[Order] = set()
        passes = 0
        while True:
            self.taken.note(entries)
            wanted = await self._wanted(wishes)
            orders, kept = await planned(entries, wanted, keep_last=keep_last)
            self._troubles.keep(orders)
            if not passes:
                drifted = self._rightness.drifted(orders)
                await asyncio.sleep(0)
                self._note_drifts(drifted, {each.key for each in entries})
                await asyncio.sleep(0)
            if self.settings.dry_run:
                self._say(orders)
                break
            due = self._troubles.due([each for each in orders if each not in tried])
            if not due or passes == MOST_PASSES:
                break
            passes += 1
            await asyncio.sleep(0)
            tried.update(due)
            await self._write(due, {each.key: each for each in entries})
            entries = await self._read()
            wishes = await self._wishes.of(entries)
        self._rightness.note(entries, wanted)
        self._lines = await drawn_up(
            entries,
            wishes,
            wanted,
            kept=kept,
            drifted=self._drifted,
            troubles=self._troubles,
        )
        counts = await counted(self._lines)
        self._unmatched, self._differing, self._unproven = counts
        changed = any(
            wish.verdict is not before[key].verdict for key, wish in wishes.items() if key in before
        )
        if changed:  # under our hands; the next round says how it ended
            self._work.set()
        self._in_sync = not (self._differing or changed)

    async def _wanted(self, wishes: Mapping[str, Wish]) -> dict[str, bool | None]:
        wanted: dict[str, bool | None] = {}
        for number, (key, wish) in enumerate(wishes.items(), 1):
            if number % ENTRIES_PER_TURN == 0:
                await asyncio.sleep(0)
            wanted[key] = self._goal(key, wish.verdict)
        return wanted

    def _goal(self, key: str, verdict: Verdict) -> bool | None:
        """What the entry should be; what we took out is given back once nobody decides."""
        return True if verdict.is_free and key in self.taken else verdict.wanted

    async def _read(self) -> Sequence[Entry]:
        names = () if self._switch.by_address else self._names()
        entries = await in_time(self._switch.read(names))
        self._read_ms = int(self._clock.wall() * 1000)
        self._read_at = self._clock.monotonic()
        await asyncio.sleep(0)  # the adapter has used up its turn
        if not self._switch.by_address:
            return entries
        looks_after = self._wishes.looks_after
        return [each for each in entries if looks_after(each) or each.key in self.taken]

    def _names(self) -> Sequence[str]:
        names = self.settings.trunks or tuple(islice(self._trunks.ids(), MOST_NAMES))
        left = self.taken.besides(frozenset(names))
        return (*left, *names)[:MOST_NAMES] if left else names

    async def _write(self, orders: Sequence[Order], entries: Mapping[str, Entry]) -> None:
        """Carry them out, but for those that are no longer wanted when it is their turn."""
        written = told = unanswered = 0
        for order in orders:
            entry = entries[order.key]
            wish = await self._wishes.now(entry)
            if self._goal(order.key, wish.verdict) is not order.up:
                continue
            if not order.up:
                self.taken.take(entry)
            try:
                await in_time(self._switch.write(order.key, up=order.up))
            except (SwitchRefused, SwitchUnreachable) as problem:
                self._failures += 1
                if self._troubles.had(order, str(problem)):
                    told += 1
                    self._tell_trouble(order, str(problem), told)
                unanswered = unanswered + 1 if isinstance(problem, SwitchUnreachable) else 0
                if unanswered == MOST_UNANSWERED:
                    raise
                continue
            unanswered = 0
            self._troubles.over(order.key)
            self._orders += 1
            written += 1
            if len(orders) <= TOLD_EACH:
                log.info(
                    "switch.wrote",
                    switch=self.settings.id,
                    entry=order.key,
                    state=order.state,
                )
        if len(orders) > TOLD_EACH:
            log.info("switch.wrote_many", switch=self.settings.id, entries=written)
        if told > TOLD_EACH:
            log.warning("switch.write_refused_many", switch=self.settings.id, entries=told)

    def _tell_trouble(self, order: Order, problem: str, told: int) -> None:
        if told <= TOLD_EACH:
            log.warning(
                "switch.write_refused",
                switch=self.settings.id,
                entry=order.key,
                problem=problem,
            )

    def _say(self, orders: tuple[Order, ...]) -> None:
        if orders == self._said:
            return
        self._said = orders
        for order in orders[:TOLD_EACH]:
            log.info(
                "switch.would_write",
                switch=self.settings.id,
                entry=order.key,
                state=order.state,
            )
        if len(orders) > TOLD_EACH:
            log.info("switch.would_write_many", switch=self.settings.id, entries=len(orders))

    def _note_drifts(self, keys: Sequence[str], present: set[str]) -> None:
        self._drifted = {key: was for key, was in self._drifted.items() if key in present}
        now_ms = int(self._clock.wall() * 1000)
        for key in keys:
            self._drifts += 1
            self._drifted[key] = self._drifted.get(key, (0, 0))[0] + 1, now_ms
        for key in keys[:TOLD_EACH]:
            log.warning("switch.drifted", switch=self.settings.id, entry=key)


def _answer(waiters: Iterable[asyncio.Future[None]]) -> None:
    for waiter in waiters:
        if not waiter.done():
            waiter.set_result(None)


async def _within(event: asyncio.Event, seconds: float) -> bool:
    """True if the event came within so many seconds."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
    return event.is_set()
