"""Counting what waits is done when somebody asks, and not more often than it is worth."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from trunkpulse.adapters.storage.memory import MemoryStore
from trunkpulse.events.backlog import GOOD_FOR_SECONDS, Backlogs
from trunkpulse.ports import StoreUnavailable, StreamBacklog
from virtual_time import VirtualClock, run_virtual


class SlowCount(MemoryStore):
    def __init__(self) -> None:
        super().__init__()
        self.counts = 0
        self.takes_seconds = 0.0
        self.away = False

    async def backlogs(self) -> Mapping[str, StreamBacklog]:
        self.counts += 1
        await asyncio.sleep(self.takes_seconds)
        if self.away:
            raise StoreUnavailable("the database is away")
        return {"noc": StreamBacklog(pending=self.counts)}


async def pending(backlogs: Backlogs) -> int:
    return (await backlogs.read())["noc"].pending


def test_an_answer_is_good_for_some_seconds() -> None:
    async def main() -> None:
        store, clock = SlowCount(), VirtualClock()
        backlogs = Backlogs(store, clock)
        assert backlogs.known == {}
        assert [await pending(backlogs), await pending(backlogs)] == [1, 1]
        await clock.advance(GOOD_FOR_SECONDS)
        assert await pending(backlogs) == 2
        assert backlogs.known["noc"].pending == 2

    run_virtual(main)


def test_what_takes_long_to_count_is_counted_seldom() -> None:
    async def main() -> None:
        store, clock = SlowCount(), VirtualClock()
        store.takes_seconds = 3
        backlogs = Backlogs(store, clock)
        for _ in range(600):
            await backlogs.read()
            await clock.advance(1)
        assert store.counts <= 11  # one a minute

    run_virtual(main)


def test_without_the_database_the_last_answer_stands() -> None:
    async def main() -> None:
        store, clock = SlowCount(), VirtualClock()
        backlogs = Backlogs(store, clock)
        assert await pending(backlogs) == 1
        store.away = True
        await clock.advance(60)
        assert await pending(backlogs) == 1
        store.away = False
        await clock.advance(60)
        assert await pending(backlogs) == 3

    run_virtual(main)
