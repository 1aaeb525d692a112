"""``/api/v2/telephony/trunks/{id}/numbers``: a trunk's round trips and losses over time."""

from __future__ import annotations

import base64
import json
from typing import Annotated

from fastapi import APIRouter, Path, Query
from starlette.responses import Response

from trunkpulse.access import Permission
from trunkpulse.adapters.http.api.admission import AdmittedRoute, requires
from trunkpulse.adapters.http.api.context import Context
from trunkpulse.adapters.http.api.models import Entities, MinuteOut
from trunkpulse.adapters.http.api.paging import Cursor, Limit, page_response
from trunkpulse.adapters.http.api.problems import invalid
from trunkpulse.adapters.http.api.reach import InReach
from trunkpulse.adapters.http.api.views import milliseconds
from trunkpulse.ports import MinuteNumbers, WantedMinutes

__all__ = ["router"]

router = APIRouter(route_class=AdmittedRoute, prefix="/api/v2/telephony/trunks", tags=["trunks"])

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
LATEST_MS = 2**53 - 1
"""The largest number that every reader of JSON takes for itself (RFC 8259 section 6)."""

Key = tuple[int, str, str]


@router.get(
    "/{trunk_id}/numbers",
    dependencies=[requires(Permission.TRUNK_VIEW, within_limits=True)],
    response_model=Entities[MinuteOut],
)
async def trunk_numbers(
    context: Context,
    reach: InReach,
    trunk_id: Annotated[str, Path(description="A trunk's id.")],
    *,
    from_ms: Annotated[
        int | None,
        Query(
            alias="from", ge=0, le=LATEST_MS, description="Milliseconds; absent: an hour earlier."
        ),
    ] = None,
    to_ms: Annotated[
        int | None,
        Query(alias="to", ge=1, le=LATEST_MS, description="Milliseconds; absent: until now."),
    ] = None,
    step: Annotated[
        int, Query(ge=1, le=1440, description="Minutes that are summed up to one entry.")
    ] = 1,
    limit: Limit = 1000,
    cursor: Cursor = None,
) -> Response:
    """A trunk's round trips and losses, minute by minute, oldest first.

    Kept for the trunks that ``[numbers]`` of the configuration covers; the minute that is not over
    yet is not among them, nor is one without an attempt.
    """
    reach.record(trunk_id)
    until = context.now_ms() if to_ms is None else to_ms
    since = max(0, until - HOUR_MS) if from_ms is None else from_ms
    if since >= until:
        raise invalid("query.from", "query.from must be earlier than query.to.")
    wanted = WantedMinutes(
        # What came before the trunk was made was another one's, up to the minute in which it was.
        first=max(since // MINUTE_MS, -(-reach.begins_ms(trunk_id) // MINUTE_MS)),
        last=(until - 1) // MINUTE_MS,
        step=step,
        after=None if cursor is None else _key_of(cursor),
        limit=limit + 1,
    )
    found = await context.measures.minutes(trunk_id, wanted)
    page = found[:limit]
    bodies: list[str] = []
    for each in page:
        bodies.append(_minute_out(each).model_dump_json(by_alias=True))
        await context.turns.give_way()
    return page_response(bodies, _cursor_of(page[-1].key) if len(found) > limit else None)


def _minute_out(minute: MinuteNumbers) -> MinuteOut:
    answered = minute.answers > 0
    return MinuteOut(
        at=minute.minute * MINUTE_MS,
        uri=minute.uri,
        address=minute.place,
        answers=minute.answers,
        losses=minute.losses,
        rtt_mean_ms=milliseconds(minute.rtt_sum_seconds / minute.answers) if answered else None,
        rtt_max_ms=milliseconds(minute.rtt_max_seconds) if answered else None,
        smoothed_rtt_ms=milliseconds(minute.smoothed_rtt_seconds),
        jitter_ms=milliseconds(minute.jitter_seconds),
        state=minute.state,
    )


def _cursor_of(key: Key) -> str:
    return base64.urlsafe_b64encode(json.dumps(key).encode()).decode("ascii")


def _key_of(cursor: str) -> Key:
    try:
        match json.loads(base64.b64decode(cursor.encode("ascii"), altchars=b"-_", validate=True)):
            case [int(minute), str(uri), str(place)] if (
                0 <= minute <= LATEST_MS and f"{uri}{place}".isascii()
            ):
                return minute, uri, place
    except (ValueError, RecursionError):
        pass  # whatever it is, it was not made here
    raise invalid("query.cursor", "query.cursor is not a cursor of this list; start without one.")
