"""The live view of every trunk's state, in memory.

Routing decides on it, API and console show it. Reading never waits for anything: with the
database or another region gone the board still answers, and what it says is what this node's own
probes found. A change is on the board before it is in the database, because calls must leave a
dead trunk even while the database is down (docs/decisions/0002).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from trunkpulse.model import TrunkState, TrunkStatus

__all__ = ["Board"]

UNDECIDED = TrunkStatus(TrunkState.UNKNOWN, None, None)


class Board:
    """Trunk id -> status. Written by the pipeline only."""

    def __init__(self) -> None:
        self._statuses: dict[str, TrunkStatus] = {}

    def status(self, trunk_id: str) -> TrunkStatus:
        """The trunk's status; UNKNOWN for one that nothing is known of."""
        return self._statuses.get(trunk_id, UNDECIDED)

    def __contains__(self, trunk_id: str) -> bool:
        return trunk_id in self._statuses

    def __iter__(self) -> Iterator[str]:
        return iter(self._statuses)

    def __len__(self) -> int:
        return len(self._statuses)

    def counts(self) -> Mapping[TrunkState, int]:
        """How many trunks are in each state."""
        counts = dict.fromkeys(TrunkState, 0)
        for status in self._statuses.values():
            counts[status.state] += 1
        return counts

    def publish(self, trunk_id: str, status: TrunkStatus) -> None:
        """From now on this is the trunk's status."""
        self._statuses[trunk_id] = status

    def remove(self, trunk_id: str) -> None:
        """The trunk is no longer configured."""
        self._statuses.pop(trunk_id, None)
