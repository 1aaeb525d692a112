"""Finds the addresses of targets that are written with a name, and keeps them current.

A target whose address is not known asks for it when its attempt is due: each such attempt is a
look-up of its own, so that a trunk is never condemned for one failed look-up counted three times.
Once found, an address is looked up again every minute; when that fails, the last one stays in use.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence

import structlog

from trunkpulse.ports import Address, ResolutionFailed, Resolver
from trunkpulse.probing.target import ProbeSettings, ProbeTarget
from trunkpulse.sip.uri import SipUri

__all__ = ["Locator"]

log = structlog.get_logger(__name__)

LOOKUPS_AT_ONCE = 64
REFRESH_SECONDS = 60.0

Place = tuple[str, int]
"""A host name and a port."""

SettingsTowards = Callable[[ProbeSettings, Address], ProbeSettings | None]
"""How a target is probed at this address; None if its socket is of the other family."""


class Locator:
    """See the module's opening."""

    def __init__(self, resolver: Resolver, settings_towards: SettingsTowards) -> None:
        self._resolver = resolver
        self._settings_towards = settings_towards
        self._known: dict[ProbeTarget, Place] = {}
        """Every named target that was ever asked for."""
        self._asked: dict[Place, list[Callable[[], None]]] = {}
        """Look-ups that somebody waits for, with whom to tell."""
        self._work = asyncio.Event()
        self._failing: dict[str, str] = {}
        """Host name -> why its last look-up failed: said once, not every minute."""

    def look_up(self, target: ProbeTarget, done: Callable[[], None]) -> None:
        """Find the target's address, then call ``done``; look-ups of one name are made as one."""
        place = self._known.get(target)
        if place is None:
            uri = SipUri.parse(target.uri)
            place = self._known[target] = (uri.host, uri.effective_port)
        self._asked.setdefault(place, []).append(done)
        self._work.set()

    def drop(self, targets: Iterable[ProbeTarget]) -> None:
        """These are no longer probed."""
        for target in targets:
            self._known.pop(target, None)

    async def run(self) -> None:
        """Look up what is asked for, and everything again every minute, until cancelled."""
        gate = asyncio.Semaphore(LOOKUPS_AT_ONCE)
        under_way: set[Place] = set()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._refresh())
            while True:
                await self._work.wait()
                self._work.clear()
                for place in self._asked.keys() - under_way:
                    under_way.add(place)
                    tasks.create_task(self._one(place, gate, under_way))

    async def _refresh(self) -> None:
        while True:
            await asyncio.sleep(REFRESH_SECONDS)
            for place in set(self._known.values()):
                self._asked.setdefault(place, [])
            self._work.set()

    async def _one(self, place: Place, gate: asyncio.Semaphore, under_way: set[Place]) -> None:
        async with gate:
            host, _ = place
            targets = [target for target, its in self._known.items() if its == place]
            try:
                found = await self._resolver.resolve(*place)
            except ResolutionFailed as problem:
                self._note_failure(host, str(problem))
                for target in targets:
                    target.unresolved = str(problem)
            else:
                if self._failing.pop(host, None):
                    log.info("dns.restored", host=host)
                for target in targets:
                    self._settle(target, host, found)
        under_way.discard(place)
        for done in self._asked.pop(place, ()):
            done()

    def _note_failure(self, host: str, problem: str) -> None:
        if self._failing.get(host) != problem:
            log.warning("dns.failed", host=host, problem=problem)
            self._failing[host] = problem

    def _settle(self, target: ProbeTarget, host: str, found: Sequence[Address]) -> None:
        """Take the first address that can be probed; keep the present one if it still holds."""
        if target.address in found:
            return
        for address in found:
            settings = self._settings_towards(target.settings, address)
            if settings is not None:
                target.adopt(settings)
                target.address = address
                return
        family = "IPv4" if len(target.settings.transport.local_address) == 2 else "IPv6"
        target.unresolved = f"{host} has no {family} address"
