"""What only a database has: several connections, several instances, query plans."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from sqlalchemy import Select, Update, event, text
from sqlalchemy.dialects import sqlite
from structlog.testing import capture_logs

from contracts.stores import NOW_MS, commit_of, open_sqlite
from trunkpulse.adapters.storage.database import DatabaseStore
from trunkpulse.adapters.storage.outbox import NEXT_DUE, NEXT_UP, TAKE_DUE
from trunkpulse.adapters.storage.place import locate
from trunkpulse.ports import DeliveryReport, DeliveryResult


@pytest.fixture
async def file(tmp_path: Path) -> Path:
    return tmp_path / "trunkpulse.db"


@pytest.fixture
async def database(file: Path) -> AsyncIterator[DatabaseStore]:
    store = await open_sqlite(file)
    yield store
    await store.close()


@pytest.fixture
async def other_instance(file: Path, database: DatabaseStore) -> AsyncIterator[DatabaseStore]:
    store = await open_sqlite(file, instance_id="edge-2")
    yield store
    await store.close()


async def test_readers_go_on_while_a_write_is_under_way(database: DatabaseStore) -> None:
    await database.commit([commit_of("a", 1)])
    async with database._writing() as connection:
        await connection.execute(text("UPDATE trunk_health SET state = 'UNKNOWN', sequence = 9"))
        states, events, last = await asyncio.gather(
            database.load(), database.read(), database.last_position()
        )
        assert states["a"].sequence == 1
        assert (len(events), last) == (1, 1)
    assert (await database.load())["a"].sequence == 9


async def test_writes_queue_up_for_their_turn(database: DatabaseStore) -> None:
    results = await asyncio.gather(
        *(database.commit([commit_of(f"t{n}", 1, tell=["noc"])]) for n in range(20))
    )
    assert set(results) == {frozenset()}
    positions = [event.position for event in await database.read()]
    assert positions == list(range(1, 21))


async def test_of_two_instances_with_the_same_change_one_is_refused(
    database: DatabaseStore, other_instance: DatabaseStore
) -> None:
    refused = await asyncio.gather(
        database.commit([commit_of("a", 1)]), other_instance.commit([commit_of("a", 1)])
    )
    assert sorted(refused, key=len) == [frozenset(), frozenset({"a"})]
    assert await database.last_position() == 1


@pytest.mark.parametrize("statement", [1, 2, 3, 9, 10, 13])
async def test_a_cancelled_commit_ends_whole_and_leaves_a_working_store(
    database: DatabaseStore, statement: int
) -> None:
    commits = [commit_of(f"t{n}", 1, tell=["noc"], opened=["noc"]) for n in range(3000)]
    commit = asyncio.create_task(database.commit(commits))
    loop, executed, told = asyncio.get_running_loop(), 0, threading.Event()

    def cancel() -> None:
        commit.cancel()
        commit.cancel()
        told.set()

    def cancel_in_the_middle(*_: object) -> None:
        nonlocal executed
        executed += 1
        if executed == statement:  # in the thread that commits
            loop.call_soon_threadsafe(cancel)
            told.wait()

    assert database._committer is not None
    event.listen(database._committer, "before_cursor_execute", cancel_in_the_middle)
    await asyncio.wait({commit})

    assert commit.cancelled()
    assert executed == 13
    assert len(await database.load()) == 3000
    assert await database.last_position() == 3000
    assert await database.commit([commit_of("after", 1)]) == frozenset()


async def test_a_write_that_waits_for_its_turn_can_be_cancelled_and_writes_nothing(
    database: DatabaseStore,
) -> None:
    report = DeliveryReport(delivery_id=1, result=DeliveryResult.DELIVERED, at_ms=NOW_MS)
    writes: list[Callable[[], Awaitable[object]]] = [
        lambda: database.commit([commit_of("a", 1)]),
        lambda: database.forget(["a"]),
        lambda: database.sync_streams([]),
        lambda: database.claim("noc", now_ms=NOW_MS, limit=1, lease_ms=1),
        lambda: database.settle([report]),
        database.release,
        lambda: database.prune(NOW_MS),
    ]
    async with database._write_lock:  # as if somebody's write took for ever
        for write in writes:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0):
                    await write()
    assert await database.load() == {}
    assert await database.commit([commit_of("a", 1)]) == frozenset()


async def test_a_cancelled_read_leaves_a_working_store(database: DatabaseStore) -> None:
    await database.commit([commit_of("a", 1)])
    for _ in range(10):
        reading = asyncio.create_task(database.read())

        def cancel_in_the_middle(*_: object, task: asyncio.Task[object] = reading) -> None:
            task.cancel()

        engine = database._reader.sync_engine
        event.listen(engine, "before_cursor_execute", cancel_in_the_middle)
        await asyncio.wait({reading})
        event.remove(engine, "before_cursor_execute", cancel_in_the_middle)
        assert reading.cancelled()
    assert len(await database.read()) == 1


async def test_a_lost_lease_leaves_the_verdict_to_the_instance_that_holds_it_now(
    database: DatabaseStore, other_instance: DatabaseStore
) -> None:
    await database.commit([commit_of("a", 1, tell=["noc"])])
    (late,) = await database.claim("noc", now_ms=NOW_MS, limit=1, lease_ms=100)
    (held,) = await other_instance.claim("noc", now_ms=NOW_MS + 100, limit=1, lease_ms=100)
    assert held.id == late.id

    for result in (DeliveryResult.RETRY, DeliveryResult.PARKED, DeliveryResult.DEAD):
        await database.settle(
            [DeliveryReport(delivery_id=late.id, result=result, at_ms=NOW_MS, due_ms=NOW_MS)]
        )
        assert await database.next_due_ms("noc") == NOW_MS + 200
    await database.settle(
        [DeliveryReport(delivery_id=late.id, result=DeliveryResult.DELIVERED, at_ms=NOW_MS)]
    )
    assert await database.next_due_ms("noc") is None


async def test_a_restart_gives_back_its_own_claims_only(
    database: DatabaseStore, other_instance: DatabaseStore
) -> None:
    await database.commit([commit_of("a", 1, tell=["noc"])])
    await database.claim("noc", now_ms=NOW_MS, limit=1, lease_ms=100)
    await other_instance.release()
    assert await database.next_due_ms("noc") == NOW_MS + 100
    await database.release()
    assert await database.claim("noc", now_ms=NOW_MS, limit=1, lease_ms=100) != []


@pytest.mark.parametrize(
    ("statement", "index"),
    [
        (TAKE_DUE, "COVERING INDEX ix_deliveries_due (stream_id=? AND due_ms<?)"),
        (NEXT_DUE, "COVERING INDEX ix_deliveries_due (stream_id=? AND due_ms>?)"),
        (NEXT_UP, "INDEX ix_deliveries_pending (stream_id=? AND trunk_id=?)"),
    ],
    ids=["claim", "next due", "next up"],
)
async def test_settled_deliveries_are_never_walked_through(
    database: DatabaseStore, statement: Select[tuple[int]] | Update, index: str
) -> None:
    compiled = statement.compile(dialect=sqlite.dialect(paramstyle="named"))
    values = dict.fromkeys(compiled.params, 1)
    async with database._writing() as connection:
        plan = await connection.execute(text(f"EXPLAIN QUERY PLAN {compiled}"), values)
        steps = [str(step.detail) for step in plan]
    assert any(index in step for step in steps), steps
    assert not any("SCAN deliveries" in step or "SCAN settled" in step for step in steps), steps


async def test_a_slow_write_is_worth_a_warning(file: Path, database: DatabaseStore) -> None:
    class HurryingClock:
        seconds = 0.0

        def monotonic(self) -> float:
            self.seconds += 3.0
            return self.seconds

        def wall(self) -> float:
            return NOW_MS / 1000

    slow = DatabaseStore(locate(f"sqlite:///{file}"), instance_id="slow", clock=HurryingClock())
    with capture_logs() as logs:
        await slow.commit([commit_of("a", 1)])
        await database.commit([commit_of("b", 1)])
    await slow.close()
    assert [(entry["event"], entry["took_seconds"]) for entry in logs] == [("store.slow", 3.0)]
