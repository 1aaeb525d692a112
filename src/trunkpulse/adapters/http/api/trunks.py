"""``/api/v2/telephony/trunks``: the trunks, their administrative state, their past, and why."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from trunkpulse.access import Permission
from trunkpulse.access.licence import Entitlement
from trunkpulse.adapters.http.api.admission import AdmittedRoute, requires
from trunkpulse.adapters.http.api.auditing import note_change, note_details
from trunkpulse.adapters.http.api.conditional import IfNoneMatch
from trunkpulse.adapters.http.api.context import ApiContext, Context, Index
from trunkpulse.adapters.http.api.events import newest_first
from trunkpulse.adapters.http.api.idempotency import once
from trunkpulse.adapters.http.api.licence import refuse_unlicensed
from trunkpulse.adapters.http.api.models import (
    Entities,
    EventOut,
    ExplainOut,
    ProbeOut,
    TrunkOut,
)
from trunkpulse.adapters.http.api.paging import (
    Cursor,
    Limit,
    page_response,
    position_of,
)
from trunkpulse.adapters.http.api.problems import Problem
from trunkpulse.adapters.http.api.reach import InReach
from trunkpulse.adapters.http.api.shelf import Wanted
from trunkpulse.adapters.http.api.trunk_order import TrunkSort, TrunkSorting, ordered_page
from trunkpulse.adapters.http.api.trunk_views import TrunkDetailOut, tagged
from trunkpulse.adapters.http.api.views import explain_out, is_enabled, trunk_out
from trunkpulse.adapters.http.api.wording import shortened
from trunkpulse.model import Direction, TrunkState
from trunkpulse.recorder import TrunkRecord

__all__ = ["TrunkId", "administer", "router", "until_recorded"]

router = APIRouter(route_class=AdmittedRoute, prefix="/api/v2/telephony/trunks", tags=["trunks"])

TrunkId = Annotated[str, Path(description="A trunk's id.")]
Label = Annotated[str | None, Query(max_length=256, description="Exactly this label.")]


@router.get(
    "",
    dependencies=[requires(Permission.TRUNK_VIEW, within_limits=True)],
    response_model=Entities[TrunkOut],
)
async def list_trunks(
    context: Context,
    index: Index,
    reach: InReach,
    *,
    state: Annotated[TrunkState | None, Query(description="In this state now.")] = None,
    carrier: Label = None,
    region: Label = None,
    direction: Annotated[
        Direction | None, Query(description="Exactly this; a trunk for both is not inbound.")
    ] = None,
    q: Annotated[
        str | None, Query(max_length=256, description="Part of the id or name, in any case.")
    ] = None,
    sort: TrunkSorting = TrunkSort.ID,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response:
    """The trunks, by id or by state.

    By state a trunk whose state changes while one pages on may be shown twice or not at all.
    """
    wanted = Wanted(
        state=state,
        carrier=carrier,
        region=region,
        direction=direction,
        part=q.casefold() if q else None,
        limits=reach.limits,
    )
    page, next_cursor = await ordered_page(
        index, wanted, sort=sort, cursor=cursor, limit=limit, turns=context.turns
    )
    bodies: list[str] = []
    for record in page:
        bodies.append(trunk_out(context, record).model_dump_json(by_alias=True))
        await context.turns.give_way()
    return page_response(bodies, next_cursor)


@router.get("/{trunk_id}", dependencies=[requires(Permission.TRUNK_VIEW, within_limits=True)])
async def get_trunk(
    context: Context,
    reach: InReach,
    trunk_id: TrunkId,
    response: Response,
    if_none_match: IfNoneMatch = None,
) -> TrunkDetailOut:
    """One trunk, with what was said of it."""
    return tagged(context, reach.record(trunk_id), response, if_none_match)


@router.post(
    "/{trunk_id}/disable",
    dependencies=[requires(Permission.TRUNK_EDIT, within_limits=True), once()],
)
async def disable_trunk(
    request: Request, context: Context, reach: InReach, trunk_id: TrunkId
) -> TrunkOut:
    """Take a trunk out of service, at once; safe to repeat. Answers once it is recorded."""
    return await administer(request, context, reach.record(trunk_id), enabled=False)


@router.post(
    "/{trunk_id}/probe",
    dependencies=[requires(Permission.TRUNK_EDIT, within_limits=True), once()],
    status_code=HTTPStatus.ACCEPTED,
)
async def probe_trunk(
    request: Request, context: Context, reach: InReach, trunk_id: TrunkId
) -> ProbeOut:
    """Probe all targets of a trunk now; the verdicts follow the ordinary rules."""
    record = reach.record(trunk_id)
    if problem := context.trunks.withheld.get(trunk_id):
        raise Problem(
            HTTPStatus.CONFLICT,
            shortened(f"Trunk {trunk_id} is withheld and not probed: {problem}"),
        )
    if not is_enabled(record):
        raise Problem(
            HTTPStatus.CONFLICT, f"Trunk {trunk_id} is disabled; enable it before probing it."
        )
    if not record.trunk.keepalive.enabled:
        raise Problem(
            HTTPStatus.CONFLICT,
            f"Keepalives are switched off for trunk {trunk_id}; "
            "set keepalive.enabled = true to have it probed.",
        )
    refuse_unlicensed(context.licensing, Entitlement.TALK)
    targets = context.roster.probe_now(trunk_id)
    note_details(request, targets=targets)
    return ProbeOut(targets=targets)


@router.get(
    "/{trunk_id}/history",
    dependencies=[requires(Permission.TRUNK_VIEW, within_limits=True)],
    response_model=Entities[EventOut],
)
async def trunk_history(
    context: Context,
    reach: InReach,
    trunk_id: TrunkId,
    *,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response:
    """A trunk's past changes as they were delivered, newest first."""
    reach.record(trunk_id)
    before = None if cursor is None else position_of(cursor, field="query.cursor")
    return await newest_first(context, reach, before=before, limit=limit, trunk_id=trunk_id)


@router.get(
    "/{trunk_id}/explain", dependencies=[requires(Permission.TRUNK_VIEW, within_limits=True)]
)
async def explain_trunk(context: Context, reach: InReach, trunk_id: TrunkId) -> ExplainOut:
    """Why a trunk is in its state, and what happens next."""
    return explain_out(context, reach.record(trunk_id))


async def administer(
    request: Request, context: ApiContext, record: TrunkRecord, *, enabled: bool
) -> TrunkOut:
    """The trunk, once it is recorded that it is in service or out of it; raises a Problem."""
    trunk_id = record.trunk.id
    before = trunk_out(context, record)
    record = context.roster.set_admin_enabled(trunk_id, enabled=enabled)
    note_change(request, "trunk", trunk_id, before, trunk_out(context, record))
    await until_recorded(context, record)
    return trunk_out(context, record)


async def until_recorded(context: ApiContext, record: TrunkRecord) -> None:
    """Return once it is recorded that the trunk is in service or out of it; raises a Problem."""
    try:
        async with asyncio.timeout(context.record_seconds):
            await context.pipeline.recorder.written(record)
    except TimeoutError:
        done = "enabled" if record.admin_enabled else "disabled"
        raise Problem(
            HTTPStatus.SERVICE_UNAVAILABLE,
            f"Trunk {record.trunk.id} is {done} on this node already, but the database does not "
            "answer; it will be recorded when the database is back.",
            headers={"retry-after": "5"},
        ) from None
