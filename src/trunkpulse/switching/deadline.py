"""How long one call of a switch may take, whatever its adapter says."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Final, TypeVar

from trunkpulse.ports import SwitchUnreachable

__all__ = ["CALL_SECONDS", "in_time"]

T = TypeVar("T")

CALL_SECONDS: Final = 15.0
"""For one call of an adapter, which has a shorter deadline of its own."""


async def in_time(call: Awaitable[T]) -> T:
    """What ``call`` gives; raises SwitchUnreachable if that takes too long."""
    try:
        async with asyncio.timeout(CALL_SECONDS):
            return await call
    except TimeoutError:
        raise SwitchUnreachable(
            f"The switch took longer than {CALL_SECONDS:g} s to answer; check its load."
        ) from None
