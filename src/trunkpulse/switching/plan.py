"""What has to be written so that a switch is as it should be, and what changed behind our back.

Pure: entries and wishes in, orders out. Once the orders are carried out there are none left, but
for those that had to wait for another of their group (``keep_last``).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Final, NamedTuple

from trunkpulse.ports import Entry

__all__ = ["Order", "Plan", "Rightness", "plan", "planned"]


ENTRIES_PER_TURN: Final = 500
"""Looked at before the event loop does anything else."""


class Order(NamedTuple):
    """One thing to write."""

    key: str
    up: bool

    @property
    def state(self) -> str:
        """For the log."""
        return "up" if self.up else "down"


class Plan(NamedTuple):
    """What to do about a switch."""

    orders: tuple[Order, ...]
    kept: frozenset[str]
    """Keys of entries that stay up because nothing else in their group would be."""


def plan(
    entries: Sequence[Entry], wanted: Mapping[str, bool | None], *, keep_last: bool = False
) -> Plan:
    """The difference between what the switch has and what is ``wanted``, by key.

    What is not wanted in any way is left alone, and so is what somebody holds by hand. With
    ``keep_last`` the first of a group's entries that are up stays so if all others would be down;
    one that is about to come up does not count before it has, so there may be orders again then.
    """
    kept = kept_of(entries, wanted) if keep_last else frozenset()
    return Plan(tuple(orders_of(entries, wanted, kept)), kept)


async def planned(
    entries: Sequence[Entry], wanted: Mapping[str, bool | None], *, keep_last: bool
) -> Plan:
    """``plan``, some entries at a time; only groups are looked at whole, two milliseconds' work."""
    kept = kept_of(entries, wanted) if keep_last else frozenset()
    orders: list[Order] = []
    for start in range(0, len(entries), ENTRIES_PER_TURN):
        await asyncio.sleep(0)
        orders += orders_of(entries[start : start + ENTRIES_PER_TURN], wanted, kept)
    return Plan(tuple(orders), kept)


def orders_of(
    entries: Iterable[Entry], wanted: Mapping[str, bool | None], kept: AbstractSet[str]
) -> list[Order]:
    """What has to be written of these ``entries``, of which those that are ``kept`` stay."""
    orders: list[Order] = []
    for entry in entries:
        goal = _goal(entry, wanted)
        if goal is not None and goal is not entry.up and entry.key not in kept:
            orders.append(Order(entry.key, goal))
    return orders


def _goal(entry: Entry, wanted: Mapping[str, bool | None]) -> bool | None:
    return None if entry.held else wanted.get(entry.key)


def kept_of(entries: Iterable[Entry], wanted: Mapping[str, bool | None]) -> frozenset[str]:
    """Keys of those that stay up because nothing else in their group would be."""
    groups: dict[str, list[Entry]] = {}
    for entry in entries:
        if entry.group is not None:
            groups.setdefault(entry.group, []).append(entry)
    kept: set[str] = set()
    for members in groups.values():
        leaving = [each.key for each in members if each.up and _goal(each, wanted) is False]
        staying = any(each.up and _goal(each, wanted) is not False for each in members)
        if leaving and not staying:
            kept.add(leaving[0])
    return frozenset(kept)


class Rightness:
    """Remembers which entries were seen right, and so knows what changed behind our back.

    An entry has *drifted* if it was seen as it should be, should still be so, and no longer is.
    """

    def __init__(self) -> None:
        self._right: dict[str, bool] = {}

    def drifted(self, orders: Iterable[Order]) -> list[str]:
        """Keys of those that were right already; they no longer are."""
        keys = [each.key for each in orders if self._right.get(each.key) is each.up]
        for key in keys:
            del self._right[key]
        return keys

    def note(self, entries: Iterable[Entry], wanted: Mapping[str, bool | None]) -> None:
        """``entries`` were read just now: those that are as they should be are right."""
        self._right = {
            each.key: each.up
            for each in entries
            if each.up is not None and not each.held and wanted.get(each.key) is each.up
        }

    def forget(self) -> None:
        """Nobody knows what happened meanwhile, as after the switch was out of reach."""
        self._right.clear()
