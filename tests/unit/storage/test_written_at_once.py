"""What is written all the time goes to a thread once, and waits for the disk only if it must."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import Context
from pathlib import Path
from typing import TypeVarTuple

import pytest
from sqlalchemy import Connection, Engine, event

from contracts.stores import NOW_MS, commit_of, open_sqlite
from trunkpulse.adapters.storage.database import DatabaseStore
from trunkpulse.model import TargetState
from trunkpulse.ports import DeliveryReport, DeliveryResult, MinuteNumbers

Arguments = TypeVarTuple("Arguments")

NORMAL, FULL = 1, 2
"""SQLite's numbers for what ``synchronous`` can be."""


class CountingLoop(asyncio.SelectorEventLoop):
    """Counts how often a thread has called it."""

    called = 0

    def call_soon_threadsafe(
        self,
        callback: Callable[[*Arguments], object],
        *args: *Arguments,
        context: Context | None = None,
    ) -> asyncio.Handle:
        self.called += 1
        return super().call_soon_threadsafe(callback, *args, context=context)


def a_report(delivery_id: int) -> DeliveryReport:
    return DeliveryReport(
        delivery_id=delivery_id, result=DeliveryResult.DELIVERED, at_ms=NOW_MS, due_ms=None
    )


def a_minute(trunk_id: str, minute: int = 1) -> MinuteNumbers:
    return MinuteNumbers(
        trunk_id=trunk_id,
        uri=f"sip:{trunk_id}@127.0.0.1",
        place=None,
        minute=minute,
        answers=2,
        losses=1,
        rtt_sum_seconds=0.02,
        rtt_max_seconds=0.01,
        smoothed_rtt_seconds=0.01,
        jitter_seconds=None,
        state=TargetState.AVAILABLE,
    )


async def claim(store: DatabaseStore) -> None:
    assert len(await store.claim("noc", now_ms=NOW_MS, limit=9, lease_ms=1000)) == 9


async def settle(store: DatabaseStore) -> None:
    await store.settle([a_report(number) for number in range(1, 10)])


async def commit(store: DatabaseStore) -> None:
    assert not await store.commit([commit_of("z", 1, tell=["noc"])])


async def add_minutes(store: DatabaseStore) -> None:
    await store.add_minutes([a_minute(f"t{number}") for number in range(9)])


async def prune_events(store: DatabaseStore) -> None:
    assert await store.prune(NOW_MS - 1) == 0


async def prune_minutes(store: DatabaseStore) -> None:
    assert await store.prune_minutes(0) == 0


@pytest.mark.parametrize(
    ("work", "most"),
    [(claim, 1), (settle, 1), (commit, 1), (add_minutes, 1), (prune_events, 1), (prune_minutes, 2)],
)
def test_a_write_goes_to_its_thread_once(
    tmp_path: Path, work: Callable[[DatabaseStore], Awaitable[None]], most: int
) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, CountingLoop)
        store = await open_sqlite(tmp_path / "trunkpulse.db")
        await store.commit([commit_of(f"t{n}", 1, tell=["noc"]) for n in range(9)])
        before = loop.called
        await work(store)
        assert loop.called - before <= most
        await store.close()

    with asyncio.Runner(loop_factory=CountingLoop) as runner:
        runner.run(main())


@contextmanager
def seen_commits() -> Iterator[list[int]]:
    """How ``synchronous`` was set as each transaction was committed."""
    seen: list[int] = []

    def look(connection: Connection) -> None:
        seen.append(int(connection.exec_driver_sql("PRAGMA synchronous").scalar_one()))

    event.listen(Engine, "commit", look)
    try:
        yield seen
    finally:
        event.remove(Engine, "commit", look)


@pytest.mark.parametrize(
    ("work", "synchronous"), [(commit, FULL), (settle, FULL), (add_minutes, FULL), (claim, NORMAL)]
)
async def test_only_a_claim_need_not_outlive_a_loss_of_power(
    tmp_path: Path, work: Callable[[DatabaseStore], Awaitable[None]], synchronous: int
) -> None:
    store = await open_sqlite(tmp_path / "trunkpulse.db")
    await store.commit([commit_of(f"t{n}", 1, tell=["noc"]) for n in range(9)])
    with seen_commits() as seen:
        await work(store)
    assert seen == [synchronous]
    await store.close()
