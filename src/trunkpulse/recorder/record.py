"""A trunk as it runs, and the changes of its state that are decided and not recorded yet."""

from __future__ import annotations

import functools
from typing import NamedTuple

from trunkpulse.board import UNDECIDED
from trunkpulse.model import Reason, Trunk, TrunkState, TrunkStatus
from trunkpulse.ports import StoredHealth, StoredTarget
from trunkpulse.probing.attempt import Seen
from trunkpulse.probing.target import ProbeTarget

__all__ = ["Decided", "TrunkRecord"]

PENDING_LIMIT = 16
"""Changes of one trunk that wait for the database before the newest are merged."""


class Decided(NamedTuple):
    """A change of a trunk's state that is not recorded yet, as small as it can be kept."""

    at_ms: int
    previous_state: TrunkState
    state: TrunkState
    reason: Reason
    failed_attempts: int
    last_success: float | None
    """Wall-clock seconds."""
    seen: tuple[Seen, ...]


@functools.lru_cache(maxsize=4096)
def _status(state: TrunkState, reason: Reason | None, since_ms: int | None) -> TrunkStatus:
    """One object for equal ones: where there are very many trunks, many change together."""
    status = TrunkStatus(state, reason, since_ms)
    return UNDECIDED if status == UNDECIDED else status


class TrunkRecord:
    """A trunk as it runs: its configuration, its targets, and the state decided last."""

    __slots__ = (
        "_targets",
        "admin_enabled",
        "pending",
        "queued",
        "sequence",
        "status",
        "trunk",
        "unsaved",
    )

    def __init__(self, trunk: Trunk, stored: StoredHealth | None) -> None:
        self.trunk = trunk
        self._targets: ProbeTarget | tuple[ProbeTarget, ...] = ()
        self.status = UNDECIDED
        """What was decided last: the board has the same object."""
        self.sequence = 0
        self.admin_enabled = True
        self.pending: tuple[Decided, ...] = ()
        """Decided and not yet recorded, oldest first; the newest is number ``sequence``."""
        self.queued = False
        """True while the recorder holds it."""
        self.unsaved = False
        """True if something changed since the last commit was put together."""
        if stored is not None:
            self.adopt(stored)

    @property
    def targets(self) -> tuple[ProbeTarget, ...]:
        """Those that it is probed at."""
        # Most of a million trunks have one, and a tuple of one takes 48 bytes.
        return self._targets if isinstance(self._targets, tuple) else (self._targets,)

    @targets.setter
    def targets(self, targets: tuple[ProbeTarget, ...]) -> None:
        self._targets = targets[0] if len(targets) == 1 else targets

    @property
    def state(self) -> TrunkState:
        return self.status.state

    @property
    def reason(self) -> Reason | None:
        return self.status.reason

    @property
    def since_ms(self) -> int | None:
        return self.status.since_ms

    def adopt(self, stored: StoredHealth) -> None:
        """Believe what the store holds."""
        self.status = _status(stored.state, stored.reason, stored.since_ms)
        self.sequence = stored.sequence
        self.admin_enabled = stored.admin_enabled

    def retire(self) -> None:
        """The trunk is no longer configured.

        Its count of changes stays, and so does what an administrator decided about it.
        """
        self.targets = ()
        self.status = UNDECIDED

    def add(self, change: Decided) -> None:
        """Take on a decided change; it is given the next sequence number."""
        self.status = _status(change.state, change.reason, change.at_ms)
        self.sequence += 1
        self.pending = (*self.pending, change)
        if len(self.pending) > PENDING_LIMIT:
            self._merge_newest()

    def _merge_newest(self) -> None:
        *oldest, older, newer = self.pending
        self.sequence -= 2
        if older.previous_state is not newer.state:
            self.sequence += 1
            oldest.append(newer._replace(previous_state=older.previous_state))
        self.pending = tuple(oldest)

    def recorded(self) -> None:
        """The oldest pending change is in the store."""
        self.pending = self.pending[1:]

    def health(self) -> StoredHealth:
        """What shall be stored once the oldest pending change is recorded."""
        targets = tuple(
            StoredTarget(
                target.uri,
                target.state,
                None if target.last_success is None else int(target.last_success * 1000),
                None if target.place is None else str(target.place),
            )
            for target in self.targets
        )
        first = self.pending[0] if self.pending else None
        return StoredHealth(
            trunk_id=self.trunk.id,
            state=first.state if first else self.state,
            reason=first.reason if first else self.reason,
            sequence=self.sequence - max(0, len(self.pending) - 1),
            since_ms=first.at_ms if first else self.since_ms,
            admin_enabled=self.admin_enabled,
            targets=targets,
        )
