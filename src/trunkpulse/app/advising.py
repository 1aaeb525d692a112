"""Advice on the configuration in force, for whoever asks, however often.

It is worked out of all trunks and routes together, in a thread, for one request at a time. As any
change of these may make another of it, it is told for so many times longer than that took: whoever
changes and asks again and again costs little. What takes a moment is worked out each time, and a
new configuration counts at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace

from trunkpulse.config import Config
from trunkpulse.config.advice import Advice, advise
from trunkpulse.model import Route, Trunk
from trunkpulse.ports import Clock
from trunkpulse.provisioning.trunks import MadeTrunks

__all__ = ["StandingAdvice"]

KEPT_TIMES = 20.0
MOMENT_SECONDS = 0.05
"""What takes no longer is not kept beyond a change."""
PER_TURN = 4000
"""Trunks that are gone through before the event loop does anything else."""


class StandingAdvice:
    """See the module's opening."""

    def __init__(
        self,
        config: Callable[[], Config],
        trunks: MadeTrunks,
        clock: Clock,
        *,
        routes: Callable[[], tuple[Route, ...]],
        advise: Callable[[Config], Sequence[Advice]] = advise,
    ) -> None:
        """``config`` gives what is in force, without the ``trunks`` of the API.

        ``routes`` gives all routes in the order in which they count, those of the API too; another
        object whenever one has changed.
        """
        self._config = config
        self._trunks = trunks
        self._routes = routes
        self._clock = clock
        self._advise = advise
        self._working = asyncio.Lock()
        self._of: tuple[Config, int, tuple[Route, ...]] | None = None
        """The configuration, the change of trunks and the routes that the advice is on."""
        self._found: Sequence[Advice] = ()
        self._until = 0.0

    async def __call__(self) -> Sequence[Advice]:
        """The advice of this moment, or of a moment ago."""
        async with self._working:
            config, changes, routes = self._config(), self._trunks.changes, self._routes()
            begun = self._clock.monotonic()
            if self._of is None or self._of[0] is not config:
                is_known = False
            else:
                is_same = self._of[1] == changes and self._of[2] is routes
                is_known = is_same or begun < self._until
            if not is_known:
                trunks = await self._all(config)
                self._found = await asyncio.to_thread(self._on, config, trunks, routes)
                self._of = config, changes, routes
                ended = self._clock.monotonic()
                took = ended - begun
                self._until = ended + KEPT_TIMES * took if took > MOMENT_SECONDS else ended
            return self._found

    async def _all(self, config: Config) -> list[Trunk]:
        trunks: list[Trunk] = []
        for start in range(0, len(config.trunks), PER_TURN):
            trunks += config.trunks[start : start + PER_TURN]
            await asyncio.sleep(0)
        for start in range(0, len(self._trunks), PER_TURN):
            found = map(self._trunks.get, self._trunks.ids(start, PER_TURN))
            trunks += [each.made.trunk for each in found if each is not None]
            await asyncio.sleep(0)
        return trunks

    def _on(
        self, config: Config, trunks: list[Trunk], routes: tuple[Route, ...]
    ) -> Sequence[Advice]:
        return self._advise(replace(config, trunks=tuple(trunks), routes=routes))
