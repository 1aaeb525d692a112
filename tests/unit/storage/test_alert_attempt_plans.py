"""To note an attempt at an alert looks at what was told of that alert, and at nothing else."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, event

from contracts.stores import NOW_MS, commit_of, open_sqlite
from trunkpulse.ports import AlertAttempt, AlertKind, DeliveryResult


async def test_an_attempt_is_noted_by_small_indexes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[str, tuple[object, ...]]] = []

    def look(
        _connection: Connection,
        _cursor: object,
        statement: str,
        parameters: tuple[object, ...],
        _context: object,
        _many: bool,  # noqa: FBT001 - SQLAlchemy's signature
    ) -> None:
        if "deliver" in statement:
            seen.append((statement, parameters))

    monkeypatch.setattr("trunkpulse.adapters.storage.alert_attempts.TRIM_EVERY", 1)
    file = tmp_path / "trunkpulse.db"
    store = await open_sqlite(file)
    await store.commit([commit_of("a", 1, tell=["noc"])])
    attempt = AlertAttempt(
        stream_id="noc",
        alert_id="a-7",
        kind=AlertKind.TRIGGER,
        position=1,
        at_ms=NOW_MS,
        duration_ms=1,
        result=DeliveryResult.DELIVERED,
        detail="",
        request="",
        response="",
    )
    event.listen(Engine, "before_cursor_execute", look)
    try:
        await store.note_attempts([attempt])
    finally:
        event.remove(Engine, "before_cursor_execute", look)
    await store.close()
    assert len(seen) == 5  # look, pass over, open, say, trim
    with sqlite3.connect(file) as connection:
        plans = [
            row[3]
            for query in seen
            for row in connection.execute(f"EXPLAIN QUERY PLAN {query[0]}", query[1])
        ]
    connection.close()
    assert not [line for line in plans if line.startswith("SCAN")], plans
    of_alert = "ix_deliveries_alerts (stream_id=? AND trunk_id=?)"
    assert sum(of_alert in line for line in plans) == 2
