"""Finds the servers that names lead to (RFC 3263), and keeps what was found current.

What is found may be believed for its TTL; then it is looked up again, and whoever watches the name
hears what it leads to now. A look-up that fails changes nothing: the last answer stays in use, and
``trouble`` says so until one succeeds. A name that has never been found is looked up whenever an
attempt at its target is due: each such attempt is a look-up of its own, so that no trunk is
condemned for one failed look-up counted three times.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from typing import NamedTuple, TypeVar

import structlog

from trunkpulse.ports import Clock, Location, ResolutionFailed, Resolver
from trunkpulse.sip.uri import SipUri

__all__ = ["Locator", "Trouble", "Watch"]

log = structlog.get_logger(__name__)

ItemT = TypeVar("ItemT")

LOOKUPS_AT_ONCE = 256
SHORTEST_TTL_SECONDS = 5.0
"""A TTL of 0 shall not make us ask all the time."""
LONGEST_TTL_SECONDS = 3600.0
"""A TTL of a week shall not make us overlook a week's change."""
RETRY_SECONDS = 30.0
"""After a look-up that failed."""
TOLD_PER_TURN = 200
"""Watches of one name that hear of a look-up, some milliseconds' work, before the event loop does
anything else: a name may be that of the proxy which all trunks are reached through."""


class Watch(NamedTuple):
    """One URI of one trunk that is written with a name."""

    trunk_id: str
    uri: str


class Trouble(NamedTuple):
    """Why a name could not be looked up."""

    problem: str
    since: float
    """Wall-clock seconds of the first failure in a row."""
    has_answer: bool = False
    """True if an earlier look-up has found something, which stays in use."""


class _Name:
    """A URI to look up, and who wants to know."""

    __slots__ = ("asked", "due", "location", "trouble", "under_way", "uri", "waiting", "watches")

    def __init__(self, uri: SipUri) -> None:
        self.uri = uri
        self.watches: set[Watch] = set()
        self.waiting: list[Callable[[], None]] = []
        self.due = 0.0
        """Monotonic moment of the next look-up."""
        self.asked = False
        """True while somebody wants to know at once."""
        self.under_way = False
        self.location: Location | None = None
        self.trouble: Trouble | None = None


class Locator:
    """See the module's opening."""

    def __init__(
        self,
        resolver: Resolver,
        clock: Clock,
        located: Callable[[Collection[Watch], Location], None],
    ) -> None:
        """``located`` hears where the URI of these watches leads, each time it was looked up.

        Of many watches it hears in parts.
        """
        self._resolver = resolver
        self._clock = clock
        self._located = located
        self._names: dict[str, _Name] = {}
        self._ways: dict[Watch, str] = {}
        self._agenda: list[tuple[float, str]] = []
        """(when, name), soonest first; an entry whose moment is not the name's own is void."""
        self._work = asyncio.Event()

    def watch(self, watch: Watch, way: str) -> Location | None:
        """Keep ``way``, the URI that leads to the watch's target, looked up from now on.

        Returns what is known of it already; None: it is being looked up.
        """
        if self._ways.get(watch, way) != way:
            self.unwatch(watch)
        self._ways[watch] = way
        name = self._names.get(way)
        if name is None:
            name = self._names[way] = _Name(SipUri.parse(way))
        name.watches.add(watch)
        if name.location is None:
            self._ask(way, name)
        return name.location

    def unwatch(self, watch: Watch) -> None:
        """Nobody wants to know any more; safe to repeat."""
        way = self._ways.pop(watch, None)
        if way is not None:
            name = self._names[way]
            name.watches.discard(watch)
            if not name.watches:
                del self._names[way]

    def look_up(self, watch: Watch, done: Callable[[], None]) -> None:
        """Look the watch's URI up now, then call ``done``; look-ups of one name are made as one."""
        way = self._ways[watch]
        name = self._names[way]
        name.waiting.append(done)
        self._ask(way, name)

    def is_pending(self, watch: Watch) -> bool:
        """True if no look-up of the watch's URI has ended yet, well or badly."""
        name = self._names.get(self._ways.get(watch, ""))
        return name is not None and name.location is None and name.trouble is None

    def trouble(self, watch: Watch) -> Trouble | None:
        """Why the watch's URI cannot be looked up at present; None if it can."""
        name = self._names.get(self._ways.get(watch, ""))
        return None if name is None else name.trouble

    def troubles(self) -> dict[str, Trouble]:
        """Every URI that cannot be looked up at present, and why."""
        return {way: name.trouble for way, name in self._names.items() if name.trouble}

    def _ask(self, way: str, name: _Name) -> None:
        if not name.asked:
            name.asked = True
            self._plan(way, name, self._clock.monotonic())

    def _plan(self, way: str, name: _Name, due: float) -> None:
        name.due = due
        heapq.heappush(self._agenda, (due, way))
        self._work.set()

    async def run(self) -> None:
        """Look up what is asked for and what has grown old, until cancelled."""
        gate = asyncio.Semaphore(LOOKUPS_AT_ONCE)
        async with asyncio.TaskGroup() as tasks:
            while True:
                self._work.clear()
                now = self._clock.monotonic()
                while self._agenda and self._agenda[0][0] <= now:
                    due, way = heapq.heappop(self._agenda)
                    name = self._names.get(way)
                    if name is not None and name.due == due and not name.under_way:
                        name.under_way = True
                        tasks.create_task(self._one(way, name, gate))
                wait = self._agenda[0][0] - now if self._agenda else None
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(wait):
                        await self._work.wait()

    async def _one(self, way: str, name: _Name, gate: asyncio.Semaphore) -> None:
        async with gate:
            name.asked = False
            found = await self._found(way, name)
        again = RETRY_SECONDS
        if found is not None:
            ttl = LONGEST_TTL_SECONDS if found.ttl_seconds is None else found.ttl_seconds
            again = min(max(ttl, SHORTEST_TTL_SECONDS), LONGEST_TTL_SECONDS)
            async for watches in _in_turns(list(name.watches)):
                # Who was let go meanwhile, or goes another way by now, does not hear of it.
                self._located([each for each in watches if each in name.watches], found)
        name.under_way = False
        waiting, name.waiting = name.waiting, []
        if self._names.get(way) is name:
            # Who asked again meanwhile is answered by this look-up: it has only just ended.
            name.asked = False
            self._plan(way, name, self._clock.monotonic() + again)
        async for part in _in_turns(waiting):
            for done in part:
                done()

    async def _found(self, way: str, name: _Name) -> Location | None:
        """What a look-up finds, which is noted; None: it failed."""
        try:
            found = await self._resolver.locate(name.uri)
        except ResolutionFailed as problem:
            self._note_trouble(way, name, str(problem))
            return None
        if name.trouble is not None:
            log.info("dns.restored", uri=way)
        name.trouble = None
        name.location = found
        return found

    def _note_trouble(self, way: str, name: _Name, problem: str) -> None:
        if name.trouble is None or name.trouble.problem != problem:
            since = self._clock.wall() if name.trouble is None else name.trouble.since
            name.trouble = Trouble(problem, since, has_answer=name.location is not None)
            log.warning("dns.failed", uri=way, problem=problem)


async def _in_turns(items: Sequence[ItemT]) -> AsyncIterator[Sequence[ItemT]]:
    """The items, some at a time; before each lot but the first the event loop has its turn."""
    for start in range(0, len(items), TOLD_PER_TURN):
        if start:
            await asyncio.sleep(0)
        yield items[start : start + TOLD_PER_TURN]
