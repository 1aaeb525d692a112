"""``/api/v2/telephony/trunks``: the trunks, their administrative state, their past, and why."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path, Query
from starlette.responses import Response

from trunkpulse.access import Permission
from trunkpulse.adapters.http.api.admission import requires
from trunkpulse.adapters.http.api.context import ApiContext, Context, Index
from trunkpulse.adapters.http.api.events import newest_first
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
    cursor_of,
    id_of,
    page_response,
    position_of,
)
from trunkpulse.adapters.http.api.problems import Problem
from trunkpulse.adapters.http.api.shelf import Wanted
from trunkpulse.adapters.http.api.views import explain_out, is_enabled, trunk_out
from trunkpulse.model import Direction, TrunkState
from trunkpulse.recorder import TrunkRecord
from trunkpulse.roster import UnknownTrunk

__all__ = ["record_of", "router"]

router = APIRouter(prefix="/api/v2/telephony/trunks", tags=["trunks"])

TrunkId = Annotated[str, Path(description="A trunk's id.")]
Label = Annotated[str | None, Query(max_length=256, description="Exactly this label.")]


@router.get("", dependencies=[requires(Permission.TRUNK_VIEW)], response_model=Entities[TrunkOut])
async def list_trunks(
    context: Context,
    index: Index,
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
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response:
    """The trunks, by id."""
    wanted = Wanted(
        state=state,
        carrier=carrier,
        region=region,
        direction=direction,
        part=q.casefold() if q else None,
    )
    after = None if cursor is None else id_of(cursor)
    page, more = await index.page(wanted, after=after, limit=limit, turns=context.turns)
    bodies: list[str] = []
    for record in page:
        bodies.append(trunk_out(context, record).model_dump_json(by_alias=True))
        await context.turns.give_way()
    return page_response(bodies, cursor_of(page[-1].trunk.id) if more else None)


@router.get("/{trunk_id}", dependencies=[requires(Permission.TRUNK_VIEW)])
async def get_trunk(context: Context, trunk_id: TrunkId) -> TrunkOut:
    """One trunk."""
    return trunk_out(context, record_of(context, trunk_id))


@router.post("/{trunk_id}/disable", dependencies=[requires(Permission.TRUNK_EDIT)])
async def disable_trunk(context: Context, trunk_id: TrunkId) -> TrunkOut:
    """Take a trunk out of service, at once; safe to repeat. Answers once it is recorded."""
    record_of(context, trunk_id)
    return await _administer(context, trunk_id, enabled=False)


@router.post("/{trunk_id}/enable", dependencies=[requires(Permission.TRUNK_EDIT)])
async def enable_trunk(context: Context, trunk_id: TrunkId) -> TrunkOut:
    """Put a trunk back in service; safe to repeat. Answers once it is recorded."""
    trunk = record_of(context, trunk_id).trunk
    if not trunk.enabled:
        where = trunk.managed_by or "its configuration"
        raise Problem(
            HTTPStatus.CONFLICT,
            f"Trunk {trunk_id} is disabled by {where}; set enabled = true there instead.",
        )
    return await _administer(context, trunk_id, enabled=True)


@router.post(
    "/{trunk_id}/probe",
    dependencies=[requires(Permission.TRUNK_EDIT)],
    status_code=HTTPStatus.ACCEPTED,
)
async def probe_trunk(context: Context, trunk_id: TrunkId) -> ProbeOut:
    """Probe all targets of a trunk now; the verdicts follow the ordinary rules."""
    record = record_of(context, trunk_id)
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
    return ProbeOut(targets=context.roster.probe_now(trunk_id))


@router.get(
    "/{trunk_id}/history",
    dependencies=[requires(Permission.TRUNK_VIEW)],
    response_model=Entities[EventOut],
)
async def trunk_history(
    context: Context, trunk_id: TrunkId, *, limit: Limit = 100, cursor: Cursor = None
) -> Response:
    """A trunk's past changes as they were delivered, newest first."""
    record_of(context, trunk_id)
    before = None if cursor is None else position_of(cursor, field="query.cursor")
    return await newest_first(context, before=before, limit=limit, trunk_id=trunk_id)


@router.get("/{trunk_id}/explain", dependencies=[requires(Permission.TRUNK_VIEW)])
async def explain_trunk(context: Context, trunk_id: TrunkId) -> ExplainOut:
    """Why a trunk is in its state, and what happens next."""
    return explain_out(context, record_of(context, trunk_id))


def record_of(context: ApiContext, trunk_id: str) -> TrunkRecord:
    """The trunk of this id; raises a 404 Problem if there is none."""
    try:
        return context.roster.record(trunk_id)
    except UnknownTrunk:
        raise Problem(
            HTTPStatus.NOT_FOUND, f"There is no trunk with the id {trunk_id[:256]}."
        ) from None


async def _administer(context: ApiContext, trunk_id: str, *, enabled: bool) -> TrunkOut:
    record = context.roster.set_admin_enabled(trunk_id, enabled=enabled)
    try:
        async with asyncio.timeout(context.record_seconds):
            await context.pipeline.recorder.written(record)
    except TimeoutError:
        done = "enabled" if enabled else "disabled"
        raise Problem(
            HTTPStatus.SERVICE_UNAVAILABLE,
            f"Trunk {trunk_id} is {done} on this node already, but the database does not answer; "
            "it will be recorded when the database is back.",
            headers={"retry-after": "5"},
        ) from None
    return trunk_out(context, record)
