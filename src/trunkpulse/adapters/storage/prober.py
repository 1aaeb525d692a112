"""ProberLog on a database: the events of an instance, filed under ``ProberEvent.entity``."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from trunkpulse.adapters.storage.engine import Database, in_turn, undisturbed
from trunkpulse.adapters.storage.entity_events import EntityEvent, count_of, write_next
from trunkpulse.events.prober_envelope import encode_prober
from trunkpulse.model import ProberEvent

__all__ = ["DatabaseProberLog"]


class DatabaseProberLog(Database):
    """An instance's suspicions of itself."""

    @undisturbed
    async def prober_sequence(self, instance_id: str) -> int:
        """Of the last event of this instance's prober; 0 before the first."""
        async with self._reading() as connection:
            return await connection.run_sync(count_of, f"prober:{instance_id}")

    @in_turn
    async def record_prober(self, event: ProberEvent, tell: Sequence[str]) -> bool:
        """Write the event, its number and its deliveries; False if it does not come next."""
        written = EntityEvent(
            entity=event.entity,
            sequence=event.sequence,
            event_id=event.event_id,
            at_ms=event.at_ms,
            body=encode_prober(event),
        )
        return await self._at_once(partial(write_next, event=written, tell=tell))
