"""Events that are not of a trunk: of an instance's prober, or of a stream.

They lie in the same log and outbox as all others, filed under a name that no trunk can have for an
id, so that one order of delivery holds for each of these entities as it does for each trunk. Their
number is kept as a counter, because events are pruned and the number must never be used twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, insert, select, update

from trunkpulse.adapters.storage.engine import insert_or_update
from trunkpulse.adapters.storage.health import INSERT_DELIVERY
from trunkpulse.adapters.storage.rules import AT_ONCE
from trunkpulse.adapters.storage.tables import EVENT_POSITION, counters, events

__all__ = ["EntityEvent", "count_of", "write_next"]

_LOCK_POSITION = select(counters.c.value).where(counters.c.name == EVENT_POSITION).with_for_update()


@dataclass(frozen=True, slots=True, kw_only=True)
class EntityEvent:
    """One event as it is written."""

    entity: str
    sequence: int
    """Counts the events of ``entity`` from 1 without gaps."""
    event_id: str
    at_ms: int
    body: str


def count_of(connection: Connection, entity: str) -> int:
    """The number of the last event of ``entity``; 0 before the first."""
    found = connection.execute(select(counters.c.value).where(counters.c.name == entity))
    return found.scalar() or 0


def write_next(connection: Connection, event: EntityEvent, tell: Sequence[str]) -> bool:
    """Write the event, its number and its deliveries; False if it does not come next."""
    # Locks out other writers on PostgreSQL too; SQLite has one writer anyway.
    position: int = 1 + connection.execute(_LOCK_POSITION).scalar_one()
    if count_of(connection, event.entity) != event.sequence - 1:
        return False
    connection.execute(
        insert_or_update(connection, counters), [{"name": event.entity, "value": event.sequence}]
    )
    connection.execute(
        insert(events).values(
            position=position,
            event_id=event.event_id,
            trunk_id=event.entity,
            at_ms=event.at_ms,
            body=event.body,
        )
    )
    told = [
        {
            "to_stream": stream_id,
            "of_trunk": event.entity,
            "at_position": position,
            "at_once": AT_ONCE,
        }
        for stream_id in tell
    ]
    if told:
        connection.execute(INSERT_DELIVERY, told)
    connection.execute(
        update(counters).where(counters.c.name == EVENT_POSITION).values(value=position)
    )
    return True
