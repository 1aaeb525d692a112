"""Counts the turns that the event loop gives to others while something is being done."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable


async def turns_of_others(work: Awaitable[object]) -> int:
    """How often somebody else had a turn while the work was done."""
    turns = 0

    async def take_turns() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    other = asyncio.create_task(take_turns())
    await work
    other.cancel()
    return turns
