"""Which trunks lead to the addresses that a switch has in its lists.

An address is matched by protocol, host and port, in whatever way it is written. A literal address
goes by where a target really is; a name by the target's URI, and by the port that the DNS gave.

There may be a million trunks and a handful of addresses. So only trunks that lead to one of these
are kept here, one look at all trunks is taken when a switch has an address that it did not have
before, and from then on only trunks that changed are looked at.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from functools import lru_cache
from typing import NamedTuple

from trunkpulse.config.endpoint import Endpoint, family
from trunkpulse.ports import MOST_ENTRIES
from trunkpulse.sip.errors import MalformedUri
from trunkpulse.sip.uri import SipUri
from trunkpulse.switching.standing import TargetStanding, Trunks

__all__ = ["Address", "Matches", "address_of", "addresses_of"]

TRUNKS_PER_TURN = 200
"""Looked at, a millisecond's work, before the event loop does anything else."""
MOST_DOUBTFUL = 100_000
"""Trunks that changed since the last look; with more of them, all trunks are looked at."""


class Address(NamedTuple):
    """Where calls go."""

    transport: str | None
    """None: the DNS will say."""
    host: str
    port: int | None
    """None: the DNS will say."""


@lru_cache(maxsize=2 * MOST_ENTRIES)
def address_of(uri: str) -> Address | None:
    """Where a URI of a switch's list leads; None if it is no SIP URI.

    The same ones are asked for in each round.
    """
    try:
        return _address(str(SipUri.parse(uri)))
    except MalformedUri:
        return None


def _address(canonical: str) -> Address:
    end = Endpoint.of(canonical)
    return Address(end.transport, end.host, end.port)


def addresses_of(target: TargetStanding) -> tuple[Address, ...]:
    """All by which a switch may name the place of ``target``."""
    written, place = _address(target.uri), target.place
    if place is None:
        return (written,)
    found = {written: None, Address(place.protocol.value, place.host, place.port): None}
    if family(written.host) is None:
        found[Address(place.protocol.value, written.host, place.port)] = None
    return tuple(found)


class Matches:
    """Address -> trunks, for the addresses of one switch."""

    def __init__(self, trunks: Trunks, only: Sequence[str] = ()) -> None:
        """``only`` these trunks count; empty: all."""
        self._trunks = trunks
        self._only = frozenset(only)
        self._wanted: frozenset[Address] = frozenset()
        self._at: dict[Address, dict[str, None]] = {}
        self._of: dict[str, tuple[Address, ...]] = {}
        self._doubtful: set[str] = set()
        self._look_at_all = False

    def concerns(self, trunk_id: str) -> bool:
        """True if the trunk leads to one of the addresses."""
        return trunk_id in self._of

    def doubt(self, trunk_id: str) -> bool:
        """The trunk may lead elsewhere by now; False if that is of no interest here."""
        if not self._wanted or (self._only and trunk_id not in self._only):
            return False
        if len(self._doubtful) < MOST_DOUBTFUL:
            self._doubtful.add(trunk_id)
        else:
            self._look_at_all = True
        return True

    def at(self, address: Address) -> Iterable[str]:
        """Ids of the trunks that lead there."""
        return self._at.get(address, ())

    async def follow(self, wanted: AbstractSet[Address]) -> None:
        """From now on it is about these addresses; doubts are settled."""
        news, gone = wanted - self._wanted, self._wanted - wanted
        self._wanted = frozenset(wanted)
        await self._leave(gone)
        if news or self._look_at_all:
            self._look_at_all = False
            self._doubtful.clear()
            await self._look(list(self._only or self._trunks.ids()))  # they may change meanwhile
        while self._doubtful:
            doubtful, self._doubtful = self._doubtful, set()
            await self._look(doubtful)

    async def _leave(self, gone: Iterable[Address]) -> None:
        number = 0
        for address in gone:
            for trunk_id in self._at.pop(address, ()):  # a million trunks may share one
                self._keep(trunk_id, [each for each in self._of[trunk_id] if each != address])
                number += 1
                if number % TRUNKS_PER_TURN == 0:
                    await asyncio.sleep(0)

    async def _look(self, trunk_ids: Iterable[str]) -> None:
        for number, trunk_id in enumerate(trunk_ids, 1):
            self._settle(trunk_id)
            if number % TRUNKS_PER_TURN == 0:
                await asyncio.sleep(0)

    def _settle(self, trunk_id: str) -> None:
        standing = self._trunks.standing(trunk_id)
        found: dict[Address, None] = {}
        for target in standing.targets if standing is not None else ():
            found.update(
                dict.fromkeys(each for each in addresses_of(target) if each in self._wanted)
            )
        for address in self._of.get(trunk_id, ()):
            if address not in found:
                self._at[address].pop(trunk_id, None)
        for address in found:
            self._at.setdefault(address, {})[trunk_id] = None
        self._keep(trunk_id, list(found))

    def _keep(self, trunk_id: str, addresses: Sequence[Address]) -> None:
        if addresses:
            self._of[trunk_id] = tuple(addresses)
        else:
            self._of.pop(trunk_id, None)
