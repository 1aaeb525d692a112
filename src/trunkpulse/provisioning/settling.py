"""What the database may or may not have taken, looked at again until that is known.

A database that goes away while it is written to leaves open what became of the change: its answer
may be what was lost. Who asked is told that it could not be done. If it was done all the same, it
is put to work as soon as the database can be asked, so that a restart brings up nothing that
nobody could see before.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from trunkpulse.ports import SecretUnreadable, StoreUnavailable
from trunkpulse.provisioning.refusals import Refused

__all__ = ["Doubted", "Settling"]

log = structlog.get_logger(__name__)

RETRY_SECONDS = (1.0, 30.0)
"""First and longest pause between two looks."""

Settle = Callable[[], Awaitable[None]]
Doubted = Callable[[Settle], None]
"""Hears what to call until it is settled."""


class Settling:
    """See the module's opening; ``run`` it."""

    def __init__(self) -> None:
        self._doubtful: dict[Settle, None] = {}
        self._stirred = asyncio.Event()

    def doubt(self, settle: Settle) -> None:
        """Have ``settle`` called, which raises StoreUnavailable, until it does not."""
        self._doubtful[settle] = None
        self._stirred.set()

    async def run(self) -> None:
        """Settle what there is, until cancelled."""
        first, longest = RETRY_SECONDS
        while True:
            await self._stirred.wait()
            self._stirred.clear()
            pause = first
            while self._doubtful:
                for settle in list(self._doubtful):
                    await self._look(settle, pause)
                if self._doubtful:
                    await asyncio.sleep(pause)
                    pause = min(2 * pause, longest)

    async def _look(self, settle: Settle, pause: float) -> None:
        del self._doubtful[settle]
        try:
            await settle()
        except (StoreUnavailable, SecretUnreadable, Refused, OSError) as problem:
            log.warning("change.in_doubt", problem=str(problem), again_in_seconds=pause)
            self._doubtful[settle] = None
