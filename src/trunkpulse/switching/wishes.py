"""What the trunks want of the entries of one switch, at any moment."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import islice
from typing import Final, NamedTuple

from trunkpulse.config.switches import SwitchSettings
from trunkpulse.ports import Entry
from trunkpulse.switching.matching import Address, Matches, address_of
from trunkpulse.switching.standing import Trunks
from trunkpulse.switching.taken import number_of
from trunkpulse.switching.wanted import Verdict, verdict_at, verdict_of

__all__ = ["NO_WISH", "Wish", "Wishes"]

ENTRIES_PER_TURN: Final = 200
"""Looked at before the event loop does anything else."""
MOST_TRUNKS_NAMED: Final = 20
"""Of those that share one entry."""


class Wish(NamedTuple):
    """What the trunks say of an entry."""

    trunks: tuple[str, ...]
    """Ids of those that decide about it, ``MOST_TRUNKS_NAMED`` at most."""
    verdict: Verdict


NO_WISH: Final = Wish((), Verdict.NOBODY)


class Wishes:
    """By address or by name, whichever the switch goes by."""

    def __init__(self, settings: SwitchSettings, trunks: Trunks, *, by_address: bool) -> None:
        self._trunks = trunks
        self._by_address = by_address
        self._only = frozenset(settings.trunks)
        self._groups = frozenset(settings.groups)
        self._matches = Matches(trunks, settings.trunks)

    def concerns(self, trunk_id: str) -> bool:
        """True if the trunk, as far as is known, has a say here."""
        if self._by_address:
            return self._matches.concerns(trunk_id)
        return not self._only or trunk_id in self._only

    def doubt(self, trunk_id: str) -> bool:
        """The trunk has come or gone, or leads elsewhere; False if that is of no interest here."""
        return self._matches.doubt(trunk_id) if self._by_address else self.concerns(trunk_id)

    def looks_after(self, entry: Entry) -> bool:
        """True if the entry is in a group that the switch is told of."""
        return not self._groups or (
            entry.group is not None and number_of(entry.group) in self._groups
        )

    async def of(self, entries: Sequence[Entry]) -> dict[str, Wish]:
        """By key; doubts are settled first."""
        if self._by_address:
            addresses: set[Address] = set()
            for number, entry in enumerate(entries, 1):
                if number % ENTRIES_PER_TURN == 0:
                    await asyncio.sleep(0)
                address = self._address(entry)
                if address is not None:
                    addresses.add(address)
            await self._matches.follow(addresses)
        wishes: dict[str, Wish] = {}
        for number, entry in enumerate(entries, 1):
            if number % ENTRIES_PER_TURN == 0:
                await asyncio.sleep(0)
            wishes[entry.key] = await self.now(entry)
        return wishes

    async def now(self, entry: Entry) -> Wish:
        """Of one of the entries that ``of`` was asked about last, at this moment."""
        if not self._by_address:
            return self._by_name(entry.key)
        address = self._address(entry)
        return NO_WISH if address is None else await self._at(address)

    def _address(self, entry: Entry) -> Address | None:
        if entry.uri is None or not self.looks_after(entry):
            return None
        return address_of(entry.uri)

    async def _at(self, address: Address) -> Wish:
        trunk_ids = self._matches.at(address)
        names = tuple(islice(trunk_ids, MOST_TRUNKS_NAMED))
        verdict = Verdict.NOBODY
        for number, trunk_id in enumerate(tuple(trunk_ids), 1):  # thousands may share a proxy
            if number % ENTRIES_PER_TURN == 0:
                await asyncio.sleep(0)
            standing = self._trunks.standing(trunk_id)
            if standing is not None:
                verdict = max(verdict, verdict_at(address, (standing,)))
            if verdict is Verdict.UP:
                break
        return Wish(names, verdict)

    def _by_name(self, trunk_id: str) -> Wish:
        standing = self._trunks.standing(trunk_id) if self.concerns(trunk_id) else None
        return NO_WISH if standing is None else Wish((trunk_id,), verdict_of(standing))
