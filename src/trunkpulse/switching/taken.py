"""What we took out of a switch, so that it is given back once nobody decides about it any more.

Kept in memory, and so forgotten with a restart of ours: what an earlier life took out stays out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet

from trunkpulse.ports import Entry

__all__ = ["Taken", "number_of"]


def number_of(group: str) -> int | None:
    """The number of a group, as the file names it: "1", or "outbound:1" of a partition."""
    digits = group.rpartition(":")[2]
    return int(digits) if digits.isascii() and digits.isdecimal() else None


class Taken:
    """Keys of one switch; no more than it has entries."""

    def __init__(self) -> None:
        self._groups: dict[str, str | None] = {}

    def __contains__(self, key: str) -> bool:
        return key in self._groups

    def take(self, entry: Entry) -> None:
        """It is about to be taken out; whether it was is seen when it is read back."""
        self._groups[entry.key] = entry.group

    def note(self, entries: Iterable[Entry]) -> None:
        """``entries`` are all there are: what is up, held or gone is ours no longer."""
        out = {each.key for each in entries if each.up is False and not each.held}
        for key in [key for key in self._groups if key not in out]:
            del self._groups[key]

    def besides(self, names: AbstractSet[str]) -> Sequence[str]:
        """The keys that are none of ``names``."""
        return [key for key in self._groups if key not in names]

    def groups_besides(self, numbers: AbstractSet[int]) -> Sequence[int]:
        """Numbers of their groups that are none of ``numbers``, smallest first."""
        found = {number_of(group) for group in self._groups.values() if group is not None}
        return sorted(each for each in found if each is not None and each not in numbers)
