"""What a commit may write and what forgetting means: the part that no adapter decides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from trunkpulse.model import TrunkState
from trunkpulse.ports import HealthCommit, StoredHealth

__all__ = ["AT_ONCE", "PASSED_OVER", "alert_entity", "conflicts", "forgotten"]

AT_ONCE = 0
"""The due moment of work that waits for nothing: right even if the wall clock is set back."""
PASSED_OVER = "not taken, and passed over: what came later of this alert was told instead"
"""What is said of news of an alert that was overtaken before it was taken."""


def conflicts(commits: Sequence[HealthCommit], recorded: Mapping[str, int]) -> frozenset[str]:
    """Ids of trunks with a commit that does not follow on what is ``recorded``.

    ``recorded`` maps trunk ids to their recorded sequence; an absent trunk is at 0. Several
    commits of one trunk follow on each other, and one that does not refuses them all.
    """
    reached: dict[str, int] = {}
    refused: set[str] = set()
    for commit in commits:
        trunk_id = commit.health.trunk_id
        sequence = commit.health.sequence
        held = reached.get(trunk_id, recorded.get(trunk_id, 0))
        if held != (sequence if commit.change is None else sequence - 1):
            refused.add(trunk_id)
        reached[trunk_id] = sequence
    return frozenset(refused)


def forgotten(health: StoredHealth) -> StoredHealth:
    """What is kept of a trunk that is no longer configured.

    That is its sequence, so that it never repeats, and whether an administrator disabled it.
    """
    return health._replace(state=TrunkState.UNKNOWN, reason=None, since_ms=None, targets=())


def alert_entity(alert_id: str) -> str:
    """What is told of an alert is filed under this; no trunk has a colon in its id."""
    return f"alert:{alert_id}"
