"""A timing wheel: who is due when, for a million targets, without a timer for each.

The wheel is a ring of slots, one per tick of 10 ms. Arming an item appends it to the slot of its
moment and notes that tick in the item; nothing is ever searched or removed. An item armed again
elsewhere leaves a stale entry behind, which is recognised when its slot comes round (the item's
``due_tick`` says otherwise) and dropped. A moment further away than the ring is long is in the
right slot but not in the right round: it is put back until its round comes.

The slots are the same lists for ever. To the garbage collector, a new list is something to go
through with all that is in it: of a million items, together, for 40 ms. These it has been told to
pass over once the process is up.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Generic, Protocol, TypeVar

__all__ = ["NEVER", "Schedulable", "TimingWheel", "first_moments"]

ROUNDING_TICKS = 1e-4
"""A timer set to a tick's moment may find a clock that is off by the last digits of a float."""

NEVER = -1
"""The ``due_tick`` of an item that is not armed."""


class Schedulable(Protocol):
    """What the wheel asks of its items."""

    due_tick: int
    """Owned by the wheel: the tick the item is armed for, or NEVER."""


ItemT = TypeVar("ItemT", bound=Schedulable)


class TimingWheel(Generic[ItemT]):
    """See the module's opening. Moments are monotonic seconds."""

    __slots__ = ("_origin", "_slots", "_soonest", "_tick", "_ticks", "tick_seconds")

    def __init__(self, now: float, *, tick_seconds: float = 0.01, slots: int = 4096) -> None:
        self.tick_seconds = tick_seconds
        self._origin = now
        self._slots: list[list[ItemT]] = [[] for _ in range(slots)]
        self._ticks = [NEVER] * slots
        """The tick that an item of each slot was last armed for."""
        self._tick = 0  # the first tick that has not been handed out yet
        self._soonest: float = math.inf  # the first tick armed since forget_armed

    def arm(self, item: ItemT, moment: float) -> None:
        """Let ``item`` fall due at ``moment``, never earlier; this replaces an earlier arming."""
        tick = math.ceil((moment - self._origin) / self.tick_seconds)
        # On the hottest path, where max() and min() would be calls.
        if tick < self._tick:  # noqa: PLR1730
            tick = self._tick
        if tick != item.due_tick:
            ticks = self._ticks
            index = tick % len(ticks)
            # One object for all that are armed for it: an integer takes 32 bytes.
            if tick == ticks[index]:
                tick = ticks[index]
            else:
                ticks[index] = tick
            item.due_tick = tick
            if tick < self._soonest:  # noqa: PLR1730
                self._soonest = tick
            self._slots[index].append(item)

    def arm_all(self, items: Sequence[ItemT], moment: float) -> None:
        """Let all ``items``, none of which is armed, fall due at ``moment``."""
        tick = max(math.ceil((moment - self._origin) / self.tick_seconds), self._tick)
        for item in items:
            item.due_tick = tick
        self._soonest = min(self._soonest, tick)
        slots = self._slots
        slots[tick % len(slots)].extend(items)

    def disarm(self, item: ItemT) -> None:
        """Let ``item`` not fall due any more."""
        item.due_tick = NEVER

    def moment_of(self, item: ItemT) -> float | None:
        """When ``item`` falls due, or None if it is not armed."""
        return None if item.due_tick == NEVER else self._origin + item.due_tick * self.tick_seconds

    def take(self, now: float) -> tuple[float, list[ItemT]] | None:
        """The next tick that is due and its items, disarmed; None once all is handed out.

        The first value is the moment the tick was meant for, so that lateness can be told.
        """
        last = math.floor((now - self._origin) / self.tick_seconds + ROUNDING_TICKS)
        slots = self._slots
        while (tick := self._tick) <= last:
            self._tick = tick + 1
            index = tick % len(slots)
            entries = slots[index]
            if not entries:
                continue
            due: list[ItemT] = []
            later: list[ItemT] = []
            for item in entries:
                if item.due_tick == tick:
                    item.due_tick = NEVER
                    due.append(item)
                elif item.due_tick > tick and item.due_tick % len(slots) == index:
                    later.append(item)
            entries[:] = later
            if due:
                return self._origin + tick * self.tick_seconds, due
        return None

    def armed_before(self, moment: float) -> bool:
        """True if something was armed for before ``moment`` since ``forget_armed``."""
        return self._origin + self._soonest * self.tick_seconds < moment

    def forget_armed(self) -> None:
        """Whoever asks ``armed_before`` has taken account of everything armed until now."""
        self._soonest = math.inf

    def next_moment(self) -> float | None:
        """A moment at which to look again: that of the next slot that is not empty.

        None means that the whole ring is empty.
        """
        slots, size = self._slots, len(self._slots)
        for tick in range(self._tick, self._tick + size):
            if slots[tick % size]:
                return self._origin + tick * self.tick_seconds
        return None


def first_moments(
    intervals: list[float],
    now: float,
    *,
    least_seconds: float = 0.0,
    handful: int = 20,
    handful_seconds: float = 1.0,
) -> list[float]:
    """When to probe targets for the first time, given each one's interval in seconds.

    The first probes of many are spread evenly over one interval, so that they neither leave in
    one burst nor ever come back as one; over ``least_seconds`` if that is longer. Up to a
    ``handful`` start within a second: somebody is waiting to see whether their first trunk works.
    """
    count = len(intervals)
    few = count <= handful
    return [
        now
        + (min(interval, handful_seconds) if few else max(interval, least_seconds))
        * position
        / count
        for position, interval in enumerate(intervals)
    ]
