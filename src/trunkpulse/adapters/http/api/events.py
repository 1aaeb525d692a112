"""``/api/v2/events``: the log of changes, by cursor and live."""

from __future__ import annotations

from enum import StrEnum
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request
from starlette.responses import Response

from trunkpulse.access import Permission
from trunkpulse.adapters.http.api.admission import AdmittedRoute, Caller, requires
from trunkpulse.adapters.http.api.context import ApiContext, Context
from trunkpulse.adapters.http.api.event_search import Search, search_of_trunk
from trunkpulse.adapters.http.api.feed import LiveEvents
from trunkpulse.adapters.http.api.lasting import may_still
from trunkpulse.adapters.http.api.models import Entities, EventOut
from trunkpulse.adapters.http.api.paging import Limit, page_response, position_of
from trunkpulse.adapters.http.api.problems import invalid
from trunkpulse.adapters.http.api.reach import Reach
from trunkpulse.ports import FoundEvents

__all__ = ["newest_first", "router"]

router = APIRouter(route_class=AdmittedRoute, prefix="/api/v2/events", tags=["events"])

LATEST_MS = 2**53 - 1
"""The largest number that every reader of JSON takes for itself (RFC 8259 section 6)."""


class Order(StrEnum):
    """Which end of the log a list begins at."""

    ASCENDING = "asc"
    """Oldest first."""
    DESCENDING = "desc"
    """Newest first."""


After = Annotated[
    str | None, Query(max_length=32, description="A nextCursor, or the id of a live event.")
]
EventCursor = Annotated[
    str | None,
    Query(max_length=32, description="The same, but nextCursor is null after the last page."),
]


@router.get(
    "",
    dependencies=[requires(Permission.STREAM_READ, within_limits=True)],
    response_model=Entities[EventOut],
)
async def list_events(
    search: Search,
    *,
    from_ms: Annotated[
        int | None,
        Query(alias="from", ge=0, le=LATEST_MS, description="Milliseconds; then or later."),
    ] = None,
    to_ms: Annotated[
        int | None, Query(alias="to", ge=1, le=LATEST_MS, description="Milliseconds; before then.")
    ] = None,
    order: Annotated[Order, Query(description="Oldest first, or newest first.")] = Order.ASCENDING,
    after: After = None,
    cursor: EventCursor = None,
    limit: Limit = 100,
) -> Response:
    """The events as they were delivered, oldest first, or newest first with order=desc.

    Oldest first, the member nextCursor is never null: ask with it as after later for what has
    happened since; one that did not move says that this is all for now. Newest first, null says
    that this was the last page, and so it does either way to whoever gives it back as cursor, as
    for any list. A cursor is a place in the log and may be used in either direction and with other
    filters. 10,000 events are looked through at most, so with filters a page may be shorter than
    its limit, or empty, and still not be the last.
    """
    if after is not None and cursor is not None:
        raise invalid("query.cursor", "query.cursor and query.after say the same; give one.")
    place = None if after is None else position_of(after, field="query.after")
    if cursor is not None:
        place = position_of(cursor, field="query.cursor")
    if from_ms is not None and to_ms is not None and from_ms >= to_ms:
        raise invalid("query.from", "query.from must be earlier than query.to.")
    of_time = search.of_time(from_ms, to_ms)
    if order is Order.DESCENDING:
        return _page_back(await of_time.page(place, limit, newest_first=True))
    found = await of_time.page(place, limit)
    return _page(found, str(found.place) if cursor is None or found.more else None)


@router.get(
    "/live",
    dependencies=[requires(Permission.STREAM_READ, within_limits=True)],
    response_class=Response,
    responses={200: {"description": "Server-sent events.", "content": {"text/event-stream": {}}}},
)
async def live_events(
    request: Request,
    context: Context,
    caller: Caller,
    search: Search,
    *,
    after: After = None,
    last_event_id: Annotated[str | None, Header(max_length=32)] = None,
) -> Response:
    """Events as they are recorded: id is the position, event the type, data the event.

    Goes on after the header Last-Event-ID, or after; without either it begins now. A stream that
    is ended from here says why by a last message of the type feed.ended.
    """
    if last_event_id:
        position = position_of(last_event_id, field="header.last-event-id")
    elif after is not None:
        position = position_of(after, field="query.after")
    else:
        position = await context.events.last_position()
    return LiveEvents(
        context.feed,
        position=position,
        read=search.page,
        turns=context.turns,
        permitted=partial(may_still, request, caller),
    )


async def newest_first(
    context: ApiContext, reach: Reach, *, before: int | None, limit: int, trunk_id: str
) -> Response:
    """A page of a trunk's events that begins just before a position, or at the end with None."""
    search = search_of_trunk(context, reach, trunk_id)
    return _page_back(await search.page(before, limit, newest_first=True))


def _page_back(found: FoundEvents) -> Response:
    return _page(found, str(found.place) if found.more else None)


def _page(found: FoundEvents, next_cursor: str | None) -> Response:
    """A page of events, byte for byte as they were recorded."""
    return page_response((event.body for event in found.events), next_cursor)
