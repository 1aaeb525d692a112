"""How long it takes until an outage or a recovery is known, by the rules that decide it."""

from __future__ import annotations

from generators.markdown import table
from trunkpulse.health.hysteresis import Run, advance, pace_seconds
from trunkpulse.model import KeepalivePolicy, TargetState

__all__ = ["detection_times"]

SETTINGS_COMPARED = (
    KeepalivePolicy(),
    KeepalivePolicy(interval_seconds=15),
    KeepalivePolicy(interval_seconds=60),
    KeepalivePolicy(interval_seconds=15, max_failed_attempts=2, confirm_interval_seconds=2),
    KeepalivePolicy(interval_seconds=30, max_failed_attempts=5),
    KeepalivePolicy(interval_seconds=30, timeout_seconds=8),
)


def worst_case_seconds(policy: KeepalivePolicy, *, silent: bool) -> float:
    """From the moment a healthy target dies, just after an answer, until it counts as DOWN.

    ``silent``: its attempts run into the time-out; otherwise each is refused at once.
    """
    run, luck = Run(TargetState.AVAILABLE), 1.0
    started = pace_seconds(run, policy, luck)
    ended = started
    while run.state is not TargetState.DOWN:
        ended = started + (policy.timeout_seconds if silent else 0.0)
        run = advance(run, success=False, policy=policy)
        started = max(started + pace_seconds(run, policy, luck), ended)
    return ended


def recovery_seconds(policy: KeepalivePolicy) -> float:
    """From the moment a dead target answers again until it counts as AVAILABLE, at worst."""
    run, luck = Run(TargetState.DOWN), 1.0
    started = answered = max(pace_seconds(run, policy, luck), policy.timeout_seconds)
    while run.state is not TargetState.AVAILABLE:
        answered = started
        run = advance(run, success=True, policy=policy)
        started += pace_seconds(run, policy, luck)
    return answered


def detection_times() -> str:
    """Worst cases of a few settings."""
    return table(
        (
            "`interval_seconds`",
            "`max_failed_attempts`",
            "`confirm_interval_seconds`",
            "`timeout_seconds`",
            "silent carrier",
            "refusing carrier",
            "recovery",
        ),
        (
            (
                f"{policy.interval_seconds:g}",
                f"{policy.max_failed_attempts}",
                f"{policy.confirm_interval_seconds:g}",
                f"{policy.timeout_seconds:g}",
                f"{worst_case_seconds(policy, silent=True):.1f} s",
                f"{worst_case_seconds(policy, silent=False):.1f} s",
                f"{recovery_seconds(policy):.1f} s",
            )
            for policy in SETTINGS_COMPARED
        ),
    )
