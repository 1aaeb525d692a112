"""MeasureStore without a disk: the same answers as a database, for simulations and tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from trunkpulse.ports import MinuteNumbers, WantedMinutes

__all__ = ["MemoryMeasures"]

_Key = tuple[str, int, str, str]
"""Trunk id, minute, URI, and place or nothing."""


class MemoryMeasures:
    """The numbers of targets, minute by minute, in a plain dictionary."""

    def __init__(self) -> None:
        super().__init__()
        self._minutes: dict[_Key, MinuteNumbers] = {}

    async def add_minutes(self, minutes: Sequence[MinuteNumbers]) -> None:
        """Write all, adding to minutes that are there already."""
        for each in minutes:
            self._add(self._minutes, each)

    async def minutes(self, trunk_id: str, wanted: WantedMinutes) -> list[MinuteNumbers]:
        """A trunk's minutes, some of them summed up to one, in the order of their keys."""
        summed: dict[_Key, MinuteNumbers] = {}
        for _, each in sorted(self._minutes.items()):
            if each.trunk_id == trunk_id and wanted.first <= each.minute <= wanted.last:
                self._add(summed, replace(each, minute=each.minute - each.minute % wanted.step))
        after = wanted.after
        in_order = [each for _, each in sorted(summed.items())]
        return [each for each in in_order if after is None or each.key > after][: wanted.limit]

    async def prune_minutes(self, before: int) -> int:
        """Drop minutes older than ``before``; how many."""
        kept = {key: each for key, each in self._minutes.items() if each.minute >= before}
        dropped = len(self._minutes) - len(kept)
        self._minutes = kept
        return dropped

    @staticmethod
    def _add(minutes: dict[_Key, MinuteNumbers], later: MinuteNumbers) -> None:
        key = later.trunk_id, later.minute, later.uri, later.place or ""
        before = minutes.get(key)
        if before is not None:
            later = replace(
                later,
                answers=before.answers + later.answers,
                losses=before.losses + later.losses,
                rtt_sum_seconds=before.rtt_sum_seconds + later.rtt_sum_seconds,
                rtt_max_seconds=max(before.rtt_max_seconds, later.rtt_max_seconds),
            )
        minutes[key] = later
