"""AuditLog on a database: a row for each entry, none of them ever changed."""

from __future__ import annotations

from functools import partial

from sqlalchemy import Connection, insert, select

from trunkpulse.adapters.storage.engine import Database, batches, in_turn, undisturbed
from trunkpulse.adapters.storage.tables import audit_entries
from trunkpulse.ports import AuditEntry

__all__ = ["DatabaseAudit"]


class DatabaseAudit(Database):
    """What was done and refused."""

    @undisturbed
    async def last_audit_entry(self) -> AuditEntry | None:
        """The newest one."""
        found = await self.read_audit(limit=1, newest_first=True)
        return found[0] if found else None

    @in_turn
    async def add_audit_entries(self, entries: list[AuditEntry]) -> None:
        """Write them, all or none."""
        await self._at_once(partial(_add, entries))

    @undisturbed
    async def read_audit(
        self, *, after: int = 0, before: int | None = None, limit: int, newest_first: bool = False
    ) -> list[AuditEntry]:
        """Entries between two positions, in the order asked for."""
        position = audit_entries.c.position
        query = select(audit_entries).where(position > after)
        if before is not None:
            query = query.where(position < before)
        query = query.order_by(position.desc() if newest_first else position).limit(limit)
        async with self._reading() as connection:
            found = await connection.execute(query)
            return [AuditEntry(**row) for row in found.mappings()]


def _add(entries: list[AuditEntry], connection: Connection) -> None:
    for some in batches(entries):
        rows = [
            {
                "position": each.position,
                "at_ms": each.at_ms,
                "record": each.record,
                "previous": each.previous,
                "digest": each.digest,
            }
            for each in some
        ]
        connection.execute(insert(audit_entries), rows)
