"""StreamStore on a database: a row for each stream that was made through the API.

A stream that goes takes along what waits for it, which may be as much as an outage of all trunks
left behind. So that goes in small transactions, and the row in the last one: whatever happens in
between, the stream is still there to be dropped again. What it was owed, and its alerts, go after
that: until it is gone it might stay.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, delete, select, tuple_

from trunkpulse.adapters.storage.engine import (
    BATCH_ROWS,
    Database,
    in_turn,
    insert_or_update,
    undisturbed,
)
from trunkpulse.adapters.storage.tables import (
    alert_groups,
    alert_members,
    deliveries,
    delivery_attempts,
    event_streams,
    owed_recoveries,
    stream_health,
)
from trunkpulse.ports import KeptStream

__all__ = ["DatabaseStreams"]

# Each has a small index of its own, which both at once would not use. What is pending goes from
# the end of that index on, the followers of a trunk before its head.
_WAITING = (deliveries.c.result.is_(None), deliveries.c.due_ms.is_not(None))
_OF_ALERTS = deliveries.c.alert_kind.is_not(None)
_NEWEST_FIRST = (deliveries.c.trunk_id.desc(), deliveries.c.id.desc())
_MANY = (
    (owed_recoveries, owed_recoveries.c.trunk_id),
    (alert_members, alert_members.c.group_key, alert_members.c.trunk_id),
    (alert_groups, alert_groups.c.group_key),
    (delivery_attempts, delivery_attempts.c.id),
)
"""What may be a row for each trunk, and what tells the rows of a stream apart, in the order of an
index: so much is not dropped in one transaction."""


class DatabaseStreams(Database):
    """The event streams that no file declares."""

    @undisturbed
    async def load_streams(self) -> list[KeptStream]:
        """All of them, the oldest first."""
        query = select(event_streams).order_by(event_streams.c.created_ms, event_streams.c.id)
        async with self._reading() as connection:
            found = await connection.execute(query)
            return [KeptStream(**row) for row in found.mappings()]

    @in_turn
    async def save_stream(self, stream: KeptStream) -> None:
        """Write it, in place of one with the same id."""
        await self._at_once(partial(_save, stream))

    async def drop_backlog(self, stream_id: str) -> None:
        """Drop what waits for it, some of it at a time."""
        pending, due = _WAITING
        while await self._drop_some(stream_id, pending, *_NEWEST_FIRST) == BATCH_ROWS:
            pass
        while await self._drop_some(stream_id, due) == BATCH_ROWS:
            pass
        while await self._drop_some(stream_id, _OF_ALERTS, deliveries.c.trunk_id) == BATCH_ROWS:
            pass

    async def drop_stream(self, stream_id: str) -> None:
        """Drop it with all that waits for it."""
        await self.drop_backlog(stream_id)
        await self._drop_rest(stream_id)

    async def drop_remains(self, stream_id: str) -> None:
        """Drop what it was owed, its alerts and what was said to it, some at a time."""
        for table, *key in _MANY:
            while await self._drop_some_of(table, stream_id, key) == BATCH_ROWS:
                pass

    @in_turn
    async def _drop_some(
        self, stream_id: str, waiting: ColumnElement[bool], *order: ColumnElement[Any]
    ) -> int:
        # The last transaction is durable, and so are these with it.
        drop = partial(_drop_deliveries, stream_id, waiting, order)
        return await self._at_once(drop, lasting=False)

    @in_turn
    async def _drop_some_of(
        self, table: Table, stream_id: str, key: Sequence[ColumnElement[Any]]
    ) -> int:
        return await self._at_once(partial(_drop_rows, table, stream_id, key), lasting=False)

    @in_turn
    async def _drop_rest(self, stream_id: str) -> None:
        await self._at_once(partial(_drop, stream_id))


def _save(stream: KeptStream, connection: Connection) -> None:
    row = {
        "id": stream.id,
        "definition": dict(stream.definition),
        "secrets": dict(stream.secrets),
        "revision": stream.revision,
        "created_ms": stream.created_ms,
        "changed_ms": stream.changed_ms,
    }
    connection.execute(insert_or_update(connection, event_streams), [row])


def _drop_deliveries(
    stream_id: str,
    waiting: ColumnElement[bool],
    order: Sequence[ColumnElement[Any]],
    connection: Connection,
) -> int:
    query = select(deliveries.c.id).where(waiting, deliveries.c.stream_id == stream_id)
    some = list(connection.execute(query.order_by(*order).limit(BATCH_ROWS)).scalars())
    connection.execute(delete(delivery_attempts).where(delivery_attempts.c.delivery_id.in_(some)))
    connection.execute(delete(deliveries).where(deliveries.c.id.in_(some)))
    return len(some)


def _drop_rows(
    table: Table, stream_id: str, key: Sequence[ColumnElement[Any]], connection: Connection
) -> int:
    query = select(*key).where(table.c.stream_id == stream_id)
    some = [tuple(row) for row in connection.execute(query.order_by(*key).limit(BATCH_ROWS))]
    if some:
        these = tuple_(*key).in_(some)
        connection.execute(delete(table).where(table.c.stream_id == stream_id, these))
    return len(some)


def _drop(stream_id: str, connection: Connection) -> None:
    for waiting in (*_WAITING, _OF_ALERTS):
        connection.execute(delete(deliveries).where(waiting, deliveries.c.stream_id == stream_id))
    connection.execute(delete(stream_health).where(stream_health.c.stream_id == stream_id))
    connection.execute(delete(event_streams).where(event_streams.c.id == stream_id))
