"""A search of a large log goes by an index and never through all of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.engine import Connection

from contracts.stores import commit_of, open_sqlite
from trunkpulse.model import EventType
from trunkpulse.ports import WantedEvents

ROWS = 3_000


@pytest.mark.parametrize(
    ("wanted", "index"),
    [
        (WantedEvents(state="DOWN"), "PRIMARY KEY"),
        (WantedEvents(trunk_id="t1", state="DOWN"), "ix_events_trunk_id_position"),
        (WantedEvents(event_type=EventType.PROBER_ISOLATED), "ix_events_trunk_id_position"),
        (WantedEvents(from_ms=1, to_ms=2, state="DOWN"), "ix_events_at_ms"),
    ],
)
@pytest.mark.parametrize("newest_first", [False, True])
async def test_what_is_looked_at_is_found_by_an_index(
    tmp_path: Path, wanted: WantedEvents, index: str, *, newest_first: bool
) -> None:
    store = await open_sqlite(tmp_path / "trunkpulse.db")
    await store.commit([commit_of(f"t{n}", 1) for n in range(ROWS)])
    asked: list[tuple[str, Any]] = []

    def note(
        _connection: Connection, _cursor: Any, statement: str, parameters: Any, *_rest: Any
    ) -> None:
        asked.append((statement, parameters))

    engine = store._reader.sync_engine
    event.listen(engine, "before_cursor_execute", note)
    await store.search(wanted, after=1500, limit=10, looks=100, newest_first=newest_first)
    event.remove(engine, "before_cursor_execute", note)
    plans = [await plan_of(store, *each) for each in asked]
    assert any(index in step for plan in plans for step in plan)
    for plan in plans:
        assert not [step for step in plan if step.startswith("SCAN events")], plan
    await store.close()


async def plan_of(store: Any, statement: str, parameters: Any) -> Sequence[str]:
    async with store._reading() as connection:
        rows = await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
        return [row[3] for row in rows]
