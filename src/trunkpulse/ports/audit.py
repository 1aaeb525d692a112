"""The record of what administrators did and what they were refused, as it is kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

__all__ = ["AuditEntry", "AuditLog"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """One act, as it is kept for ever."""

    position: int
    """From 1 without a gap."""
    at_ms: int
    record: str
    """Who did what, in canonical JSON; what ``digest`` was made of together with ``previous``."""
    previous: str
    """The digest of the entry before; of the first one, 64 zeros."""
    digest: str
    """SHA-256 in hexadecimal."""


class AuditLog(Protocol):
    """Entries are added at the end and never changed. Each call raises StoreUnavailable."""

    async def last_audit_entry(self) -> AuditEntry | None:
        """The newest one."""

    async def add_audit_entries(self, entries: list[AuditEntry]) -> None:
        """Write them, all or none; durable on return. Their positions follow the newest one's."""

    async def read_audit(
        self, *, after: int = 0, before: int | None = None, limit: int, newest_first: bool = False
    ) -> list[AuditEntry]:
        """Entries between two positions (both excluded), in the order asked for."""
