"""MaintenanceStore on a database: a row for each window that was planned through the API."""

from __future__ import annotations

from datetime import time
from functools import partial
from typing import Any

from sqlalchemy import Connection, delete, select

from trunkpulse.adapters.storage.engine import Database, in_turn, insert_or_update, undisturbed
from trunkpulse.adapters.storage.tables import maintenance_windows
from trunkpulse.model import MaintenanceWindow, Recurrence, Repeat, Weekday

__all__ = ["DatabaseMaintenance"]


class DatabaseMaintenance(Database):
    """The maintenance windows that no file declares."""

    @undisturbed
    async def load_windows(self) -> list[MaintenanceWindow]:
        """All of them, by id."""
        query = select(maintenance_windows).order_by(maintenance_windows.c.id)
        async with self._reading() as connection:
            rows = await connection.execute(query)
            return [_window(row.id, row.definition) for row in rows]

    @in_turn
    async def save_window(self, window: MaintenanceWindow, now_ms: int) -> None:
        """Write it, in place of one with the same id."""
        row = {
            "id": window.id,
            "definition": _definition(window),
            "revision": 1,
            "created_ms": now_ms,
            "changed_ms": now_ms,
        }
        await self._at_once(partial(_save, row))

    @in_turn
    async def remove_window(self, window_id: str) -> None:
        """Drop it, if it is there."""
        await self._at_once(partial(_remove, window_id))


def _save(row: dict[str, Any], connection: Connection) -> None:
    connection.execute(insert_or_update(connection, maintenance_windows), [row])


def _remove(window_id: str, connection: Connection) -> None:
    connection.execute(delete(maintenance_windows).where(maintenance_windows.c.id == window_id))


def _definition(window: MaintenanceWindow) -> dict[str, Any]:
    again = window.recurrence
    return {
        "name": window.name,
        "trunks": list(window.trunks),
        "carriers": list(window.carriers),
        "regions": list(window.regions),
        "starts_ms": window.starts_ms,
        "ends_ms": window.ends_ms,
        "recurrence": None
        if again is None
        else {
            "repeat": again.repeat,
            "at": again.at.isoformat(),
            "duration_seconds": again.duration_seconds,
            "days": list(again.days),
            "time_zone": again.time_zone,
        },
    }


def _window(window_id: str, definition: dict[str, Any]) -> MaintenanceWindow:
    again = definition["recurrence"]
    return MaintenanceWindow(
        id=window_id,
        name=definition["name"],
        trunks=tuple(definition["trunks"]),
        carriers=tuple(definition["carriers"]),
        regions=tuple(definition["regions"]),
        starts_ms=definition["starts_ms"],
        ends_ms=definition["ends_ms"],
        recurrence=None
        if again is None
        else Recurrence(
            repeat=Repeat(again["repeat"]),
            at=time.fromisoformat(again["at"]),
            duration_seconds=again["duration_seconds"],
            days=tuple(Weekday(day) for day in again["days"]),
            time_zone=again["time_zone"],
        ),
    )
