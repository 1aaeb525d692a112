"""EventLog on a database, and the pruning that keeps it from growing for ever.

What readers ask for beside the trunk is read from the events themselves, by the database: no index
would hold every combination, and a commit, of which there may be thousands a second, pays for each
one. So a search looks at a bounded number of events, one after the other, and says how far it came.
Two things spare it most of that: the events of a trunk, an instance's prober or a stream lie
together in an index, and so do moments. Positions follow moments closely but not exactly (a clock
was set back, the database was away), so the part of the log that is worth a look begins at the
lowest position among the ``SPAN`` events that come first by the clock, and ends likewise.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    JSON,
    ColumnElement,
    Connection,
    Select,
    Text,
    cast,
    delete,
    exists,
    func,
    or_,
    select,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from trunkpulse.adapters.storage.engine import BATCH_ROWS, Database, in_turn, undisturbed
from trunkpulse.adapters.storage.tables import deliveries, delivery_attempts, events
from trunkpulse.model import EventType
from trunkpulse.ports import DeliveryResult, FoundEvents, RecordedEvent, WantedEvents

__all__ = ["DatabaseEventLog"]

SPAN = 10_000
"""Events that may lie between where an event stands and where its moment would have put it."""

_FILED_UNDER = {
    EventType.PROBER_ISOLATED: "prober",
    EventType.PROBER_RESTORED: "prober",
    EventType.STREAM_DISABLED: "stream",
}
"""How ``trunk_id`` begins, up to a colon, which no trunk has in its id."""

_Conditions = list[ColumnElement[bool]]


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
    async def search(
        self,
        wanted: WantedEvents,
        *,
        after: int | None,
        limit: int,
        looks: int,
        newest_first: bool = False,
    ) -> FoundEvents:
        """At most ``limit`` of the events that are wanted, among ``looks`` that are looked at."""
        async with self._reading() as connection:
            dialect = connection.dialect.name
            where, place = _filed(wanted, dialect)
            if wanted.from_ms is not None or wanted.to_ms is not None:
                first, last = await _span(connection, wanted)
                if first is None or last is None:
                    return FoundEvents((), after or 0, more=False)
                where.append(place.between(first, last))
            if after is not None:
                where.append(place < after if newest_first else place > after)
            facts = _facts(wanted, events.c.body, dialect)
            if not facts:
                looks = min(looks, limit + 1)  # all that it looks at is wanted
            candidates = (
                select(events.c.position)
                .where(*where)
                .order_by(place.desc() if newest_first else place)
                .limit(looks)
                .subquery()
            )
            position = events.c.position
            rows = await connection.execute(
                select(events)
                .where(position.in_(select(candidates.c.position)), *facts)
                .order_by(position.desc() if newest_first else position)
                .limit(limit + 1)  # one more tells whether there is more
            )
            found = [RecordedEvent(*row) for row in rows]
            if len(found) > limit:
                return FoundEvents(found[:limit], found[limit - 1].position, more=True)
            if not facts and looks > limit:
                return FoundEvents(found, found[-1].position if found else after or 0, more=False)
            furthest = func.min if newest_first else func.max
            ended = select(func.count(), furthest(candidates.c.position))
            count, reached = (await connection.execute(ended)).one()
            return FoundEvents(found, reached or after or 0, more=count == looks)

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
            # What is told of an alert keeps nothing: its lane sends it again out of the alert.
            deliveries.c.alert_kind.is_(None),
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
            theirs = deliveries.c.position.in_(positions)
            connection.execute(
                delete(delivery_attempts).where(
                    delivery_attempts.c.delivery_id.in_(select(deliveries.c.id).where(theirs))
                )
            )
            connection.execute(delete(deliveries).where(theirs))
            connection.execute(delete(events).where(events.c.position.in_(positions)))
            return len(positions)

        return await self._at_once(drop)

    @undisturbed
    async def _events(self, query: Select[*tuple[Any, ...]]) -> list[RecordedEvent]:
        async with self._reading() as connection:
            return [RecordedEvent(*row) for row in await connection.execute(query)]


def _of(trunk_id: str | None) -> tuple[ColumnElement[bool], ...]:
    return () if trunk_id is None else (events.c.trunk_id == trunk_id,)


def _filed(wanted: WantedEvents, dialect: str) -> tuple[_Conditions, ColumnElement[int]]:
    """What the index of entities leads to, and the position as it is best written beside it."""
    entity, position = events.c.trunk_id, events.c.position
    if wanted.trunk_id is not None:
        return [entity == wanted.trunk_id], position
    for event_type, prefix in _FILED_UNDER.items():
        if event_type == wanted.event_type:
            # SQLite compares byte by byte unless told; elsewhere a colon may count for nothing.
            plain = entity if dialect == "sqlite" else entity.collate("C")
            among = [plain > f"{prefix}:", plain < f"{prefix};"]  # the sign after the colon
            # A database takes the order of positions for the shorter way, through the whole log.
            return among, position + 0
    return [], position


def _facts(wanted: WantedEvents, body: ColumnElement[str], dialect: str) -> _Conditions:
    """What has to be looked at in each event."""
    members = {
        ("eventType",): wanted.event_type,
        ("state",): wanted.state,
        ("reasonCode",): wanted.reason_code,
        ("metadata", "region"): wanted.region,
    }
    found = [
        _member(body, path, dialect) == word for path, word in members.items() if word is not None
    ]
    return [*found, *_moments(wanted)]


def _member(body: ColumnElement[str], path: tuple[str, ...], dialect: str) -> ColumnElement[str]:
    """The text at this place of the JSON."""
    if dialect == "sqlite":
        return func.json_extract(body, f"$.{'.'.join(path)}", type_=Text)
    return func.json_extract_path_text(cast(body, JSON), *path, type_=Text)


def _moments(wanted: WantedEvents) -> _Conditions:
    happened = events.c.at_ms
    conditions: _Conditions = []
    if wanted.from_ms is not None:
        conditions.append(happened >= wanted.from_ms)
    if wanted.to_ms is not None:
        conditions.append(happened < wanted.to_ms)
    return conditions


async def _span(connection: AsyncConnection, wanted: WantedEvents) -> tuple[int | None, int | None]:
    """The first and the last position worth a look, by the moments; None: there is none."""
    by_clock = select(events.c.position).where(*_moments(wanted)).limit(SPAN)
    earliest = by_clock.order_by(events.c.at_ms).subquery()
    latest = by_clock.order_by(events.c.at_ms.desc()).subquery()
    first = await connection.execute(select(func.min(earliest.c.position)))
    last = await connection.execute(select(func.max(latest.c.position)))
    return first.scalar(), last.scalar()
