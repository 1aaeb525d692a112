"""Who there is to ask: a few trunks of each carrier, kept by their ids.

A carrier is a *party*, and so is what a trunk without a named one leads to: all its targets
together. The census is made in small steps and may be out of date, so whoever is picked from it is
looked up anew. It is bounded.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Collection, Iterator, Mapping
from typing import Final, NamedTuple, Protocol, Self

from trunkpulse.model import Reason, TargetState, Trunk
from trunkpulse.probing.attempt import Attempt
from trunkpulse.probing.prober import Prober
from trunkpulse.probing.target import ProbeTarget
from trunkpulse.sip.uri import SipUri

__all__ = [
    "RECORDS_PER_TURN",
    "SAMPLE",
    "Asked",
    "Census",
    "Listed",
    "Trunks",
    "host_of",
    "is_in_service",
    "party_of",
]

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

    @property
    def reason(self) -> Reason | None:
        """Of the last change of its state."""


class Trunks(Protocol):
    """Which trunks there are, and the prober of their targets: the roster."""

    prober: Prober

    def records(self) -> Mapping[str, Listed]:
        """All trunks by id."""

    def record_of(self, target: ProbeTarget) -> Listed:
        """The trunk that ``target`` is one of."""


class Asked(NamedTuple):
    """A target that is waited for, and what was last heard of it before.

    Moments would be of no use: the wall clock may be set meanwhile.
    """

    target: ProbeTarget
    success: float | None
    attempt: Attempt | None

    @classmethod
    def now(cls, target: ProbeTarget) -> Self:
        """As it is at this moment."""
        return cls(target, target.last_success, _last_of(target))

    def has_answered(self) -> bool:
        """True if it has said something since, whatever it was."""
        last = _last_of(self.target)
        said = last is not None and last.code is not None and last != self.attempt
        return said or self.target.last_success != self.success


class Census:
    """See the module's opening."""

    def __init__(self, trunks: Trunks, rng: random.Random) -> None:
        """Know nobody until it is taken."""
        self._trunks = trunks
        self._rng = rng
        self._ids: dict[str, list[str]] = {}

    async def take(self) -> None:
        """Go through all trunks, in small steps."""
        census: dict[str, list[str]] = {}
        for number, record in enumerate(list(self._trunks.records().values()), 1):
            if number % RECORDS_PER_TURN == 0:
                await asyncio.sleep(0)  # probes must leave on time
            if not record.targets:
                continue
            party = party_of(record)
            ids = census.get(party)
            if ids is None:
                if len(census) < MOST_PARTIES:
                    census[party] = [record.trunk.id]
            elif len(ids) < IDS_PER_PARTY:
                ids.append(record.trunk.id)
        self._ids = census

    def picked(
        self, but_not: Collection[str], states: Collection[TargetState]
    ) -> Iterator[tuple[str, ProbeTarget]]:
        """A target of each of a few parties, in no particular order.

        Whom a trunk is with is seen now: its name may not have been found yet when the census was
        taken.
        """
        picked = set(but_not)
        left = SAMPLE
        for ids in self._rng.sample(list(self._ids.values()), len(self._ids)):
            found = self._one_of(ids, picked, states)
            if found is not None:
                picked.add(found[0])
                yield found
                left -= 1
            if not left:
                return

    def _one_of(
        self, ids: list[str], but_not: Collection[str], states: Collection[TargetState]
    ) -> tuple[str, ProbeTarget] | None:
        records = self._trunks.records()
        for trunk_id in self._rng.sample(ids, len(ids)):
            record = records.get(trunk_id)
            if record is None or not is_in_service(record) or not record.targets:
                continue
            party = party_of(record)
            if party in but_not:
                continue
            for target in record.targets:
                if target.state in states:
                    return party, target
        return None


def is_in_service(listed: Listed) -> bool:
    """True if the trunk shall be probed."""
    trunk = listed.trunk
    wanted = listed.admin_enabled and trunk.enabled and trunk.keepalive.enabled
    return wanted and listed.reason is not Reason.LICENSE_ISSUE


def party_of(listed: Listed) -> str:
    """Who is behind a trunk that has targets: its carrier, or else the first of its hosts.

    The first by its name, so that it is the same for all trunks that lead to the same hosts.
    """
    carrier = listed.trunk.carrier
    return carrier if carrier is not None else min(map(host_of, listed.targets))


def host_of(target: ProbeTarget) -> str:
    """Where a target is: its address, or else its name."""
    return str(target.address[0]) if target.address is not None else SipUri.parse(target.uri).host


def _last_of(target: ProbeTarget) -> Attempt | None:
    return target.attempts[-1] if target.attempts else None
