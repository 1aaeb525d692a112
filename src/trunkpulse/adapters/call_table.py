"""The calls that a redirect server remembers, and whether more come in than it can deal with."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from trunkpulse.ports import Address
from trunkpulse.probing.schedule import NEVER
from trunkpulse.sip.invite import InviteServerTransaction

__all__ = ["CallTable", "KnownCall", "StandingQueue"]

MOST_BYTES: Final = 128 * 1024 * 1024
"""Of the answers that one table keeps: 2 KiB for each of 65,536, which is more than most take."""

QUEUED_SECONDS: Final = 0.05
"""A request that waited so long found a queue."""
STANDING_SECONDS: Final = 0.25
"""A queue that every request found for so long is one that stands."""
STILL_SERVED: Final = 4
"""One request in so many is served all the same: to refuse takes time too, and where more comes in
than can even be refused, nobody at all would be served until it ends."""


class KnownCall(InviteServerTransaction):
    """A transaction, and where it is kept."""

    __slots__ = ("destination", "due_tick", "kept_bytes", "key")

    def __init__(self, key: bytes, destination: Address, now: float, *, reliable: bool) -> None:
        super().__init__(now, reliable=reliable)
        self.key = key
        self.destination = destination
        self.due_tick = NEVER
        self.kept_bytes = 0
        """What the table reckons its answer at."""


class CallTable:
    """The transactions by their keys, so many at most, with so many bytes of answers.

    Each host may have as many that wait for an ACK as there is room left for: alone a half, two
    hosts a third each. So one whose ACKs are lost never takes what others need, and who calls for
    the first time always finds room (the dynamic thresholds of Choudhury and Hahne, 1998).

    Of one that has its ACK no more is kept than its key and when Timer I fires. There are five
    seconds' worth of them, and as objects they would be what the garbage collector goes through.
    """

    def __init__(self, most: int, most_bytes: int = MOST_BYTES) -> None:
        self._most = most
        self._most_bytes = most_bytes
        self._open: dict[bytes, KnownCall] = {}
        self._open_bytes = 0
        self._by_host: dict[str, tuple[int, int]] = {}
        """How many are open of each host that has any, and the bytes of their answers."""
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

    def make_room(self, host: str) -> bool:
        """False if there is none for one more of ``host``'s."""
        count, size = self._by_host.get(host, (0, 0))
        if count >= self._most - len(self._open) or size >= self._most_bytes - self._open_bytes:
            return False
        if len(self) >= self._most:
            self._confirmed.popitem(last=False)
        return True

    def add(self, call: KnownCall) -> None:
        """It has its answer, and waits for its ACK."""
        self._open[call.key] = call
        call.kept_bytes = len(call.answer)
        self._reckon(call, 1)

    def confirm(self, call: KnownCall) -> None:
        """It has its ACK; Timer I is its deadline."""
        if self._open.pop(call.key, None) is not None:
            self._reckon(call, -1)
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
            self._reckon(call, -1)

    def _reckon(self, call: KnownCall, sign: int) -> None:
        host, size = call.destination[0], sign * call.kept_bytes
        of_host, bytes_of_host = self._by_host.get(host, (0, 0))
        self._open_bytes += size
        if of_host + sign:
            self._by_host[host] = of_host + sign, bytes_of_host + size
        else:
            del self._by_host[host]


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
