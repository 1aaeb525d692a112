"""Finds the addresses that targets are probed at, and keeps them current.

An address written as digits is taken as it is. A name is looked up before its first probe and
again every minute; when a look-up fails, the last known address stays in use, and only a name that
has never been resolved makes its probes fail.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence

import structlog

from trunkpulse.ports import Address, ResolutionFailed, Resolver
from trunkpulse.probing.target import ProbeTarget
from trunkpulse.sip.uri import SipUri

__all__ = ["Locator"]

log = structlog.get_logger(__name__)

LOOKUPS_AT_ONCE = 64
REFRESH_SECONDS = 60.0


class Locator:
    """See the module's opening."""

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver
        self._named: dict[ProbeTarget, SipUri] = {}

    async def locate(self, targets: Iterable[ProbeTarget]) -> None:
        """Give each target its address, or the reason why it has none."""
        named = {target: SipUri.parse(target.uri) for target in targets if target.address is None}
        self._named.update(named)
        await self._look_up(named)

    def drop(self, targets: Iterable[ProbeTarget]) -> None:
        """These are no longer probed."""
        for target in targets:
            self._named.pop(target, None)

    async def run(self) -> None:
        """Look names up again every minute, until cancelled."""
        while True:
            await asyncio.sleep(REFRESH_SECONDS)
            await self._look_up(dict(self._named))

    async def _look_up(self, named: dict[ProbeTarget, SipUri]) -> None:
        places: dict[tuple[str, int], list[ProbeTarget]] = {}
        for target, uri in named.items():
            places.setdefault((uri.host, uri.effective_port), []).append(target)
        gate = asyncio.Semaphore(LOOKUPS_AT_ONCE)

        async def one(host: str, port: int, targets: list[ProbeTarget]) -> None:
            async with gate:
                try:
                    found = await self._resolver.resolve(host, port)
                except ResolutionFailed as problem:
                    log.warning("dns.failed", host=host, problem=str(problem))
                    for target in targets:
                        target.unresolved = str(problem)
                    return
            for target in targets:
                _settle(target, host, found)

        async with asyncio.TaskGroup() as group:
            for (host, port), targets in places.items():
                group.create_task(one(host, port, targets))


def _settle(target: ProbeTarget, host: str, found: Sequence[Address]) -> None:
    """Take the first address that the target's socket can send to."""
    width = len(target.settings.transport.local_address)
    fitting = [address for address in found if len(address) == width]
    if target.address in fitting:
        return
    if fitting:
        target.address = fitting[0]
    else:
        family = "IPv4" if width == 2 else "IPv6"
        target.unresolved = f"{host} has no {family} address"
