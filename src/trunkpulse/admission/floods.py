"""Which refusals are recorded by themselves, when somebody is refused again and again. Pure.

A guesser or a broken client is refused thousands of times a minute, and an audit that writes each
down is a way to fill a disk. Of whoever is refused the first few of a minute are recorded as they
are; the others are counted, and recorded as one when the minute is over. So are those of all
newcomers once very many have been refused in one minute.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from trunkpulse.access.audit import Actor
from trunkpulse.admission.guessing import network_of

__all__ = ["Refused", "RefusedOnes"]

MINUTE_SECONDS = 60.0
FIRST = 5
"""Of one source in a minute, recorded by themselves."""
MOST_SOURCES = 1000
"""Counted apart from each other in a minute."""
MOST_BY_THEMSELVES = 200
"""Of all sources together in a minute."""
MOST_STATUSES = 16


@dataclass(slots=True)
class Refused:
    """Refusals of one source in one minute."""

    actor: Actor
    address: str | None
    """Or the network that stands for it; None: of many."""
    seen: int = 0
    """All of them."""
    counted: int = 0
    """Those that were only counted."""
    statuses: dict[str, int] = field(default_factory=dict)
    """How many of those with which status."""

    def count(self, status: int) -> None:
        """One more that is only counted."""
        self.counted += 1
        known_as = str(status)
        if known_as in self.statuses or len(self.statuses) < MOST_STATUSES:
            self.statuses[known_as] = self.statuses.get(known_as, 0) + 1


class RefusedOnes:
    """See the module's opening; moments are monotonic seconds."""

    def __init__(self) -> None:
        self._until = 0.0
        self._sources: dict[tuple[str, str, str | None], Refused] = {}
        self._others = Refused(Actor("nobody"), None)
        self._by_themselves = 0

    def is_recorded(self, actor: Actor, address: str | None, status: int, now: float) -> bool:
        """True if this refusal is to be recorded by itself; else it has been counted.

        Call ``take`` before: the minute may be over.
        """
        if not self._sources:
            self._until = now + MINUTE_SECONDS
        network = None if address is None else network_of(address)
        source = (actor.kind, actor.id, network)
        refused = self._sources.get(source)
        if refused is None:
            if len(self._sources) >= MOST_SOURCES:
                self._others.count(status)
                return False
            refused = Refused(Actor(actor.kind, actor.id, actor.name), network)
            self._sources[source] = refused
        refused.seen += 1
        if refused.seen <= FIRST and self._by_themselves < MOST_BY_THEMSELVES:
            self._by_themselves += 1
            return True
        refused.count(status)
        return False

    def due_at(self) -> float | None:
        """When the minute is over; None if nobody has been refused in it."""
        return self._until if self._sources else None

    def take(self, now: float, *, early: bool = False) -> Sequence[Refused]:
        """What was only counted, if the minute is over (or ``early``); a new one begins."""
        if not self._sources or (now < self._until and not early):
            return ()
        counted = [each for each in (*self._sources.values(), self._others) if each.counted]
        self._sources = {}
        self._others = Refused(Actor("nobody"), None)
        self._by_themselves = 0
        return counted
