"""What we took out of a switch, so that it is given back once nobody decides about it any more.

It is written down too (``on_record``), so that what an earlier life took out is given back as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from types import MappingProxyType

from trunkpulse.ports import Entry

__all__ = ["Taken", "number_of"]


def number_of(group: str) -> int | None:
    """The number of a group, as the file names it: "1", or "outbound:1" of a partition."""
    digits = group.rpartition(":")[2]
    return int(digits) if digits.isascii() and digits.isdecimal() else None


class Taken:
    """Keys of one switch; no more than it has entries."""

    def __init__(self, groups: Mapping[str, str | None] = MappingProxyType({})) -> None:
        """``groups`` are those that an earlier life took out: the group of each key."""
        self._groups = dict(groups)
        self.changes = 0
        """Counts them, so that who writes it down knows whether there is anything new."""

    def __len__(self) -> int:
        return len(self._groups)

    @property
    def groups(self) -> Mapping[str, str | None]:
        """The group of each key."""
        return self._groups

    def __contains__(self, key: str) -> bool:
        return key in self._groups

    def take(self, entry: Entry) -> None:
        """It is about to be taken out; whether it was is seen when it is read back."""
        if entry.key not in self._groups:
            self.changes += 1
        self._groups[entry.key] = entry.group

    def note(self, entries: Iterable[Entry]) -> None:
        """``entries`` are all there are: what is up, held or gone is ours no longer."""
        if not self._groups:
            return
        out = {each.key for each in entries if each.up is False and not each.held}
        for key in [key for key in self._groups if key not in out]:
            del self._groups[key]
            self.changes += 1

    def besides(self, names: AbstractSet[str]) -> Sequence[str]:
        """The keys that are none of ``names``."""
        return [key for key in self._groups if key not in names]

    def groups_besides(self, numbers: AbstractSet[int]) -> Sequence[int]:
        """Numbers of their groups that are none of ``numbers``, smallest first."""
        found = {number_of(group) for group in self._groups.values() if group is not None}
        return sorted(each for each in found if each is not None and each not in numbers)
