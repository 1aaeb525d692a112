"""Maintenance that was planned through the API."""

from __future__ import annotations

from typing import Protocol

from trunkpulse.model import MaintenanceWindow

__all__ = ["MaintenanceStore"]


class MaintenanceStore(Protocol):
    """Keeps the windows that no configuration file declares."""

    async def load_windows(self) -> list[MaintenanceWindow]:
        """All of them, by id."""

    async def save_window(self, window: MaintenanceWindow, now_ms: int) -> None:
        """Write it, in place of one with the same id; raises StoreUnavailable."""

    async def remove_window(self, window_id: str) -> None:
        """Drop it, if it is there; raises StoreUnavailable."""
