"""StreamWatch on a database: which streams are in trouble, since when, and which are given up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict

from sqlalchemy import Connection, delete, select

from trunkpulse.adapters.storage.engine import Database, in_turn, insert_or_update, undisturbed
from trunkpulse.adapters.storage.entity_events import EntityEvent, count_of, write_next
from trunkpulse.adapters.storage.tables import stream_health
from trunkpulse.events.stream_envelope import encode_disabled
from trunkpulse.model import StreamDisabled
from trunkpulse.ports import StreamHealth

__all__ = ["DatabaseStreamHealth"]


class DatabaseStreamHealth(Database):
    """A row for each stream in trouble."""

    @undisturbed
    async def stream_health(self) -> Mapping[str, StreamHealth]:
        """By stream id; one that is well is absent."""
        async with self._reading() as connection:
            return {
                row.stream_id: StreamHealth(
                    failing_since_ms=row.failing_since_ms,
                    failed_ms=row.failed_ms,
                    detail=row.detail,
                    disabled_ms=row.disabled_ms,
                )
                for row in await connection.execute(select(stream_health))
            }

    @in_turn
    async def note_health(self, stream_id: str, health: StreamHealth | None) -> None:
        """Remember this of a stream; None: it is well."""
        await self._at_once(lambda connection: _note(connection, stream_id, health))

    @undisturbed
    async def stream_sequence(self, stream_id: str) -> int:
        """Of the last event about this stream itself; 0 before the first."""
        async with self._reading() as connection:
            return await connection.run_sync(count_of, f"stream:{stream_id}")

    @in_turn
    async def record_disabled(
        self, event: StreamDisabled, health: StreamHealth, tell: Sequence[str]
    ) -> bool:
        """Remember that it is given up, with the event and its deliveries, in one transaction."""
        written = EntityEvent(
            entity=event.entity,
            sequence=event.sequence,
            event_id=event.event_id,
            at_ms=event.at_ms,
            body=encode_disabled(event),
        )

        def record(connection: Connection) -> bool:
            if not write_next(connection, written, tell):
                return False
            _note(connection, event.stream_id, health)
            return True

        return await self._at_once(record)


def _note(connection: Connection, stream_id: str, health: StreamHealth | None) -> None:
    if health is None:
        connection.execute(delete(stream_health).where(stream_health.c.stream_id == stream_id))
    else:
        row = {"stream_id": stream_id, **asdict(health)}
        connection.execute(insert_or_update(connection, stream_health), [row])
