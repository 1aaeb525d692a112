"""The audit's writer: one chain over restarts, and nothing is lost while the database is away."""

from __future__ import annotations

import asyncio
import json

import pytest
from structlog.testing import capture_logs

from trunkpulse.access.audit import Act, Actor, Outcome, verify
from trunkpulse.adapters.storage.memory_audit import MemoryAudit
from trunkpulse.admission.ledger import Ledger
from trunkpulse.ports import AuditEntry, StoreUnavailable
from virtual_time import VirtualClock, run_virtual

ANN = Actor("user", "u1", "Ann")


def act(action: str = "disable_trunk") -> Act:
    return Act(action=action, actor=ANN, outcome=Outcome.DONE)


def refusal(address: str, status: int = 401) -> Act:
    return Act(
        action="list_trunks",
        actor=Actor("nobody"),
        outcome=Outcome.REFUSED,
        address=address,
        status=status,
    )


class Switched(MemoryAudit):
    """An audit log whose database may be away, or go away after it has written."""

    def __init__(self) -> None:
        super().__init__()
        self.away = False
        self.answers = True
        self.pause_seconds = 0.01
        self.commits = 0

    async def last_audit_entry(self) -> AuditEntry | None:
        await self._reached()
        return await super().last_audit_entry()

    async def add_audit_entries(self, entries: list[AuditEntry]) -> None:
        await self._reached()
        self.commits += 1
        assert [each.position for each in entries] == [
            *range(len(self._audit) + 1, len(self._audit) + len(entries) + 1)
        ]
        await super().add_audit_entries(entries)
        if not self.answers:
            raise StoreUnavailable("the connection broke after the commit")

    async def _reached(self) -> None:
        await asyncio.sleep(self.pause_seconds)
        if self.away:
            raise StoreUnavailable("the disk is gone")

    async def all(self) -> list[AuditEntry]:
        return await MemoryAudit.read_audit(self, limit=100_000)

    async def actions(self) -> list[str]:
        return [json.loads(each.record)["action"] for each in await self.all()]


async def whole(store: Switched) -> bool:
    return verify(await store.all()) is None


def test_what_is_recorded_is_durable_and_chained() -> None:
    async def story() -> None:
        store = Switched()
        ledger = Ledger(store, VirtualClock())
        await ledger.open()
        assert await ledger.record(act("a"))
        assert await ledger.record(act("b"))
        assert await store.actions() == ["a", "b"]
        assert await whole(store)
        assert ledger.head is not None
        assert ledger.head.digest == (await store.all())[-1].digest

    run_virtual(story)


def test_the_chain_goes_on_after_a_restart() -> None:
    async def story() -> None:
        store = Switched()
        for life in range(3):
            ledger = Ledger(store, VirtualClock())
            await ledger.open()
            await ledger.record(act(f"life {life}"))
        assert len(await store.all()) == 3
        assert await whole(store)

    run_virtual(story)


def test_those_who_wait_together_share_a_commit() -> None:
    async def story() -> None:
        store = Switched()
        ledger = Ledger(store, VirtualClock())
        await ledger.open()
        done = await asyncio.gather(*(ledger.record(act(f"{n}")) for n in range(100)))
        assert all(done)
        assert sorted(await store.actions()) == sorted(f"{n}" for n in range(100))
        assert store.commits <= 2
        assert await whole(store)

    run_virtual(story)


def test_nobody_waits_for_a_database_that_is_away_and_nothing_is_lost() -> None:
    async def story() -> None:
        store = Switched()
        ledger = Ledger(store, VirtualClock())
        await ledger.open()
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(ledger.run())
            store.away = True
            assert not await ledger.record(act("first"))
            assert not await ledger.record(act("second"))
            assert ledger.waiting == 2
            await asyncio.sleep(60)
            assert await store.all() == []
            store.away = False
            await asyncio.sleep(5)
            assert await store.actions() == ["first", "second"]
            assert ledger.waiting == 0
            assert await ledger.record(act("third"))
            assert await whole(store)
            running.cancel()

    run_virtual(story)


def test_a_database_that_takes_long_to_be_away_holds_up_those_alone_who_were_there() -> None:
    async def story() -> None:
        clock = VirtualClock()
        store = Switched()
        ledger = Ledger(store, clock)
        await ledger.open()
        store.away, store.pause_seconds = True, 5.0
        began = clock.monotonic()
        done = await asyncio.gather(*(ledger.record(act(f"{n}")) for n in range(20)))
        assert not any(done)
        assert clock.monotonic() - began <= 5.1
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(ledger.run())
            await asyncio.sleep(60)
            began = clock.monotonic()
            for n in range(20):
                await ledger.record(act(f"later {n}"))
            assert clock.monotonic() - began <= 5.1
            store.away = False
            await asyncio.sleep(30)
            assert len(await store.all()) == 40
            assert await whole(store)
            running.cancel()

    run_virtual(story)


def test_what_arrived_without_an_answer_is_not_written_twice() -> None:
    async def story() -> None:
        store = Switched()
        clock = VirtualClock()
        ledger = Ledger(store, clock)
        await ledger.open()
        store.answers = False
        assert not await ledger.record(act("a"))
        store.answers = True
        await asyncio.sleep(10)
        assert await ledger.record(act("b"))
        assert await store.actions() == ["a", "b"]
        assert await whole(store)

    run_virtual(story)


def test_a_caller_who_is_cancelled_in_the_middle_leaves_the_chain_whole() -> None:
    async def story() -> None:
        store = Switched()
        ledger = Ledger(store, VirtualClock())
        await ledger.open()
        impatient = asyncio.create_task(ledger.record(act("a")))
        await asyncio.sleep(0.005)
        impatient.cancel()
        await asyncio.wait({impatient})
        assert await ledger.record(act("b"))
        assert await store.actions() == ["a", "b"]
        assert await whole(store)

    run_virtual(story)


def test_there_is_an_end_to_what_waits_and_the_ledger_says_so() -> None:
    async def story() -> None:
        store = Switched()
        ledger = Ledger(store, VirtualClock(), most_waiting=3)
        await ledger.open()
        store.away = True
        for n in range(3):
            assert not ledger.full
            await ledger.record(act(f"{n}"))
        assert ledger.full
        for n in range(4):
            ledger.note_refusal(refusal(f"192.0.2.{n}"))
        assert ledger.waiting == 3
        store.away = False
        await asyncio.sleep(10)
        await ledger.close()
        assert ledger.waiting == 0
        assert await store.actions() == ["0", "1", "2", "service.refusals_unrecorded"]
        assert json.loads((await store.all())[-1].record)["count"] == 4

    run_virtual(story)


def test_what_waits_is_bounded_by_its_length_too(monkeypatch: pytest.MonkeyPatch) -> None:
    most = len(act("a").record(0)) * 3 // 2
    monkeypatch.setattr("trunkpulse.admission.ledger.MOST_CHARACTERS_WAITING", most)

    async def story() -> None:
        store = Switched()
        ledger = Ledger(store, VirtualClock())
        await ledger.open()
        store.away = True
        full = []
        for action in ("a", "b"):
            ledger.note(act(action))
            full.append(ledger.full)
        assert full == [False, True]
        ledger.note_refusal(refusal("192.0.2.1"))
        assert ledger.waiting == 2
        store.away = False
        await ledger.close()
        ledger.note(act("c"))
        full.append(ledger.full)
        assert full == [False, True, False]

    run_virtual(story)


def test_a_stop_says_what_is_lost_and_where_the_chain_ends_though_the_database_hangs() -> None:
    async def story() -> None:
        store = Switched()
        ledger = Ledger(store, VirtualClock())
        await ledger.open()
        await ledger.record(act("a"))
        known = ledger.head
        assert known is not None
        store.pause_seconds = 3600.0
        ledger.note(act("b"))
        begun = asyncio.get_running_loop().time()
        with capture_logs() as lines:
            await ledger.close(0.5)
        assert asyncio.get_running_loop().time() - begun == pytest.approx(0.5)
        lost, head = lines
        assert (lost["event"], lost["acts"]) == ("audit.lost", 1)
        assert head["event"] == "audit.head"
        assert (head["position"], head["digest"]) == (1, known.digest)

    run_virtual(story)


def test_of_a_flood_of_refusals_the_first_are_recorded_and_the_others_counted() -> None:
    async def story() -> None:
        store = Switched()
        ledger = Ledger(store, VirtualClock())
        await ledger.open()
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(ledger.run())
            for _ in range(10_000):
                ledger.note_refusal(refusal("192.0.2.1"))
            ledger.note_refusal(refusal("192.0.2.2"))
            await asyncio.sleep(70)
            records = [json.loads(each.record) for each in await store.all()]
            assert [each["action"] for each in records] == [
                *["list_trunks"] * 6,
                "service.refusals",
            ]
            summed = records[-1]
            assert summed["address"] == "192.0.2.1"
            assert summed["count"] == 9_995
            assert summed["details"] == {"statuses": {"401": 9_995}}
            ledger.note_refusal(refusal("192.0.2.1"))
            await asyncio.sleep(1)
            assert len(await store.all()) == 8  # a new minute
            running.cancel()

    run_virtual(story)


def test_a_flood_from_everywhere_stays_bounded() -> None:
    async def story() -> None:
        store = Switched()
        ledger = Ledger(store, VirtualClock())
        await ledger.open()
        for n in range(20_000):
            ledger.note_refusal(refusal(f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}"))
        await ledger.close()
        records = [json.loads(each.record) for each in await store.all()]
        assert len(records) < 1_300
        assert sum(each["count"] for each in records) == 20_000
        assert await whole(store)

    run_virtual(story)
