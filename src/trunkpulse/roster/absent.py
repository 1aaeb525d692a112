"""What is remembered of trunks that are not run: not yet since the start, or no longer."""

from __future__ import annotations

from trunkpulse.ports import StoredHealth
from trunkpulse.recorder import TrunkRecord

__all__ = ["Absent"]

MOST_RETIRED = 10_000
"""Trunks that were removed one by one and are remembered; the database remembers all."""


class Absent:
    """See the module's opening."""

    def __init__(self) -> None:
        self._retired: dict[str, TrunkRecord] = {}
        """Trunks that are no longer configured; one that comes back goes on counting."""
        self._stored: dict[str, StoredHealth] = {}

    def restore(self, stored: dict[str, StoredHealth]) -> None:
        """The states that trunks had when last recorded; each is given out once."""
        self._stored = stored

    def recorded(self, trunk_id: str) -> StoredHealth | None:
        """What was recorded of the trunk, which is about to run; None if nothing was."""
        stored = self._stored.pop(trunk_id, None)
        if stored is not None and not self._stored:
            self._stored = {}  # emptied, it would keep the room that a million took in it
        return stored

    def back(self, trunk_id: str) -> TrunkRecord | None:
        """The trunk if it was let go before; it is absent no longer."""
        return self._retired.pop(trunk_id, None)

    def pardon(self, trunk_id: str) -> bool:
        """What an administrator did to it is forgotten; True if there was something to forget."""
        retired, stored = self._retired.get(trunk_id), self._stored.get(trunk_id)
        disabled = False
        if retired is not None and not retired.admin_enabled:
            retired.admin_enabled = disabled = True
        if stored is not None and not stored.admin_enabled:
            self._stored[trunk_id] = stored._replace(admin_enabled=True)
            disabled = True
        return disabled

    def keep(self, record: TrunkRecord) -> None:
        """The trunk is let go."""
        trunk_id = record.trunk.id
        self._retired[trunk_id] = record
        self._stored.pop(trunk_id, None)

    def forget_oldest(self) -> None:
        """Of those that were let go, if they are too many."""
        while len(self._retired) > MOST_RETIRED:
            del self._retired[next(iter(self._retired))]
