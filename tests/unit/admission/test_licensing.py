"""When a licence takes effect, and that a change that cannot be kept is none."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from trunkpulse.access.licence import Entitlement, Grant, Licence
from trunkpulse.adapters.storage.memory_documents import MemoryDocuments
from trunkpulse.admission.licensing import Licensing
from trunkpulse.ports import Document, DocumentChanged, StoreUnavailable
from virtual_time import VirtualClock, run_virtual

TALK = frozenset({Entitlement.TALK})
SUSPENDED = Licence(talk=Grant(suspended=True))


class Switched(MemoryDocuments):
    """A database that may be away."""

    away = False

    async def save_documents(self, saved: Sequence[Document]) -> None:
        if self.away:
            raise StoreUnavailable("the disk is gone")
        await super().save_documents(saved)


class Effects:
    """What was made to take effect; fails as often as it is told."""

    def __init__(self) -> None:
        self.seen: list[frozenset[Entitlement]] = []
        self.failures = 0

    async def __call__(self, lacking: frozenset[Entitlement]) -> None:
        if self.failures:
            self.failures -= 1
            raise StoreUnavailable("not now")
        self.seen.append(lacking)


def test_what_cannot_be_kept_changes_nothing() -> None:
    async def story() -> None:
        store = Switched()
        licensing = Licensing(store, VirtualClock(), apply=Effects())
        store.away = True
        with pytest.raises(StoreUnavailable):
            await licensing.put(SUSPENDED)
        assert licensing.covers(Entitlement.TALK)
        assert licensing.revision == 0

    run_virtual(story)


def test_who_did_not_see_the_newest_changes_nothing() -> None:
    async def story() -> None:
        store = Switched()
        one, other = (Licensing(store, VirtualClock(), apply=Effects()) for _ in range(2))
        await one.put(SUSPENDED)
        with pytest.raises(DocumentChanged):
            await other.put(Licence())
        await other.load()
        assert other.lacking() == TALK

    run_virtual(story)


def test_what_does_not_take_effect_at_first_is_tried_again_and_told_once_it_has() -> None:
    async def story() -> None:
        effects = Effects()
        told: list[tuple[frozenset[Entitlement], frozenset[Entitlement]]] = []
        licensing = Licensing(Switched(), VirtualClock(), apply=effects)
        licensing.told = lambda before, now: told.append((before, now))
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(licensing.run())
            effects.failures = 3
            await licensing.put(SUSPENDED)
            await asyncio.sleep(14)
            assert (effects.seen, told) == ([], [])
            await asyncio.sleep(2)
            assert effects.seen == [TALK]
            assert told == [(frozenset(), TALK)]
            await asyncio.sleep(3600)
            assert len(effects.seen) == 1
            running.cancel()

    run_virtual(story)


def test_an_end_takes_effect_in_its_moment() -> None:
    async def story() -> None:
        clock = VirtualClock()
        effects = Effects()
        licensing = Licensing(Switched(), clock, apply=effects)
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(licensing.run())
            await licensing.put(Licence(talk=Grant(until_ms=int(clock.wall() * 1000) + 90_000)))
            await asyncio.sleep(89.9)
            assert effects.seen == []
            await asyncio.sleep(0.2)
            assert effects.seen == [TALK]
            running.cancel()

    run_virtual(story)
