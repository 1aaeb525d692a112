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


class KnownCall(InviteServerTransaction):
    """A transaction, and where it is kept."""

    __slots__ = ("destination", "due_tick", "key")

    def __init__(self, key: bytes, destination: Address, now: float, *, reliable: bool) -> None:
        super().__init__(now, reliable=reliable)
        self.key = key
        self.destination = destination
        self.due_tick = NEVER


class CallTable:
    """The transactions by their keys, so many at most."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._open: dict[bytes, KnownCall] = {}
        self._confirmed: OrderedDict[bytes, KnownCall] = OrderedDict()
        """Those that have their ACK, the oldest first."""

    def __len__(self) -> int:
        return len(self._open) + len(self._confirmed)

    def find(self, key: bytes) -> KnownCall | None:
        return self._open.get(key) or self._confirmed.get(key)

    def make_room(self) -> bool:
        """False if there is none for one more."""
        if len(self) >= self._most and self._confirmed:
            self._confirmed.popitem(last=False)
        return len(self) < self._most

    def add(self, call: KnownCall) -> None:
        self._open[call.key] = call

    def confirm(self, call: KnownCall) -> None:
        if self._open.pop(call.key, None) is not None:
            self._confirmed[call.key] = call

    def forget(self, call: KnownCall) -> None:
        for calls in (self._open, self._confirmed):
            if calls.get(call.key) is call:
                del calls[call.key]


class StandingQueue:
    """Tells a queue that stands from one that is just being worked off."""

    def __init__(self) -> None:
        self._since: float | None = None
        self._seen = 0.0

    def stands(self, waited_seconds: float, now: float) -> bool:
        """True if a request that has ``waited_seconds`` by ``now`` found a queue that stands."""
        if waited_seconds < QUEUED_SECONDS:
            self._since = None
            return False
        if self._since is None or now - self._seen >= STANDING_SECONDS:
            self._since = now  # of one that was found longer ago nobody knows what became
        self._seen = now
        return now - self._since >= STANDING_SECONDS
