"""The maintenance that is planned: which trunks are worked on now, and until when.

Windows come from the configuration file and through the API; those of the file are the file's to
change. Which of them go on is worked out once, and holds until the next one begins or ends.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from trunkpulse.model import MaintenanceWindow
from trunkpulse.ports import MaintenanceStore

__all__ = ["MOST_WINDOWS", "Maintenance", "MaintenanceRefused"]

MOST_WINDOWS = 1000
"""Through the API; whoever needs more should name carriers instead of trunks."""


class MaintenanceRefused(ValueError):
    """A window cannot be added or removed; the message is for a person."""


def _permitted(_window: MaintenanceWindow) -> None:
    """Nothing is in the way."""


class Maintenance:
    """See the module's opening. Moments are milliseconds since the epoch."""

    def __init__(self, store: MaintenanceStore, changed: Callable[[], None]) -> None:
        """``changed`` hears that other windows are planned than before."""
        self._store = store
        self._changed = changed
        self._changing = asyncio.Lock()
        self._declared: tuple[MaintenanceWindow, ...] = ()
        self._made: dict[str, MaintenanceWindow] = {}
        self._windows: tuple[MaintenanceWindow, ...] = ()
        self._ongoing: tuple[tuple[MaintenanceWindow, int], ...] = ()
        self._known_from_ms = 0
        self._known_until_ms: int | None = 0
        """For this stretch of time ``_ongoing`` holds; None: for ever."""

    async def start(self) -> None:
        """Read those that were made through the API; raises StoreUnavailable."""
        self._made = {window.id: window for window in await self._store.load_windows()}
        self._combine()

    def declare(self, windows: Sequence[MaintenanceWindow]) -> None:
        """These are in the configuration file now."""
        if tuple(windows) != self._declared:
            self._declared = tuple(windows)
            self._combine()

    async def add(self, window: MaintenanceWindow, now_ms: int) -> None:
        """Plan ``window``; raises MaintenanceRefused, and StoreUnavailable."""
        async with self._changing:
            if any(each.id == window.id for each in self._windows):
                raise MaintenanceRefused(
                    f"There is a maintenance window with the id {window.id} already; "
                    "choose another."
                )
            if len(self._made) >= MOST_WINDOWS:
                raise MaintenanceRefused(
                    f"There are {MOST_WINDOWS} maintenance windows already; "
                    "remove those that are over."
                )
            await self._store.save_window(window, now_ms)
            self._made[window.id] = window
            self._combine()

    async def remove(
        self, window_id: str, permit: Callable[[MaintenanceWindow], None] = _permitted
    ) -> None:
        """Call it off; raises KeyError if there is none, MaintenanceRefused, StoreUnavailable.

        ``permit`` is asked when nobody can change it any more, and may raise what it likes.
        """
        async with self._changing:
            if window_id not in self._made:
                for window in self._declared:
                    if window.id == window_id:
                        raise MaintenanceRefused(
                            f"Maintenance window {window_id} is declared in {window.managed_by}; "
                            "take it out there instead."
                        )
                raise KeyError(window_id)
            permit(self._made[window_id])
            await self._store.remove_window(window_id)
            del self._made[window_id]
            self._combine()

    @property
    def windows(self) -> Sequence[MaintenanceWindow]:
        """All that are planned, over or going on."""
        return self._windows

    def is_going_on(self, now_ms: int) -> bool:
        """True if any trunk at all may be worked on."""
        return bool(self._at(now_ms))

    def ongoing(self, now_ms: int) -> frozenset[str]:
        """The ids of the windows that go on."""
        return frozenset(window.id for window, _ in self._at(now_ms))

    def of(
        self, trunk_id: str, carrier: str | None, region: str, now_ms: int
    ) -> tuple[MaintenanceWindow, int] | None:
        """The window that this trunk is under, and when that ends: the last of them to end."""
        found = [
            (window, until_ms)
            for window, until_ms in self._at(now_ms)
            if window.covers(trunk_id, carrier, region)
        ]
        return max(found, key=lambda each: each[1], default=None)

    def _combine(self) -> None:
        declared = {window.id for window in self._declared}
        made = [window for window in self._made.values() if window.id not in declared]
        self._windows = (*self._declared, *made)
        self._known_until_ms = 0
        self._changed()

    def _at(self, now_ms: int) -> tuple[tuple[MaintenanceWindow, int], ...]:
        until_ms = self._known_until_ms
        if self._known_from_ms <= now_ms and (until_ms is None or now_ms < until_ms):
            return self._ongoing
        ongoing: list[tuple[MaintenanceWindow, int]] = []
        moments: list[int] = []
        for window in self._windows:
            ends_ms, next_ms = window.until_ms(now_ms), window.next_ms(now_ms)
            if ends_ms is not None:
                ongoing.append((window, ends_ms))
            moments += [each for each in (ends_ms, next_ms) if each is not None]
        self._ongoing = tuple(ongoing)
        self._known_from_ms, self._known_until_ms = now_ms, min(moments, default=None)
        return self._ongoing
