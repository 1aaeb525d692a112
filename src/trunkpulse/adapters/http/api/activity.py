"""``…/trunks/{id}/activity``: how many calls are up on a trunk, as a PBX or SBC says.

It is said every few seconds, by machines, changes nothing that lasts and is in no database; so it
is no act of an administrator, and not in the audit. Only who was refused is.
"""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from trunkpulse.access import Permission
from trunkpulse.adapters.http.api.activity_view import ActivityOut, activity_of, shown
from trunkpulse.adapters.http.api.admission import AdmittedRoute, requires
from trunkpulse.adapters.http.api.context import Context
from trunkpulse.adapters.http.api.reach import InReach
from trunkpulse.adapters.http.api.trunks import TrunkId
from trunkpulse.node.live_calls import LONGEST_REPORT_SECONDS

__all__ = ["router"]

MOST_CALLS = 1_000_000

router = APIRouter(route_class=AdmittedRoute, prefix="/api/v2/telephony/trunks", tags=["trunks"])


class ActivityIn(BaseModel):
    """What a PBX or SBC says of a trunk."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        extra="forbid",
        json_schema_extra={"examples": [{"activeCalls": 12}]},
    )

    active_calls: int = Field(
        ge=0, le=MOST_CALLS, description="Calls that are up now; 0 takes back what was said before."
    )
    expires_seconds: float | None = Field(
        default=None,
        ge=1,
        le=LONGEST_REPORT_SECONDS,
        allow_inf_nan=False,
        description="For how long it counts; absent: one interval between keepalives.",
    )


@router.get(
    "/{trunk_id}/activity", dependencies=[requires(Permission.TRUNK_VIEW, within_limits=True)]
)
async def get_activity(context: Context, reach: InReach, trunk_id: TrunkId) -> ActivityOut:
    """How many calls are up on a trunk."""
    return activity_of(context, reach.record(trunk_id))


@router.put(
    "/{trunk_id}/activity", dependencies=[requires(Permission.TRUNK_EDIT, within_limits=True)]
)
async def report_activity(
    context: Context, reach: InReach, trunk_id: TrunkId, said: ActivityIn
) -> ActivityOut:
    """Say how many calls are up on a trunk; kept in memory, and said anew before it expires."""
    record = reach.record(trunk_id)
    reported = context.live_calls.report(record, said.active_calls, said.expires_seconds)
    return shown(context, reported)
