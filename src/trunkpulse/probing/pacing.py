"""How many probes may leave in a second: in total, and towards each carrier.

Whoever asks gets a moment of its own, at once and for good, so nobody waits in a queue, nobody asks
twice, and what had to wait does not leave as one burst when the waiting ends.

A carrier's cap is the generic cell rate algorithm (ITU-T I.371, virtual scheduling): a moment moves
on by ``1 / per_second`` with each probe, and a probe may leave up to a burst before it. The total
cap cannot be that alone: a probe whose carrier lets it leave in a minute only would push that
moment a minute ahead for everybody else. So the total is a calendar of short slices, each with room
for so many probes, and a probe takes the first room at or after the moment its carrier allows.

First come, first served within a carrier: attempts that confirm a change wait behind routine ones.
Each target holds one place at most, so nobody waits longer than ``targets / per_second``, and while
the cap is above what the intervals need, the wait is that of a burst: a fraction of a second.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Generic, NamedTuple, TypeVar

__all__ = ["Calendar", "Delay", "Pace", "Paces", "Places"]

BURST_SECONDS = 0.1
"""A carrier gets as many probes at once as its cap allows in this time, and one in any case."""
SLICE_SECONDS = 0.02
"""About the length of a slice of the calendar; it has room for a whole number of probes."""


WaitingT = TypeVar("WaitingT")


class Calendar:
    """The total cap. In any time T at most ``per_second * T + burst`` places are given."""

    __slots__ = ("_length", "_oldest", "_onward", "_room", "_taken", "per_second")

    def __init__(self, per_second: float) -> None:
        self.per_second = per_second
        self._room = max(1, round(per_second * SLICE_SECONDS))
        self._length = self._room / per_second
        self._taken: dict[int, int] = {}
        """Places given in a slice, by its number."""
        self._onward: dict[int, int] = {}
        """From a full slice to one at or before the next with room."""
        self._oldest = 0

    @property
    def burst(self) -> float:
        """Two slices' worth: one at its very end and the next at its beginning."""
        return 2.0 * self._room

    def take(self, moment: float, now: float) -> float:
        """The first free place at or after ``moment``; it is taken by this call."""
        self._forget_before(int(now / self._length))
        number = self._with_room(int(moment / self._length))
        taken = self._fill(number, 1)
        return max(moment, number * self._length + taken / self.per_second)

    def free(self, moment: float) -> float:
        """What ``take`` would return, without taking it."""
        number = self._with_room(int(moment / self._length))
        taken = self._taken.get(number, 0)
        return max(moment, number * self._length + taken / self.per_second)

    def _fill(self, number: int, count: int) -> int:
        """Give ``count`` places of a slice that has them; returns how many were given before."""
        taken = self._taken.get(number, 0)
        self._taken[number] = taken + count
        if taken + count == self._room:
            self._onward[number] = number + 1
        return taken

    def _with_room(self, number: int) -> int:
        """The first slice from ``number`` on that has room; the way there is made short."""
        passed: list[int] = []
        onward = self._onward
        while (following := onward.get(number)) is not None:
            passed.append(number)
            number = following
        for each in passed:
            onward[each] = number
        return number

    def _forget_before(self, number: int) -> None:
        """Slices of the past are of no use; what is dropped was added, so this costs nothing."""
        if number <= self._oldest:
            return
        if number - self._oldest < len(self._taken):
            for past in range(self._oldest, number):
                self._taken.pop(past, None)
                self._onward.pop(past, None)
        else:
            self._taken = {each: n for each, n in self._taken.items() if each >= number}
            self._onward = {each: n for each, n in self._onward.items() if each >= number}
        self._oldest = number


class Delay(NamedTuple):
    """What a cap does to a probe that asked now."""

    seconds: float
    per_second: float
    """The cap that keeps it longest."""
    by_total: bool
    """True if that is the total cap."""


class Pace:
    """A carrier's cap, the total one, or both."""

    __slots__ = ("_burst", "_last", "_next", "_spacing", "delayed", "per_second", "total")

    def __init__(
        self,
        per_second: float | None,
        burst: float | None = None,
        total: Calendar | None = None,
    ) -> None:
        """``burst`` probes, 1 or more, may leave at once; None: what ``BURST_SECONDS`` allow."""
        self._next = self._last = 0.0
        """When the next probe would leave if all kept an even distance; the last place given."""
        self.delayed = 0
        """Probes that had to wait."""
        self.total = total
        self.change(per_second, burst)

    def change(self, per_second: float | None, burst: float | None = None) -> None:
        """From now on another cap, under which no place is given yet."""
        self._next = self._last = 0.0
        self.per_second = per_second
        self._spacing = 0.0 if per_second is None else 1.0 / per_second
        if burst is None:
            burst = 1.0 if per_second is None else max(1.0, per_second * BURST_SECONDS)
        self._burst = burst

    @property
    def burst(self) -> float:
        """How many probes the carrier's cap lets leave at once."""
        return self._burst

    def reserve(self, now: float) -> float:
        """When a probe that asks ``now`` (monotonic) may leave. The place is taken by asking."""
        moment = max(now, self._earliest())
        if self.total is not None:
            moment = self.total.take(moment, now)
        if self._spacing:
            self._next = max(self._next, moment) + self._spacing
        self._last = moment
        if moment > now:
            self.delayed += 1
        return moment

    def backlog_seconds(self, now: float) -> float:
        """How long a probe that asked ``now`` would have to wait."""
        return self.delay(now).seconds

    def delay(self, now: float) -> Delay:
        """The same, and because of which cap."""
        own = max(now, self._earliest())
        both = own if self.total is None else self.total.free(own)
        by_total = self.total is not None and (self.per_second is None or both - own > own - now)
        cap = self.total.per_second if self.total is not None and by_total else self.per_second
        return Delay(both - now, cap or 0.0, by_total)

    def _earliest(self) -> float:
        if not self._spacing:
            return self._last
        return max(self._next - (self._burst - 1.0) * self._spacing, self._last)


class Paces:
    """All caps as configured: one pace for each carrier that has a cap, one for all the others."""

    def __init__(self) -> None:
        """No caps yet."""
        self._caps: tuple[float | None, Mapping[str, float]] = None, {}
        self._total: Calendar | None = None
        self._rest: Pace | None = None
        self._carriers: dict[str, Pace] = {}

    def change(self, total: float | None, carriers: Mapping[str, float]) -> bool:
        """From now on these caps, in probes per second; False if they are what they were.

        If they are not, no place is given any more, and whoever waits has to ask again.
        """
        caps = total, dict(carriers)
        if caps == self._caps:
            return False
        self._caps = caps
        self._total = None if total is None else Calendar(total)
        self._rest = None if total is None else self._rest or Pace(None)
        kept = {}
        for carrier, per_second in carriers.items():
            pace = kept[carrier] = self._carriers.get(carrier) or Pace(per_second)
            pace.change(per_second)
        self._carriers = kept
        for _, pace in self.all():
            pace.total = self._total
        if self._rest is not None:
            self._rest.change(None)
        return True

    def of(self, carrier: str | None) -> Pace | None:
        """The pace of a trunk with this carrier; None: nothing caps it."""
        return self._rest if carrier is None else self._carriers.get(carrier, self._rest)

    def all(self) -> Iterator[tuple[str | None, Pace]]:
        """Each pace with its carrier; None: that of all probes that only the total cap limits."""
        if self._rest is not None:
            yield None, self._rest
        yield from self._carriers.items()

    def why_delayed(self, carrier: str | None, now: float, least_seconds: float) -> str | None:
        """Which cap delays the carrier's probes by ``least_seconds`` or more; None if none does."""
        pace = self.of(carrier)
        delay = None if pace is None else pace.delay(now)
        if delay is None or delay.seconds < least_seconds:
            return None
        cap = f"{delay.per_second:g} a second"
        if delay.by_total:
            return f"all probes are delayed by {delay.seconds:.1f} s by the total cap of {cap}"
        return (
            f'probes of carrier "{carrier}" are delayed by {delay.seconds:.1f} s by its cap of'
            f" {cap}"
        )


class Places(Generic[WaitingT]):
    """Who waits for the moment that a cap gave it; nobody else takes any room here."""

    __slots__ = ("_moments",)

    def __init__(self) -> None:
        self._moments: dict[WaitingT, float] = {}

    def moment(self, who: WaitingT, pace: Pace, now: float) -> float:
        """When ``who``, whose turn it is, may leave: now, or at a moment that is kept for it."""
        if self._moments.pop(who, None) is not None:
            return now
        moment = pace.reserve(now)
        if moment > now:
            self._moments[who] = moment
        return moment

    def not_before(self, who: WaitingT, moment: float) -> float:
        """``moment``, or the one that is kept for ``who`` if that is later."""
        return max(moment, self._moments.get(who, moment)) if self._moments else moment

    def leave(self, who: WaitingT) -> bool:
        """``who`` waits no more; False if it did not."""
        return self._moments.pop(who, None) is not None

    def waiting(self) -> list[WaitingT]:
        """All who wait, in the order in which they asked."""
        return list(self._moments)
