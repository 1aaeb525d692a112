"""What happened so far, and a way to wait for more of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

EntryT = TypeVar("EntryT")
FoundT = TypeVar("FoundT")

DEADLINE_SECONDS = 30
"""What a test waits for takes a few seconds; a machine that is busy may need longer."""


class Journal(Generic[EntryT]):
    """Entries in the order in which they were added."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.entries: list[EntryT] = []
        self._grew = asyncio.Event()
        self._ended = False

    def add(self, entry: EntryT) -> None:
        self.entries.append(entry)
        self._grew.set()

    def end(self) -> None:
        """There will be no more entries; who still waits for one has waited in vain."""
        self._ended = True
        self._grew.set()

    async def until(self, look: Callable[[Sequence[EntryT]], FoundT | None]) -> FoundT:
        """What ``look`` finds in the entries, as soon as that is not None."""
        try:
            async with asyncio.timeout(DEADLINE_SECONDS):
                while True:
                    self._grew.clear()
                    found = look(self.entries)
                    if found is not None:
                        return found
                    if self._ended:
                        break
                    await self._grew.wait()
        except TimeoutError:
            raise AssertionError(f"{self.name}: not there in time: {self.entries[-20:]}") from None
        raise AssertionError(f"{self.name}: ended without it: {self.entries[-20:]}")

    async def count(self, number: int) -> list[EntryT]:
        """The first ``number`` entries, once there are so many."""
        return await self.until(lambda all_: list(all_[:number]) if len(all_) >= number else None)
