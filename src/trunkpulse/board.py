"""The live view of every trunk's state, in memory.

Routing decides on it, API and console show it. Reading never waits for anything: with the
database or another region gone the board still answers, and what it says is what this node's own
probes found. A change is on the board before it is in the database, because calls must leave a
dead trunk even while the database is down (docs/decisions/0002).

Whoever keeps the trunks in an order of their own watches the board, so that nobody ever has to
look at all of them to see what has changed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Protocol

from trunkpulse.model import TrunkState, TrunkStatus

__all__ = ["UNDECIDED", "Board", "BoardWatcher"]

UNDECIDED = TrunkStatus(TrunkState.UNKNOWN, None, None)
"""Of a trunk that nothing is known of: one object for all of them."""


class BoardWatcher(Protocol):
    """Is told at once of what happens on the board; must be quick, and change nothing there."""

    def moved(self, trunk_id: str, state: TrunkState) -> None:
        """The trunk has left its state for this one."""

    def listed(self, trunk_id: str) -> None:
        """The trunk has come or gone, or was published again, as after a new configuration."""


class Board:
    """Trunk id -> status. Written by the pipeline and the roster only."""

    def __init__(self) -> None:
        self._statuses: dict[str, TrunkStatus] = {}
        self._counts = dict.fromkeys(TrunkState, 0)
        self._returns: dict[str, int | None] = {}
        """When each trunk that was DOWN came back; None: it has not yet."""
        self._watchers: list[BoardWatcher] = []

    def status(self, trunk_id: str) -> TrunkStatus:
        """The trunk's status; UNKNOWN for one that nothing is known of."""
        return self._statuses.get(trunk_id, UNDECIDED)

    def returned_ms(self, trunk_id: str) -> int | None:
        """When the trunk last came back from DOWN, in this process's life; None if it never did.

        One that is enabled again comes back once it is found to work, not before.
        """
        return self._returns.get(trunk_id)

    def __contains__(self, trunk_id: str) -> bool:
        return trunk_id in self._statuses

    def __iter__(self) -> Iterator[str]:
        return iter(self._statuses)

    def __len__(self) -> int:
        return len(self._statuses)

    def counts(self) -> Mapping[TrunkState, int]:
        """How many trunks are in each state; kept, not counted."""
        return dict(self._counts)

    def watch(self, watcher: BoardWatcher) -> None:
        """Have ``watcher`` told of everything from now on."""
        self._watchers.append(watcher)

    def publish(self, trunk_id: str, status: TrunkStatus) -> None:
        """From now on this is the trunk's status.

        Published again for a trunk that is configured anew: watchers then read its settings.
        """
        before = self._statuses.get(trunk_id)
        self._statuses[trunk_id] = status
        state = status.state
        if state is TrunkState.DOWN:
            self._returns[trunk_id] = None
        elif state is not TrunkState.UNKNOWN and self._returns.get(trunk_id, 0) is None:
            self._returns[trunk_id] = status.since_ms
        if before is not None and before.state is state:
            for watcher in self._watchers:
                watcher.listed(trunk_id)
            return
        self._counts[state] += 1
        if before is None:
            for watcher in self._watchers:
                watcher.listed(trunk_id)
            return
        self._counts[before.state] -= 1
        for watcher in self._watchers:
            watcher.moved(trunk_id, state)

    def remove(self, trunk_id: str) -> None:
        """The trunk is no longer configured."""
        status = self._statuses.pop(trunk_id, None)
        if status is None:
            return
        self._returns.pop(trunk_id, None)
        self._counts[status.state] -= 1
        for watcher in self._watchers:
            watcher.listed(trunk_id)
