"""Which target has which slot of the prober: a number that is part of every branch.

A slot that is vacant is given to the next target that comes, and with it the number that the last
one's newest request had. So an answer that is still on its way to who has gone is nobody's.
"""

from __future__ import annotations

from trunkpulse.probing.numbers import Numbers
from trunkpulse.probing.target import ProbeTarget

__all__ = ["Slots"]


class Slots:
    """See the module's opening."""

    def __init__(self, numbers: Numbers) -> None:
        """``numbers`` has a row for each slot."""
        self._numbers = numbers
        self.targets: list[ProbeTarget | None] = []
        """By slot; the same list for ever."""
        self._vacant: list[tuple[int, int]] = []
        """(index, next sequence) of slots whose target has gone."""

    def __len__(self) -> int:
        """How many targets there are."""
        return len(self.targets) - len(self._vacant)

    def take(self, target: ProbeTarget) -> None:
        """Give the target a slot, and an empty row."""
        if self._vacant:
            target.index, target.sequence = self._vacant.pop()
            self.targets[target.index] = target
        else:
            target.index = len(self.targets)
            self.targets.append(target)
        self._numbers.reset(target.index)
        target.numbers = self._numbers

    def leave(self, target: ProbeTarget) -> None:
        """The target has gone."""
        self.targets[target.index] = None
        self._vacant.append((target.index, target.sequence))
        target.index = -1

    def awaiting(self, index: int, sequence: int) -> ProbeTarget | None:
        """The target whose request under way has these numbers."""
        target = self.targets[index] if index < len(self.targets) else None
        if target is None or not target.awaiting or target.sequence != sequence:
            return None
        return target
