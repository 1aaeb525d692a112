"""Waiting for something to have become true, without looking at the clock for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

PATIENCE_SECONDS = 60.0
"""Far beyond what anything here takes; only a test that would hang for ever comes to it."""


class Watch:
    """Whoever makes something happen stirs it; whoever waits looks again each time."""

    def __init__(self) -> None:
        self._stirred = asyncio.Event()

    def stir(self) -> None:
        self._stirred.set()
        self._stirred = asyncio.Event()

    async def until(self, holds: Callable[[], object], what: str) -> None:
        """Return once ``holds()`` is true; ``what`` says what never came if it never is."""
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                while not holds():
                    await self._stirred.wait()
        except TimeoutError:
            raise AssertionError(f"it never came to this: {what}") from None
