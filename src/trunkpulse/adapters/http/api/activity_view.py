"""What the API says of a trunk's calls."""

from __future__ import annotations

from pydantic import Field

from trunkpulse.adapters.http.api.context import ApiContext
from trunkpulse.adapters.http.api.models import Out
from trunkpulse.node.live_calls import Activity
from trunkpulse.recorder import TrunkRecord

__all__ = ["ActivityOut", "activity_of", "shown"]


class ActivityOut(Out):
    """The calls of a trunk, and what they do to its keepalives."""

    active_calls: int = Field(description="The larger one of the two that follow.")
    seen_calls: int = Field(
        description="Up as mirrors (HEP) show; where trunks share an address, calls there are not "
        "counted."
    )
    reported_calls: int | None = Field(description="As was reported last, while that counts.")
    reported_until: int | None = Field(
        description="Until when that counts, in milliseconds since the epoch."
    )
    last_proof: int | None = Field(
        description="When calls last proved one of its targets alive, in milliseconds since the "
        "epoch; null: never, or longer ago than is remembered."
    )
    last_proof_counts: bool = Field(
        description="False if that is an interval between keepalives ago, or longer: too old to "
        "spare any."
    )
    keepalives_paused: bool = Field(
        description="True while calls take the place of keepalives of one of its targets."
    )


def activity_of(context: ApiContext, record: TrunkRecord) -> ActivityOut:
    """The trunk's calls at this moment."""
    return shown(context, context.live_calls.activity(record))


def shown(context: ApiContext, activity: Activity) -> ActivityOut:
    """The same of calls that are known already."""
    return ActivityOut(
        active_calls=activity.calls,
        seen_calls=activity.seen,
        reported_calls=activity.reported,
        reported_until=_moment_ms(context, activity.reported_until),
        last_proof=_moment_ms(context, activity.proved_at),
        last_proof_counts=activity.counts,
        keepalives_paused=activity.paused,
    )


def _moment_ms(context: ApiContext, moment: float | None) -> int | None:
    """A monotonic moment on the clock of the wall."""
    if moment is None:
        return None
    return context.now_ms() + round((moment - context.clock.monotonic()) * 1000)
