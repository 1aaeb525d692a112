"""A database as a service leaves it that ran for a while: all trunks AVAILABLE, as events tell.

Written past the store, in one go, because a million single commits are not what is measured.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable
from contextlib import closing
from itertools import islice
from pathlib import Path

from trunkpulse.adapters.clock import SystemClock
from trunkpulse.adapters.storage.database import DatabaseStore
from trunkpulse.adapters.storage.tables import EVENT_POSITION
from trunkpulse.events.envelope import encode
from trunkpulse.model import Reason, StateChange, TrunkState

__all__ = ["INSTANCE", "write_history"]

INSTANCE = "benchmark"
PLACE = "TRUNK-ID"
"""Stands for a trunk's id in the body of an event."""
ROWS_PER_STATEMENT = 10_000


async def write_history(database: Path, trunks: Iterable[tuple[str, str]]) -> None:
    """Make ``database`` know these trunks, given by id and the URI of their one target."""
    database.parent.mkdir(parents=True, exist_ok=True)
    url = f"sqlite:///{database}"
    store = await DatabaseStore.open(url, instance_id=INSTANCE, clock=SystemClock())
    await store.close()
    at_ms = int(time.time() * 1000)
    # Ids differ and nothing else does, and none of them holds what JSON would write otherwise.
    body = encode(first_change(PLACE, at_ms))
    state, reason = TrunkState.AVAILABLE.value, Reason.KEEPALIVE_RESTORED.value
    written, left = 0, iter(trunks)
    with closing(sqlite3.connect(database)) as connection, connection:
        while chosen := list(islice(left, ROWS_PER_STATEMENT)):
            connection.executemany(
                "INSERT INTO trunk_health (trunk_id, state, reason, sequence, since_ms,"
                " admin_enabled, targets) VALUES (?, ?, ?, 1, ?, 1, ?)",
                [
                    (trunk_id, state, reason, at_ms, f'[["{uri}", "AVAILABLE", {at_ms}, null]]')
                    for trunk_id, uri in chosen
                ],
            )
            connection.executemany(
                "INSERT INTO events (position, event_id, trunk_id, at_ms, body)"
                " VALUES (?, ?, ?, ?, ?)",
                [
                    (position, event_id(trunk_id), trunk_id, at_ms, body.replace(PLACE, trunk_id))
                    for position, (trunk_id, _) in enumerate(chosen, written + 1)
                ],
            )
            written += len(chosen)
        connection.execute(
            "UPDATE counters SET value = ? WHERE name = ?", (written, EVENT_POSITION)
        )


def event_id(trunk_id: str) -> str:
    return f"first-of-{trunk_id}"


def first_change(trunk_id: str, at_ms: int) -> StateChange:
    """How a trunk came to be AVAILABLE."""
    return StateChange(
        event_id=event_id(trunk_id),
        trunk_id=trunk_id,
        trunk_name=trunk_id,
        sequence=1,
        at_ms=at_ms,
        previous_state=TrunkState.UNKNOWN,
        state=TrunkState.AVAILABLE,
        reason=Reason.KEEPALIVE_RESTORED,
        failed_attempts=0,
        last_success_ms=at_ms,
        instance_id=INSTANCE,
        region="default",
    )
