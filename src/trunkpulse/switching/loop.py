"""Keeps one switch as it should be.

A round reads the switch, writes what differs and, if there was anything, reads it again. There is a
round whenever a trunk of interest changes (changes that come together are one round), and every
``interval_seconds``, which is how a restart of the switch and a hand that meddled are noticed. All
that a round goes by is read in that round, so nothing is lost with a restart of ours either.

While the switch is out of reach rounds are tried after growing pauses that stay shorter than three
seconds, so that a switch that comes back is right again within five.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from itertools import islice
from typing import Final, NamedTuple, TypeVar

import structlog

from trunkpulse.config.switches import LastOfGroup, SwitchSettings
from trunkpulse.ports import Entry, MachineClock, Switch, SwitchRefused, SwitchUnreachable
from trunkpulse.switching.matching import Address, Matches, address_of
from trunkpulse.switching.plan import Order, Rightness, plan
from trunkpulse.switching.report import Line, LinkState, SwitchReport
from trunkpulse.switching.standing import Trunks
from trunkpulse.switching.wanted import wanted_at, wanted_of

__all__ = ["MOST_NAMES", "SwitchLoop"]

log = structlog.get_logger(__name__)

T = TypeVar("T")

CALL_SECONDS: Final = 15.0
"""For one call of an adapter, which has a shorter deadline of its own."""
BACKOFF_SECONDS: Final = (0.25, 3.0)
"""First and longest pause while the switch is out of reach; each is shortened by up to half."""
SHORTEST_REST_SECONDS: Final = 0.02
LONGEST_REST_SECONDS: Final = 1.0
"""Between two rounds: as long as the last one took, so that a storm of changes leaves air."""
ENTRIES_PER_TURN: Final = 200
"""Looked at before the event loop does anything else."""
TOLD_EACH: Final = 20
"""Orders of one round that have a line of their own in the log; of more there is a count."""
MOST_TRUNKS_NAMED: Final = 20
"""Of those that share one entry."""
MOST_NAMES: Final = 10_000
"""Trunks that a switch which goes by name is told of."""


class Wish(NamedTuple):
    """What an entry should be."""

    trunks: tuple[str, ...]
    """Ids of those that decide about it, ``MOST_TRUNKS_NAMED`` at most."""
    wanted: bool | None


NO_WISH: Final = Wish((), None)


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
    ) -> None:
        self.settings = settings
        self._switch = switch
        self._trunks = trunks
        self._clock = clock
        self._rng = rng
        self._matches = Matches(trunks, settings.trunks)
        self._only = frozenset(settings.trunks)
        self._rightness = Rightness()
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
        self._in_sync = False

    # --- what it is told ---------------------------------------------------------------------

    def moved(self, trunk_id: str) -> None:
        """The trunk, or one of its targets, is in another state."""
        if self._concerns(trunk_id):
            self._work.set()

    def listed(self, trunk_id: str) -> None:
        """The trunk has come or gone, or leads elsewhere."""
        if self._switch.by_address:
            if self._matches.doubt(trunk_id):
                self._work.set()
        elif self._concerns(trunk_id):
            self._work.set()

    def _concerns(self, trunk_id: str) -> bool:
        if self._switch.by_address:
            return self._matches.concerns(trunk_id)
        return not self._only or trunk_id in self._only

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
                began = self._clock.monotonic()
                try:
                    pause = await self._round()
                finally:
                    _answer(waiting)
                await self._rest(pause, self._clock.monotonic() - began)
        finally:
            _answer(self._waiters)
            await self._switch.close()

    async def _rest(self, pause_seconds: float | None, took_seconds: float) -> None:
        """Wait for work, or, with a pause, for its end; somebody who asks waits for neither."""
        breath = min(max(took_seconds, SHORTEST_REST_SECONDS), LONGEST_REST_SECONDS)
        asked = await _within(self._asked, breath if pause_seconds is None else pause_seconds)
        if pause_seconds is None and not asked:
            await _within(self._work, self.settings.interval_seconds)

    async def _round(self) -> float | None:
        """One round; the pause that has to follow if it failed."""
        try:
            await self._bring_right()
        except SwitchUnreachable as problem:
            return self._failed(LinkState.UNREACHABLE, str(problem))
        except SwitchRefused as problem:
            return self._failed(LinkState.REFUSED, str(problem))
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
        first, longest = BACKOFF_SECONDS
        ceiling = min(first * 2.0 ** min(self._tried - 1, 16), longest)
        return ceiling * self._rng.uniform(0.5, 1.0)

    # --- a round -----------------------------------------------------------------------------

    async def _bring_right(self) -> None:
        entries = await self._read()
        wishes = await self._wishes(entries)
        wanted = {key: wish.wanted for key, wish in wishes.items()}
        keep_last = self.settings.when_none_available is LastOfGroup.KEEP_LAST
        orders, kept = plan(entries, wanted, keep_last=keep_last)
        self._note_drifts(self._rightness.drifted(orders), {each.key for each in entries})
        problems: dict[str, str] = {}
        if orders and self.settings.dry_run:
            self._say(orders)
        elif orders:
            problems = await self._write(orders)
            entries = await self._read()
            kept = plan(entries, wanted, keep_last=keep_last).kept
        self._rightness.note(entries, wanted)
        self._lines = await self._drawn_up(entries, wishes, kept, problems)
        self._unmatched = sum(not each.trunks for each in self._lines)
        self._differing = sum(each.differs for each in self._lines)
        self._in_sync = not self._differing

    async def _read(self) -> Sequence[Entry]:
        names = () if self._switch.by_address else self._names()
        entries = await _in_time(self._switch.read(names))
        self._read_ms = int(self._clock.wall() * 1000)
        self._read_at = self._clock.monotonic()
        return entries

    def _names(self) -> Sequence[str]:
        return self.settings.trunks or tuple(islice(self._trunks.ids(), MOST_NAMES))

    async def _wishes(self, entries: Sequence[Entry]) -> Mapping[str, Wish]:
        """Of each entry the trunks that decide about it, and what they want."""
        if not self._switch.by_address:
            return {each.key: self._wish_of(each.key) for each in entries}
        addresses = {
            each.key: address_of(each.uri) if each.uri is not None else None for each in entries
        }
        await self._matches.follow({each for each in addresses.values() if each is not None})
        wishes: dict[str, Wish] = {}
        for number, (key, address) in enumerate(addresses.items(), 1):
            if number % ENTRIES_PER_TURN == 0:
                await asyncio.sleep(0)
            wishes[key] = NO_WISH if address is None else await self._wish_at(address)
        return wishes

    async def _wish_at(self, address: Address) -> Wish:
        trunk_ids = self._matches.at(address)
        names = tuple(islice(trunk_ids, MOST_TRUNKS_NAMED))
        wanted: bool | None = None
        for number, trunk_id in enumerate(tuple(trunk_ids), 1):  # thousands may share a proxy
            if number % ENTRIES_PER_TURN == 0:
                await asyncio.sleep(0)
            standing = self._trunks.standing(trunk_id)
            said = None if standing is None else wanted_at(address, (standing,))
            if said:
                return Wish(names, wanted=True)
            wanted = wanted if said is None else said
        return Wish(names, wanted)

    def _wish_of(self, trunk_id: str) -> Wish:
        standing = self._trunks.standing(trunk_id)
        return NO_WISH if standing is None else Wish((trunk_id,), wanted_of(standing))

    async def _write(self, orders: Sequence[Order]) -> dict[str, str]:
        """Carry them out; why those could not be that the switch refused, by key."""
        problems: dict[str, str] = {}
        for order in orders:
            try:
                await _in_time(self._switch.write(order.key, up=order.up))
            except SwitchRefused as problem:
                problems[order.key] = str(problem)
                self._failures += 1
                log.warning(
                    "switch.write_refused",
                    switch=self.settings.id,
                    entry=order.key,
                    problem=str(problem),
                )
                continue
            self._orders += 1
            if len(orders) <= TOLD_EACH:
                log.info(
                    "switch.wrote",
                    switch=self.settings.id,
                    entry=order.key,
                    state=order.state,
                )
        if len(orders) > TOLD_EACH:
            log.info("switch.wrote_many", switch=self.settings.id, entries=len(orders))
        return problems

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

    async def _drawn_up(
        self,
        entries: Sequence[Entry],
        wishes: Mapping[str, Wish],
        kept: frozenset[str],
        problems: Mapping[str, str],
    ) -> tuple[Line, ...]:
        lines: list[Line] = []
        for number, entry in enumerate(entries, 1):
            if number % ENTRIES_PER_TURN == 0:
                await asyncio.sleep(0)
            wish = wishes.get(entry.key, NO_WISH)
            drifts, drifted_ms = self._drifted.get(entry.key, (0, None))
            lines.append(
                Line(
                    key=entry.key,
                    uri=entry.uri,
                    group=entry.group,
                    trunks=wish.trunks,
                    wanted=wish.wanted,
                    has=entry.up,
                    held=entry.held,
                    kept=entry.key in kept,
                    drifts=drifts,
                    drifted_ms=drifted_ms,
                    problem=problems.get(entry.key),
                )
            )
        return tuple(lines)


def _answer(waiters: Iterable[asyncio.Future[None]]) -> None:
    for waiter in waiters:
        if not waiter.done():
            waiter.set_result(None)


async def _in_time(call: Awaitable[T]) -> T:
    try:
        async with asyncio.timeout(CALL_SECONDS):
            return await call
    except TimeoutError:
        raise SwitchUnreachable(
            f"The switch took longer than {CALL_SECONDS:g} s to answer; check its load."
        ) from None


async def _within(event: asyncio.Event, seconds: float) -> bool:
    """True if the event came within so many seconds."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
    return event.is_set()
