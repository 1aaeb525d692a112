"""What concerns many trunks, done some at a time, so that probes leave on time meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import TypeVar

__all__ = ["GLANCES_PER_TURN", "TRUNKS_PER_TURN", "in_turns"]

TRUNKS_PER_TURN = 200
"""Trunks taken on or let go, some milliseconds' work, before the event loop does anything else."""
GLANCES_PER_TURN = 4000
"""The same, of trunks that are only looked at, or given their places in the schedule."""

ItemT = TypeVar("ItemT")


async def in_turns(items: Sequence[ItemT], size: int) -> AsyncIterator[Sequence[ItemT]]:
    """The items, so many at a time; before each lot but the first the event loop has its turn."""
    for start in range(0, len(items), size):
        if start:
            await asyncio.sleep(0)
        yield items[start : start + size]
