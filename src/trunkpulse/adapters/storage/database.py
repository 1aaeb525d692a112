"""The store on a database: SQLite now, PostgreSQL with the same tables and statements."""

from __future__ import annotations

import asyncio
from typing import Self

from trunkpulse.adapters.storage.alert_attempts import DatabaseAlertAttempts
from trunkpulse.adapters.storage.alerts import DatabaseAlerts
from trunkpulse.adapters.storage.audit import DatabaseAudit
from trunkpulse.adapters.storage.deliveries import DatabaseDeliveries
from trunkpulse.adapters.storage.documents import DatabaseDocuments
from trunkpulse.adapters.storage.eventlog import DatabaseEventLog
from trunkpulse.adapters.storage.health import DatabaseHealth
from trunkpulse.adapters.storage.maintenance import DatabaseMaintenance
from trunkpulse.adapters.storage.measures import DatabaseMeasures
from trunkpulse.adapters.storage.migrate import migrate
from trunkpulse.adapters.storage.outbox import DatabaseOutbox
from trunkpulse.adapters.storage.place import locate, prepare
from trunkpulse.adapters.storage.prober import DatabaseProberLog
from trunkpulse.adapters.storage.stream_health import DatabaseStreamHealth
from trunkpulse.adapters.storage.streams import DatabaseStreams
from trunkpulse.ports import Clock

__all__ = ["DatabaseStore"]


class DatabaseStore(
    DatabaseHealth,
    DatabaseProberLog,
    DatabaseEventLog,
    DatabaseOutbox,
    DatabaseDeliveries,
    DatabaseStreamHealth,
    DatabaseStreams,
    DatabaseAlerts,
    DatabaseAlertAttempts,
    DatabaseMaintenance,
    DatabaseMeasures,
    DatabaseDocuments,
    DatabaseAudit,
):
    """HealthStore, ProberLog, EventLog and Outbox in one database, so that they commit together.

    Beside them the MeasureStore, which nothing waits for.
    """

    @classmethod
    async def open(cls, url: str, *, instance_id: str, clock: Clock) -> Self:
        """Create or upgrade the database at ``url`` and open it.

        ``url`` is ``sqlite:///FILE`` or ``postgresql://…``; ``instance_id`` signs the claims of
        this process and stays the same over restarts. Raises StorageError, with a sentence for
        a person, if the database cannot be used.
        """
        place = locate(url)
        await asyncio.to_thread(prepare, place)
        await migrate(place)
        return cls(place, instance_id=instance_id, clock=clock)
