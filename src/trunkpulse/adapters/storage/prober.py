"""ProberLog on a database: the events of an instance, in the same log and outbox as all others.

They are filed under ``ProberEvent.entity``, which no trunk can have for an id, so that one order of
delivery holds for each instance as it does for each trunk. Their number is kept as a counter,
because events are pruned and the number must never be used twice.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from trunkpulse.adapters.storage.engine import Database, in_turn, insert_or_update, undisturbed
from trunkpulse.adapters.storage.health import INSERT_DELIVERY
from trunkpulse.adapters.storage.rules import AT_ONCE
from trunkpulse.adapters.storage.tables import EVENT_POSITION, counters, events
from trunkpulse.events.prober_envelope import encode_prober
from trunkpulse.model import ProberEvent

__all__ = ["DatabaseProberLog"]


class DatabaseProberLog(Database):
    """An instance's suspicions of itself."""

    @undisturbed
    async def prober_sequence(self, instance_id: str) -> int:
        """Of the last event of this instance's prober; 0 before the first."""
        async with self._reading() as connection:
            return await _count(connection, _counter(instance_id))

    @in_turn
    async def record_prober(self, event: ProberEvent, tell: Sequence[str]) -> bool:
        """Write the event, its number and its deliveries; False if it does not come next."""
        name = _counter(event.instance_id)
        async with self._writing() as connection:
            # Locks out other writers on PostgreSQL too; SQLite has one writer anyway.
            position: int = (
                1
                + (
                    await connection.execute(
                        select(counters.c.value)
                        .where(counters.c.name == EVENT_POSITION)
                        .with_for_update()
                    )
                ).scalar_one()
            )
            if await _count(connection, name) != event.sequence - 1:
                return False
            await connection.execute(
                insert_or_update(connection, counters), [{"name": name, "value": event.sequence}]
            )
            await connection.execute(
                insert(events).values(
                    position=position,
                    event_id=event.event_id,
                    trunk_id=event.entity,
                    at_ms=event.at_ms,
                    body=encode_prober(event),
                )
            )
            for stream_id in tell:
                await connection.execute(
                    INSERT_DELIVERY,
                    {
                        "to_stream": stream_id,
                        "of_trunk": event.entity,
                        "at_position": position,
                        "at_once": AT_ONCE,
                    },
                )
            await connection.execute(
                update(counters).where(counters.c.name == EVENT_POSITION).values(value=position)
            )
        return True


def _counter(instance_id: str) -> str:
    return f"prober:{instance_id}"


async def _count(connection: AsyncConnection, name: str) -> int:
    found = await connection.execute(select(counters.c.value).where(counters.c.name == name))
    return found.scalar() or 0
