"""AuditLog without a disk: the same answers as a database, for simulations and tests."""

from __future__ import annotations

from trunkpulse.ports import AuditEntry

__all__ = ["MemoryAudit"]


class MemoryAudit:
    """What was done and refused, in a plain list."""

    def __init__(self) -> None:
        super().__init__()
        self._audit: list[AuditEntry] = []

    async def last_audit_entry(self) -> AuditEntry | None:
        """The newest one."""
        return self._audit[-1] if self._audit else None

    async def add_audit_entries(self, entries: list[AuditEntry]) -> None:
        """Write them."""
        self._audit += entries

    async def read_audit(
        self, *, after: int = 0, before: int | None = None, limit: int, newest_first: bool = False
    ) -> list[AuditEntry]:
        """Entries between two positions, in the order asked for."""
        found = [
            each
            for each in self._audit
            if each.position > after and (before is None or each.position < before)
        ]
        return (found[::-1] if newest_first else found)[:limit]
