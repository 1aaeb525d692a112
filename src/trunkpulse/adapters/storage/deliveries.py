"""DeliveryLog on a database: what became of deliveries, and new ones of events that were told.

A replay looks its events up in one go, as far as a call may reach, and then writes them some at a
time, so that commits get their turn in between. What it found may have changed by then: whatever
decides is therefore read again in the transaction that writes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Row,
    bindparam,
    exists,
    func,
    literal,
    select,
    text,
    update,
)

from trunkpulse.adapters.storage.engine import Database, batches, in_turn, undisturbed
from trunkpulse.adapters.storage.health import INSERT_DELIVERY
from trunkpulse.adapters.storage.rules import AT_ONCE
from trunkpulse.adapters.storage.tables import deliveries, delivery_attempts, events
from trunkpulse.ports import (
    MAX_REPLAYED,
    AlertKind,
    DeliveryResult,
    DeliveryState,
    RecordedAttempt,
    RecordedDelivery,
    ReplayChoice,
    Replayed,
    StreamBacklog,
)

__all__ = ["DatabaseDeliveries"]

_SELECT = select(deliveries, events.c.event_id, events.c.at_ms).join_from(
    deliveries, events, deliveries.c.position == events.c.position
)
# These two are the conditions of indexes, word for word: SQLite takes an index for nothing else.
_LISTED = text("deliveries.attempts >= 0")
_IN_TROUBLE = text("deliveries.result IN ('parked', 'dead')")
_PENDING = deliveries.c.result.is_(None)
_OF_EVENT = deliveries.c.alert_kind.is_(None)
"""What is told of an alert is for its stream's lane alone to send again."""
_INSERT_AGAIN = INSERT_DELIVERY.values(replayed_ms=bindparam("replayed", type_=BigInteger))
_HURRY = (
    update(deliveries)
    .where(
        deliveries.c.id == bindparam("parked_id"),
        deliveries.c.result == DeliveryResult.PARKED,
        deliveries.c.claimed_by.is_(None),
    )
    .values(due_ms=AT_ONCE)
)
_RETRY = (
    update(deliveries)
    .where(
        deliveries.c.id == bindparam("of_delivery"),
        deliveries.c.stream_id == bindparam("of_stream"),
        deliveries.c.result.in_([DeliveryResult.PARKED, DeliveryResult.DEAD]),
        deliveries.c.claimed_by.is_(None),
        _OF_EVENT,
    )
    # Parked, whatever it was: newer events of its trunk have passed it.
    .values(result=DeliveryResult.PARKED, times_parked=1, due_ms=AT_ONCE)
)
_COUNTS = (
    select(deliveries.c.stream_id, literal(DeliveryState.PENDING.value), func.count())
    .where(_PENDING)
    .group_by(deliveries.c.stream_id),
    select(deliveries.c.stream_id, deliveries.c.result, func.count())
    .where(_IN_TROUBLE)
    .group_by(deliveries.c.stream_id, deliveries.c.result),
)
# The oldest that is pending is the head of its trunk, and heads are found in an index of their own.
_OLDEST = (
    select(deliveries.c.stream_id, func.min(deliveries.c.position).label("position"))
    .where(
        deliveries.c.due_ms.is_not(None),
        deliveries.c.times_parked == 0,
        deliveries.c.replayed_ms.is_(None),
    )
    .group_by(deliveries.c.stream_id)
    .subquery()
)


class DatabaseDeliveries(Database):
    """The deliveries of every stream, for whoever operates them."""

    @undisturbed
    async def deliveries(
        self,
        stream_id: str,
        *,
        state: DeliveryState | None = None,
        trunk_id: str | None = None,
        before: int | None = None,
        limit: int = 100,
    ) -> list[RecordedDelivery]:
        """At most ``limit`` of a stream, newest first, with an id below ``before``."""
        query = _SELECT.where(deliveries.c.stream_id == stream_id)
        if state is DeliveryState.PENDING:
            query = query.where(_PENDING)
        elif state in {DeliveryState.PARKED, DeliveryState.DEAD}:
            query = query.where(_IN_TROUBLE, deliveries.c.result == state)
        else:
            query = query.where(_LISTED)
        if state is DeliveryState.DELIVERED:
            query = query.where(deliveries.c.result == state)
        if trunk_id is not None:
            query = query.where(deliveries.c.trunk_id == trunk_id)
        if before is not None:
            query = query.where(deliveries.c.id < before)
        async with self._reading() as connection:
            rows = await connection.execute(query.order_by(deliveries.c.id.desc()).limit(limit))
            return [_recorded(row) for row in rows]

    @undisturbed
    async def delivery(self, stream_id: str, delivery_id: int) -> RecordedDelivery | None:
        """One of a stream; None if it has none of this id."""
        query = _SELECT.where(deliveries.c.id == delivery_id, deliveries.c.stream_id == stream_id)
        async with self._reading() as connection:
            row = (await connection.execute(query)).one_or_none()
            return None if row is None else _recorded(row)

    @undisturbed
    async def attempts(self, delivery_id: int, *, limit: int = 100) -> list[RecordedAttempt]:
        """The last attempts at one delivery, newest first, as far as they are kept."""
        query = (
            select(delivery_attempts)
            .where(delivery_attempts.c.delivery_id == delivery_id)
            .order_by(delivery_attempts.c.id.desc())
            .limit(limit)
        )
        async with self._reading() as connection:
            return [
                RecordedAttempt(
                    attempt=row.attempt,
                    at_ms=row.at_ms,
                    duration_ms=row.duration_ms,
                    result=DeliveryResult(row.result),
                    request=row.request,
                    response=row.response,
                )
                for row in await connection.execute(query)
            ]

    @undisturbed
    async def backlogs(self) -> Mapping[str, StreamBacklog]:
        """By stream id, counted in the indexes of what is pending or in trouble."""
        counts: dict[str, dict[str, int]] = {}
        async with self._reading() as connection:
            for grouped in _COUNTS:
                for stream_id, state, count in await connection.execute(grouped):
                    counts.setdefault(stream_id, {})[state] = count
            moments = select(_OLDEST.c.stream_id, events.c.at_ms).join_from(
                _OLDEST, events, events.c.position == _OLDEST.c.position
            )
            oldest = {row.stream_id: row.at_ms for row in await connection.execute(moments)}
        return {
            stream_id: StreamBacklog(**of_stream, oldest_ms=oldest.get(stream_id))
            for stream_id, of_stream in counts.items()
        }

    async def replay(
        self, stream_id: str, choice: ReplayChoice, *, now_ms: int, after: int = 0
    ) -> Replayed:
        """Deliver events again under their own ids, in order per trunk, ``MAX_REPLAYED`` at most.

        A call that is cut short has set off the first part of it.
        """
        chosen = await self._chosen(stream_id, choice, after)
        positions = chosen[:MAX_REPLAYED]
        again = hurried = 0
        for batch in batches(positions):
            made, moved = await self._replay_batch(stream_id, batch, choice, now_ms)
            again, hurried = again + made, hurried + moved
        return Replayed(
            again=again,
            hurried=hurried,
            reached=positions[-1] if positions else after,
            more=len(chosen) > len(positions),
        )

    @in_turn
    async def retry(self, stream_id: str, delivery_id: int) -> bool:
        """Make a parked or dead delivery due at once; False if it is neither, or is being sent."""
        values = {"of_stream": stream_id, "of_delivery": delivery_id}

        def due_at_once(connection: Connection) -> bool:
            return connection.execute(_RETRY, values).rowcount == 1

        return await self._at_once(due_at_once)

    @undisturbed
    async def _chosen(self, stream_id: str, choice: ReplayChoice, after: int) -> Sequence[int]:
        """The positions of what ``choice`` takes, one more than a call may replay."""
        query = select(events.c.position).where(events.c.position > after)
        if choice.event_id is not None:
            query = query.where(events.c.event_id == choice.event_id)
        else:
            query = query.where(_told(stream_id))
        if choice.trunk_id is not None:
            query = query.where(events.c.trunk_id == choice.trunk_id)
        if choice.from_ms is not None:
            query = query.where(events.c.at_ms >= choice.from_ms)
        if choice.to_ms is not None:
            query = query.where(events.c.at_ms < choice.to_ms)
        if choice.dead_only:
            query = query.where(_told(stream_id, deliveries.c.result == DeliveryResult.DEAD))
        query = query.order_by(events.c.position).limit(MAX_REPLAYED + 1)
        async with self._reading() as connection:
            return list((await connection.execute(query)).scalars())

    @in_turn
    async def _replay_batch(
        self, stream_id: str, positions: Sequence[int], choice: ReplayChoice, now_ms: int
    ) -> tuple[int, int]:
        replay = partial(_replay, stream_id, positions, now_ms, dead_only=choice.dead_only)
        return await self._at_once(replay)


def _told(stream_id: str, *conditions: ColumnElement[bool]) -> ColumnElement[bool]:
    """Whether an event has a delivery to this stream."""
    return exists().where(
        deliveries.c.position == events.c.position,
        deliveries.c.stream_id == stream_id,
        _OF_EVENT,
        *conditions,
    )


def _replay(
    stream_id: str,
    positions: Sequence[int],
    now_ms: int,
    connection: Connection,
    *,
    dead_only: bool,
) -> tuple[int, int]:
    """How many new deliveries were made, and how many parked ones are now due."""
    found = connection.execute(
        select(events.c.position, events.c.trunk_id)
        .where(events.c.position.in_(positions))
        .order_by(events.c.position)
    ).all()
    last: dict[int, tuple[int, str | None]] = {}
    waiting: set[int] = set()
    told = connection.execute(
        select(deliveries.c.position, deliveries.c.id, deliveries.c.result)
        .where(deliveries.c.position.in_(positions), deliveries.c.stream_id == stream_id, _OF_EVENT)
        .order_by(deliveries.c.id)
    )
    parked: list[dict[str, int]] = []
    for position, delivery_id, result in told:
        last[position] = delivery_id, result
        if result is None:
            waiting.add(position)
        elif result == DeliveryResult.PARKED:
            waiting.add(position)
            parked.append({"parked_id": delivery_id})
    again = [
        {
            "to_stream": stream_id,
            "of_trunk": trunk_id,
            "at_position": position,
            "at_once": AT_ONCE,
            "replayed": now_ms,
        }
        for position, trunk_id in found
        if position not in waiting
        and (not dead_only or last.get(position, (0, None))[1] == DeliveryResult.DEAD)
    ]
    if again:
        connection.execute(_INSERT_AGAIN, again)
    if not parked or dead_only:
        return len(again), 0
    return len(again), connection.execute(_HURRY, parked).rowcount


def _recorded(row: Row[Any]) -> RecordedDelivery:
    return RecordedDelivery(
        id=row.id,
        stream_id=row.stream_id,
        trunk_id=row.trunk_id,
        event_id=row.event_id,
        position=row.position,
        state=DeliveryState.PENDING if row.result is None else DeliveryState(row.result),
        attempts=row.attempts,
        times_parked=row.times_parked,
        recorded_ms=row.at_ms,
        due_ms=row.due_ms,
        settled_ms=row.settled_ms,
        replayed_ms=row.replayed_ms,
        detail=row.detail,
        alert=None if row.alert_kind is None else AlertKind(row.alert_kind),
    )
