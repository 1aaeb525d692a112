"""What has to be written so that a switch is as it should be, and what changed behind our back.

Pure: entries and wishes in, orders out. Once the orders are carried out there are none left, but
for those that had to wait for another of their group (``keep_last``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from trunkpulse.ports import Entry

__all__ = ["Order", "Plan", "Rightness", "plan"]


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
    goals = {each.key: None if each.held else wanted.get(each.key) for each in entries}
    kept = _kept(entries, goals) if keep_last else frozenset()
    orders: list[Order] = []
    for entry in entries:
        goal = goals[entry.key]
        if goal is not None and goal is not entry.up and entry.key not in kept:
            orders.append(Order(entry.key, goal))
    return Plan(tuple(orders), kept)


def _kept(entries: Sequence[Entry], goals: Mapping[str, bool | None]) -> frozenset[str]:
    groups: dict[str, list[Entry]] = {}
    for entry in entries:
        if entry.group is not None:
            groups.setdefault(entry.group, []).append(entry)
    kept: set[str] = set()
    for members in groups.values():
        leaving = [each.key for each in members if each.up and goals[each.key] is False]
        staying = any(each.up and goals[each.key] is not False for each in members)
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
