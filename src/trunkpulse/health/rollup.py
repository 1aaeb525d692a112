"""What the states of its targets make of a trunk."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from trunkpulse.model import FailureKind, Reason, TargetState, TrunkState

__all__ = ["failure_reason", "roll_up"]


def roll_up(
    targets: Sequence[TargetState], *, min_available: int, previous: TrunkState
) -> TrunkState:
    """The trunk's state, given what is known of its targets.

    Undecided targets neither help nor condemn: a trunk is AVAILABLE or DEGRADED as soon as
    ``min_available`` targets are known to be, and DOWN as soon as so many are known to be down
    that the others cannot make up for them. In between it stays what it was.
    """
    available = targets.count(TargetState.AVAILABLE)
    down = targets.count(TargetState.DOWN)
    if available >= min_available:
        return TrunkState.DEGRADED if down else TrunkState.AVAILABLE
    if len(targets) - down < min_available:
        return TrunkState.DOWN
    return previous


def failure_reason(failures: Iterable[FailureKind]) -> Reason:
    """One reason for the failed targets of a trunk.

    NETWORK_ERROR only if the network explains every one of them: a target that was reached and
    did not answer well is the carrier's matter, and the more telling fact.
    """
    reasons = {failure.reason for failure in failures}
    if reasons == {Reason.NETWORK_ERROR}:
        return Reason.NETWORK_ERROR
    return Reason.KEEPALIVE_FAILURE
