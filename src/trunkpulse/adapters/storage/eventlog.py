"""EventLog on a database, and the pruning that keeps it from growing for ever."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, delete, exists, func, or_, select

from trunkpulse.adapters.storage.engine import BATCH_ROWS, Database, in_turn, undisturbed
from trunkpulse.adapters.storage.tables import deliveries, events
from trunkpulse.ports import DeliveryResult, RecordedEvent

__all__ = ["DatabaseEventLog"]


class DatabaseEventLog(Database):
    """The recorded events, by position."""

    async def read(
        self, *, after: int = 0, limit: int = 100, trunk_id: str | None = None
    ) -> list[RecordedEvent]:
        """At most ``limit`` events above ``after``, in order."""
        query = select(events).where(events.c.position > after, *_of(trunk_id))
        return await self._events(query.order_by(events.c.position).limit(limit))

    async def latest(
        self, *, before: int | None = None, limit: int = 100, trunk_id: str | None = None
    ) -> list[RecordedEvent]:
        """At most ``limit`` events below ``before``, newest first."""
        query = select(events).where(*_of(trunk_id))
        if before is not None:
            query = query.where(events.c.position < before)
        return await self._events(query.order_by(events.c.position.desc()).limit(limit))

    @undisturbed
    async def last_position(self) -> int:
        """The position of the newest event, 0 if there is none."""
        async with self._reading() as connection:
            newest = await connection.execute(select(func.max(events.c.position)))
            return newest.scalar() or 0

    async def prune(self, before_ms: int) -> int:
        """Drop events older than ``before_ms`` that no delivery waits for; how many.

        Their settled deliveries go with them. Works in small transactions, so that commits get
        their turn in between; raises StoreUnavailable, and what was dropped until then stays
        dropped.
        """
        dropped = 0
        while batch := await self._prune_batch(before_ms):
            dropped += batch
        return dropped

    @in_turn
    async def _prune_batch(self, before_ms: int) -> int:
        waited_for = exists().where(
            deliveries.c.position == events.c.position,
            or_(deliveries.c.result.is_(None), deliveries.c.result == DeliveryResult.PARKED),
        )
        oldest = (
            select(events.c.position)
            .where(events.c.at_ms < before_ms, ~waited_for)
            .order_by(events.c.at_ms)
            .limit(BATCH_ROWS)
        )

        def drop(connection: Connection) -> int:
            positions = list(connection.execute(oldest).scalars())
            connection.execute(delete(deliveries).where(deliveries.c.position.in_(positions)))
            connection.execute(delete(events).where(events.c.position.in_(positions)))
            return len(positions)

        return await self._at_once(drop)

    @undisturbed
    async def _events(self, query: Select[*tuple[Any, ...]]) -> list[RecordedEvent]:
        async with self._reading() as connection:
            return [RecordedEvent(*row) for row in await connection.execute(query)]


def _of(trunk_id: str | None) -> tuple[ColumnElement[bool], ...]:
    return () if trunk_id is None else (events.c.trunk_id == trunk_id,)
