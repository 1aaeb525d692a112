"""What the log of this process says of changes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import structlog

from trunkpulse.model import StateChange

__all__ = ["CHANGES_TOLD_EACH", "log_changes"]

log = structlog.get_logger(__name__)

CHANGES_TOLD_EACH = 100
"""Of those that are recorded together; of more only how many there are of each state."""


def log_changes(changes: Sequence[StateChange]) -> None:
    """Tell of changes that were recorded together.

    A line for each of many takes longer than to record it; all of them are in the log of events.
    """
    if len(changes) > CHANGES_TOLD_EACH:
        states = Counter(change.state.value for change in changes)
        log.info("trunks.changed", trunks=len(changes), **states)
        return
    for change in changes:
        log.info(
            "trunk.changed",
            trunk=change.trunk_id,
            state=change.state.value,
            previous=change.previous_state.value,
            reason=change.reason.value,
            failed_attempts=change.failed_attempts,
        )
