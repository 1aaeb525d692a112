"""The calls that a redirect server remembers, and whether more come in than it can deal with."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from trunkpulse.ports import Address
from trunkpulse.probing.schedule import NEVER
from trunkpulse.sip.invite import InviteServerTransaction

__all__ = ["CallTable", "KnownCall", "StandingQueue"]

QUEUED_SECONDS: Final = 0.05
"""A request that waited so long found a queue."""
STANDING_SECONDS: Final = 0.25
"""A queue that every request found for so long is one that stands."""
STILL_SERVED: Final = 4
"""One request in so many is served all the same: to refuse takes time too, and where more comes in
than can even be refused, nobody at all would be served until it ends."""


class KnownCall(InviteServerTransaction):
    """A transaction, and where it is kept."""

    __slots__ = ("destination", "due_tick", "key")

    def __init__(self, key: bytes, destination: Address, now: float, *, reliable: bool) -> None:
        super().__init__(now, reliable=reliable)
        self.key = key
        self.destination = destination
        self.due_tick = NEVER


class CallTable:
    """The transactions by their keys, so many at most.

    Of one that has its ACK no more is kept than its key and when Timer I fires. There are five
    seconds' worth of them, and as objects they would be what the garbage collector goes through.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._open: dict[bytes, KnownCall] = {}
        self._confirmed: OrderedDict[bytes, float] = OrderedDict()
        """The oldest first."""

    def __len__(self) -> int:
        return len(self._open) + len(self._confirmed)

    def find(self, key: bytes) -> KnownCall | None:
        """The one that waits for its ACK."""
        return self._open.get(key)

    def is_confirmed(self, key: bytes) -> bool:
        """True if it has its ACK, and Timer I has not fired."""
        return key in self._confirmed

    def make_room(self) -> bool:
        """False if there is none for one more."""
        if len(self) >= self._most and self._confirmed:
            self._confirmed.popitem(last=False)
        return len(self) < self._most

    def add(self, call: KnownCall) -> None:
        self._open[call.key] = call

    def confirm(self, call: KnownCall) -> None:
        """It has its ACK; Timer I is its deadline."""
        if self._open.pop(call.key, None) is not None:
            self._confirmed[call.key] = call.deadline

    def expire(self, now: float) -> None:
        """Timer I of those that have had their ACK for long enough."""
        confirmed = self._confirmed
        while confirmed and next(iter(confirmed.values())) <= now:
            confirmed.popitem(last=False)

    def forget(self, call: KnownCall) -> None:
        """It has ended without an ACK, or needs no Timer I."""
        if self._open.get(call.key) is call:
            del self._open[call.key]


class StandingQueue:
    """Tells a queue that stands from one that is just being worked off."""

    def __init__(self) -> None:
        self._since: float | None = None
        self._seen = 0.0
        self._found = 0
        """Requests that found it standing."""

    def refuses(self, waited_seconds: float, now: float) -> bool:
        """True if a request that has waited so long by ``now`` shall be refused."""
        if waited_seconds < QUEUED_SECONDS:
            self._since = None
            return False
        if self._since is None or now - self._seen >= STANDING_SECONDS:
            self._since = now  # of one that was found longer ago nobody knows what became
        self._seen = now
        if now - self._since < STANDING_SECONDS:
            return False
        self._found += 1
        return self._found % STILL_SERVED != 0
