"""A list of deliveries takes the index that is made for it, however many others there are."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, event

from contracts.stores import open_sqlite
from trunkpulse.ports import DeliveryState, ReplayChoice


@contextmanager
def seen_queries() -> Iterator[list[tuple[str, tuple[object, ...]]]]:
    """What is read from the deliveries, with its parameters."""
    seen: list[tuple[str, tuple[object, ...]]] = []

    def look(
        _connection: Connection,
        _cursor: object,
        statement: str,
        parameters: tuple[object, ...],
        _context: object,
        _many: bool,  # noqa: FBT001 - SQLAlchemy's signature
    ) -> None:
        if statement.startswith("SELECT") and "deliveries" in statement:
            seen.append((statement, parameters))

    event.listen(Engine, "before_cursor_execute", look)
    try:
        yield seen
    finally:
        event.remove(Engine, "before_cursor_execute", look)


def plan(file: Path, query: tuple[str, tuple[object, ...]]) -> str:
    with sqlite3.connect(file) as connection:
        statement, parameters = query
        rows = connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters).fetchall()
    connection.close()
    return "\n".join(row[3] for row in rows)


@pytest.mark.parametrize(
    ("state", "index"),
    [
        (None, "ix_deliveries_stream (stream_id=?"),
        (DeliveryState.DELIVERED, "ix_deliveries_stream (stream_id=?"),
        (DeliveryState.PENDING, "ix_deliveries_pending (stream_id=?"),
        (DeliveryState.PARKED, "ix_deliveries_trouble (stream_id=?"),
        (DeliveryState.DEAD, "ix_deliveries_trouble (stream_id=?"),
    ],
)
async def test_a_list_takes_its_own_index(
    tmp_path: Path, state: DeliveryState | None, index: str
) -> None:
    file = tmp_path / "trunkpulse.db"
    store = await open_sqlite(file)
    with seen_queries() as seen:
        await store.deliveries("noc", state=state, before=9)
    await store.close()
    (query,) = seen
    assert index in plan(file, query)


async def test_a_count_and_a_replay_look_at_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "trunkpulse.db"
    store = await open_sqlite(file)
    with seen_queries() as seen:
        await store.backlogs()
        await store.replay("noc", ReplayChoice(trunk_id="a", dead_only=True), now_ms=1)
    await store.close()
    pending, trouble, oldest, chosen = (plan(file, query) for query in seen)
    assert "ix_deliveries_pending" in pending
    assert "ix_deliveries_trouble" in trouble
    assert "ix_deliveries_due" in oldest
    assert chosen.count("ix_deliveries_position (position=?)") == 2
