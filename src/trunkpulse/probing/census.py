"""Who there is to ask: a few trunks of each carrier, kept by their ids.

A carrier, or a far host that belongs to no named one, is a *party*. The census is made in small
steps and may be out of date, so whoever is picked from it is looked up anew. It is bounded.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Collection, Iterator, Mapping
from typing import Final, Protocol

from trunkpulse.model import TargetState, Trunk
from trunkpulse.probing.prober import Prober
from trunkpulse.probing.target import ProbeTarget
from trunkpulse.sip.uri import SipUri

__all__ = ["RECORDS_PER_TURN", "SAMPLE", "Census", "Listed", "Trunks", "party_of"]

SAMPLE: Final = 16
"""Parties that are asked at a time."""
IDS_PER_PARTY: Final = 4
MOST_PARTIES: Final = 256
RECORDS_PER_TURN: Final = 500


class Listed(Protocol):
    """A trunk as it runs, as far as it is looked at here."""

    trunk: Trunk
    targets: tuple[ProbeTarget, ...]
    admin_enabled: bool


class Trunks(Protocol):
    """Which trunks there are, and the prober of their targets: the roster."""

    prober: Prober

    def records(self) -> Mapping[str, Listed]:
        """All trunks by id."""

    def record_of(self, target: ProbeTarget) -> Listed:
        """The trunk that ``target`` is one of."""


class Census:
    """See the module's opening."""

    def __init__(self, trunks: Trunks, rng: random.Random) -> None:
        """Know nobody until it is taken."""
        self._trunks = trunks
        self._rng = rng
        self._ids: dict[str, list[str]] = {}
        self._targets = 0
        """So many there were when it was taken."""

    async def take(self) -> None:
        """Go through all trunks, in small steps."""
        census: dict[str, list[str]] = {}
        seen = 0
        for number, record in enumerate(list(self._trunks.records().values()), 1):
            if number % RECORDS_PER_TURN == 0:
                await asyncio.sleep(0)  # probes must leave on time
            seen += len(record.targets)
            for target in record.targets[:SAMPLE]:
                party = party_of(record.trunk, target)
                ids = census.get(party)
                if ids is None:
                    if len(census) < MOST_PARTIES:
                        census[party] = [record.trunk.id]
                elif len(ids) < IDS_PER_PARTY and ids[-1] != record.trunk.id:
                    ids.append(record.trunk.id)
        self._ids = census
        self._targets = seen

    @property
    def is_outdated(self) -> bool:
        """True if a tenth of the targets has come or gone: found in the DNS, for example."""
        return abs(len(self._trunks.prober) - self._targets) > self._targets / 10

    def picked(
        self, but_not: Collection[str], states: Collection[TargetState]
    ) -> Iterator[tuple[str, ProbeTarget]]:
        """A target of each of a few parties, in no particular order."""
        parties = [party for party in self._ids if party not in but_not]
        found = 0
        for party in self._rng.sample(parties, len(parties)):
            target = self._one_of(party, states)
            if target is not None:
                yield party, target
                found += 1
                if found == SAMPLE:
                    return

    def _one_of(self, party: str, states: Collection[TargetState]) -> ProbeTarget | None:
        records = self._trunks.records()
        ids = self._ids[party]
        for trunk_id in self._rng.sample(ids, len(ids)):
            record = records.get(trunk_id)
            if record is None or not (record.admin_enabled and record.trunk.enabled):
                continue
            if not record.trunk.keepalive.enabled:
                continue
            for target in record.targets:
                if target.state in states and party_of(record.trunk, target) == party:
                    return target
        return None


def party_of(trunk: Trunk, target: ProbeTarget) -> str:
    """Who is behind a target: its carrier, or else the host where it is."""
    if trunk.carrier is not None:
        return trunk.carrier
    return str(target.address[0]) if target.address is not None else SipUri.parse(target.uri).host
