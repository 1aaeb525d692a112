"""What is kept of trunks, and committed together with what changed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from trunkpulse.model import Reason, StateChange, TargetState, TrunkState

__all__ = [
    "HealthCommit",
    "HealthStore",
    "StoreUnavailable",
    "StoredHealth",
    "StoredTarget",
]


class StoreUnavailable(Exception):
    """The database cannot be reached or refused to work; nothing of the call was written.

    Retryable: the caller keeps what it wanted written and tries again.
    """


class StoredTarget(NamedTuple):
    """What is kept of one target so that a restart carries on where it stopped.

    A tuple, as is ``StoredHealth``: a start makes a million, and a frozen dataclass takes thrice
    as long to make.
    """

    uri: str
    state: TargetState
    last_success_ms: int | None
    place: str | None = None
    """Where its name led, as ``udp:192.0.2.1:5060``; None if the URI itself says."""


class StoredHealth(NamedTuple):
    """A trunk's last recorded state."""

    trunk_id: str
    state: TrunkState
    reason: Reason | None
    """None until the first change."""
    sequence: int
    """Of the last change; 0 before the first. Also the version that compare-and-set checks."""
    since_ms: int | None
    admin_enabled: bool
    """False while an administrator has the trunk disabled."""
    targets: tuple[StoredTarget, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthCommit:
    """One trunk's part of a commit: its new health and, if its state changed, the change."""

    health: StoredHealth
    """As it shall be after the commit."""
    change: StateChange | None
    """None: only ``admin_enabled`` or ``targets`` are saved. Otherwise
    ``change.sequence == health.sequence`` and the store must hold ``sequence - 1``."""
    tell: tuple[str, ...] = ()
    """Ids of the streams that get a delivery of this change."""
    opened: tuple[str, ...] = ()
    """Streams that are hereby told of trouble on this trunk: they are owed the recovery."""
    closed: tuple[str, ...] = ()
    """Streams that are hereby told of the recovery: they are owed nothing more."""


class HealthStore(Protocol):
    """Trunk states. State, event row and deliveries are written in one transaction."""

    async def load(
        self, progress: Callable[[int, int], None] | None = None
    ) -> dict[str, StoredHealth]:
        """Every trunk's last recorded state by trunk id, forgotten ones included.

        ``progress`` hears now and then how many of how many there are so far.
        """

    async def load_owed(self) -> set[tuple[str, str]]:
        """(stream id, trunk id) of every recovery that is still owed."""

    async def commit(self, commits: Sequence[HealthCommit]) -> frozenset[str]:
        """Write all in one transaction, durable on return; raises StoreUnavailable.

        Returns the ids of trunks whose recorded sequence was not the expected one: nothing is
        written for these, all else is.
        """

    async def forget(self, trunk_ids: Sequence[str]) -> None:
        """These trunks are no longer configured: state UNKNOWN, no targets, sequence kept.

        Owed recoveries stay: an alert that was raised before a trunk was taken out of the file
        shall end when it is back and well. Events stay too.
        """

    async def close(self) -> None:
        """Release connections; safe to repeat."""
