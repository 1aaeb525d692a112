"""What administrators make through the API, beside what the configuration file declares."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from trunkpulse.config import Config
from trunkpulse.model import Trunk
from trunkpulse.node.outside import Outside
from trunkpulse.provisioning.advice import AcceptedAdvice
from trunkpulse.provisioning.estate import Estate, combined
from trunkpulse.provisioning.routes import MadeRoutes
from trunkpulse.provisioning.settings import GlobalSettings
from trunkpulse.provisioning.settling import Settling
from trunkpulse.provisioning.trunks import MadeTrunks
from trunkpulse.roster import Roster

__all__ = ["Made"]


class Made:
    """Trunks, routes, settings and accepted advice; ``applying`` is held while any is changed."""

    def __init__(
        self,
        config: Config,
        outside: Outside,
        roster: Roster,
        *,
        trunk: Callable[[str], Trunk | None],
        declared: Callable[[], Config],
        apply_settings: Callable[[], Awaitable[None]],
        trunks_changed: Callable[[Sequence[str]], Awaitable[None]],
    ) -> None:
        """``declared`` is what the file says at this moment, ``config`` what it said first.

        ``apply_settings`` puts other settings into force, ``trunks_changed`` hears of trunks that
        were changed or taken away.
        """
        self.applying = asyncio.Lock()
        self.settling = Settling()
        """Sees to it that what was answered is what holds, after a fault."""
        self.routes = MadeRoutes(
            outside.store,
            clock=outside.clock,
            applying=self.applying,
            trunk=trunk,
            region=config.instance.region,
            doubted=self.settling.doubt,
        )
        self.trunks = MadeTrunks(
            outside.store,
            outside.vault,
            clock=outside.clock,
            roster=roster,
            applying=self.applying,
            default=config.keepalive,
            routes_of=self.routes.routes_of,
            changed=trunks_changed,
            doubted=self.settling.doubt,
        )
        self.settings = GlobalSettings(
            outside.store,
            clock=outside.clock,
            applying=self.applying,
            declared=declared,
            apply=apply_settings,
            doubted=self.settling.doubt,
        )
        self.accepted = AcceptedAdvice(
            outside.store, clock=outside.clock, declared=declared, doubted=self.settling.doubt
        )

    async def load(self, config: Config) -> None:
        """Read what was made in earlier lives."""
        await self.settings.load()
        await self.trunks.load(self.settings.effective(config)[0])
        await self.routes.load()
        await self.accepted.load()

    async def with_declared(self, config: Config) -> Estate:
        """What is to be in force if the file says ``config``."""
        return await combined(config, self.settings, self.trunks)
