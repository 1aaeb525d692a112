"""What was taken out of switches is written down, whatever the database does meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Coroutine, Sequence
from dataclasses import replace
from typing import Any

from simulation.paper_switch import settings
from trunkpulse.adapters.storage.memory import MemoryStore
from trunkpulse.ports import Document, DocumentKind, Entry, StoreUnavailable
from trunkpulse.switching.on_record import OnRecord, TakenFrom
from trunkpulse.switching.taken import Taken
from virtual_time import VirtualClock, run_virtual

DOWN = [Entry("1 sip:192.0.2.1", "sip:192.0.2.1", up=False, group="1"), Entry("b", None, up=False)]


class Shelf(MemoryStore):
    """A database that can be away."""

    away = False
    writings = 0

    async def save_documents(self, documents: Sequence[Document]) -> None:
        self._reach()
        await super().save_documents(documents)

    async def drop_documents(self, kind: DocumentKind, ids: Collection[str]) -> None:
        self._reach()
        await super().drop_documents(kind, ids)

    def _reach(self) -> None:
        self.writings += 1
        if self.away:
            raise StoreUnavailable("It is away.")


def told(story: Callable[[Shelf, VirtualClock], Coroutine[Any, Any, None]]) -> None:
    async def whole() -> None:
        await story(Shelf(), VirtualClock())

    run_virtual(whole, limit_seconds=10_000)


def kept(*entries: Entry) -> TakenFrom:
    made = TakenFrom.of(settings(), Taken())
    for entry in entries:
        made.taken.take(entry)
    return made


async def on_record(shelf: Shelf, clock: VirtualClock) -> dict[str, dict[str, str | None]]:
    """What a life that begins now learns."""
    found = await OnRecord(shelf, clock).load()
    return {key: dict(each.taken.groups) for key, each in found.items()}


def test_the_next_life_learns_what_was_taken_and_no_longer_what_was_given_back() -> None:
    async def story(shelf: Shelf, clock: VirtualClock) -> None:
        record, former = OnRecord(shelf, clock), kept(*DOWN)
        running = asyncio.create_task(record.run())
        record.keep(former)
        await clock.advance(2)
        assert await on_record(shelf, clock) == {"edge": {"1 sip:192.0.2.1": "1", "b": None}}
        former.taken.note(DOWN[:1])
        record.stir()
        await clock.advance(2)
        assert await on_record(shelf, clock) == {"edge": {"1 sip:192.0.2.1": "1"}}
        former.taken.note([])
        record.stir()
        await clock.advance(2)
        assert await on_record(shelf, clock) == {}
        running.cancel()

    told(story)


def test_rounds_that_take_nothing_write_nothing_and_a_storm_of_them_is_few_writings() -> None:
    async def story(shelf: Shelf, clock: VirtualClock) -> None:
        record, former = OnRecord(shelf, clock), kept()
        running = asyncio.create_task(record.run())
        record.keep(former)
        await clock.advance(2)
        assert shelf.writings == 0
        for number in range(1000):
            former.taken.take(Entry(f"e{number}", None, up=False))
            record.stir()
            await clock.advance(0.001)
        await clock.advance(2)
        assert shelf.writings <= 3
        assert len((await on_record(shelf, clock))["edge"]) == 1000
        running.cancel()

    told(story)


def test_what_could_not_be_written_is_written_once_the_database_is_back() -> None:
    async def story(shelf: Shelf, clock: VirtualClock) -> None:
        record = OnRecord(shelf, clock)
        running = asyncio.create_task(record.run())
        shelf.away = True
        record.keep(kept(*DOWN))
        await clock.advance(30)
        assert shelf.writings < 10
        shelf.away = False
        await clock.advance(10)
        assert set(await on_record(shelf, clock)) == {"edge"}
        running.cancel()

    told(story)


def test_a_word_of_somebody_else_is_written_over() -> None:
    async def story(shelf: Shelf, clock: VirtualClock) -> None:
        other = OnRecord(shelf, clock)
        record = OnRecord(shelf, clock)
        for one, entries in ((other, DOWN[:1]), (record, DOWN[1:])):
            running = asyncio.create_task(one.run())
            one.keep(kept(*entries))
            await clock.advance(2)
            running.cancel()
        assert await on_record(shelf, clock) == {"edge": {"b": None}}

    told(story)


def test_what_nobody_can_give_back_is_forgotten_after_a_month() -> None:
    async def story(shelf: Shelf, clock: VirtualClock) -> None:
        record = OnRecord(shelf, clock)
        running = asyncio.create_task(record.run())
        record.forget_later(kept(*DOWN))
        await clock.advance(2)
        assert set(await on_record(shelf, clock)) == {"edge"}
        [document] = await shelf.load_documents(DocumentKind.TAKEN_OUT)
        over = replace(document, revision=2, expires_ms=int(clock.wall() * 1000))
        await shelf.save_documents([over])
        assert await on_record(shelf, clock) == {}
        running.cancel()

    told(story)


def test_what_cannot_be_read_is_passed_over() -> None:
    async def story(shelf: Shelf, clock: VirtualClock) -> None:
        said: list[dict[str, object]] = [
            {},
            {"entries": [["a", "1"]], "url": "ftp:x", "type": "kamailio"},
            {"entries": [["a", "1"]], "url": "tcp:127.0.0.1:1", "type": "to-come"},
            {"entries": [["a"], 7, ["b", None]], "url": "tcp:127.0.0.1:1", "type": "kamailio"},
        ]
        await shelf.save_documents(
            [
                Document(
                    kind=DocumentKind.TAKEN_OUT,
                    id=str(number),
                    definition=each,
                    created_ms=0,
                    changed_ms=0,
                )
                for number, each in enumerate(said)
            ]
        )
        assert await on_record(shelf, clock) == {"3": {"b": None}}

    told(story)
