"""``/api/v2/events``: the log of changes, by cursor, live, and the streams that are told."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from enum import StrEnum
from http import HTTPStatus
from typing import Annotated
from urllib.parse import urlsplit, urlunsplit

from fastapi import APIRouter, Header, Path, Query
from starlette.responses import Response

from trunkpulse.adapters.http.api.context import ApiContext, Context, Streams
from trunkpulse.adapters.http.api.feed import LiveEvents
from trunkpulse.adapters.http.api.models import Entities, EventOut, Out
from trunkpulse.adapters.http.api.paging import Cursor, Limit, page_response, position_of
from trunkpulse.adapters.http.api.problems import Problem
from trunkpulse.events.delivery import DeliveryProgress
from trunkpulse.events.prober_envelope import event_type_of
from trunkpulse.model import EventStream, EventType
from trunkpulse.ports import RecordedEvent

__all__ = ["newest_first", "router"]

router = APIRouter(prefix="/api/v2/events", tags=["events"])


SEARCHED = 5_000
"""Events that one request looks at, at most, for those of a type."""
SEARCHED_AT_ONCE = 500
_OF_THE_PROBER = frozenset({EventType.PROBER_ISOLATED, EventType.PROBER_RESTORED})


class Order(StrEnum):
    """Which end of the log a list begins at."""

    ASCENDING = "asc"
    """Oldest first."""
    DESCENDING = "desc"
    """Newest first."""


class DestinationOut(Out):
    """Where a stream's events go; credentials are left out."""

    type: str
    url: str


class DeliveryOut(Out):
    """What a stream's delivery did since it was started or last changed."""

    delivered: int
    retried: int
    parked: int
    dead: int
    in_flight: int
    last_error: str | None


class StreamOut(Out):
    """A subscription: which events go to which destination."""

    id: str
    name: str
    enabled: bool
    event_types: list[str]
    trunks: list[str]
    reason_codes: list[str]
    destination: DestinationOut
    managed_by: str | None
    delivery: DeliveryOut | None


After = Annotated[
    str | None, Query(max_length=32, description="A nextCursor, or the id of a live event.")
]
OfTrunk = Annotated[str | None, Query(alias="trunkId", max_length=256)]


@router.get("", response_model=Entities[EventOut])
async def list_events(
    context: Context,
    *,
    after: After = None,
    limit: Limit = 100,
    trunk_id: OfTrunk = None,
    order: Annotated[Order, Query(description="Oldest first, or newest first.")] = Order.ASCENDING,
    event_type: Annotated[EventType | None, Query(alias="eventType")] = None,
) -> Response:
    """The events as they were delivered, oldest first, or newest first with order=desc.

    Oldest first, the member nextCursor is never null: ask with it again later for what has
    happened since. Newest first, null says that this was the last page. A cursor is a place in
    the log and may be used in either direction. With eventType 5,000 events are looked through
    at most, so a page may be shorter than its limit, or empty, and still not be the last.
    """
    place = None if after is None else position_of(after, field="query.after")
    if trunk_id is not None:
        await _check_known(context, trunk_id)
    if event_type in _OF_THE_PROBER and trunk_id is None:
        trunk_id = f"prober:{context.instance_id}"
    if order is Order.DESCENDING:
        return await newest_first(
            context, before=place, limit=limit, trunk_id=trunk_id, event_type=event_type
        )
    found, position, _ = await _search(
        lambda after, most: context.events.read(after=after or 0, limit=most, trunk_id=trunk_id),
        place or 0,
        limit,
        event_type,
    )
    return _page(found, str(position))


@router.get(
    "/live",
    response_class=Response,
    responses={200: {"description": "Server-sent events.", "content": {"text/event-stream": {}}}},
)
async def live_events(
    context: Context,
    *,
    after: After = None,
    trunk_id: OfTrunk = None,
    last_event_id: Annotated[str | None, Header(max_length=32)] = None,
) -> Response:
    """Events as they are recorded: id is the position, event the type, data the event.

    Goes on after the header Last-Event-ID, or after; without either it begins now.
    """
    if last_event_id:
        position = position_of(last_event_id, field="header.last-event-id")
    elif after is not None:
        position = position_of(after, field="query.after")
    else:
        position = await context.events.last_position()
    if trunk_id is not None:
        await _check_known(context, trunk_id)
    return LiveEvents(context.feed, position=position, trunk_id=trunk_id, turns=context.turns)


@router.get("/streams")
async def list_streams(
    context: Context, streams: Streams, *, limit: Limit = 100, cursor: Cursor = None
) -> Entities[StreamOut]:
    """The event streams, by id."""
    page, next_cursor = streams.page(cursor, limit)
    progress = context.deliveries()
    entities = [_stream_out(stream, progress.get(stream.id)) for stream in page]
    return Entities(entities=entities, next_cursor=next_cursor)


@router.get("/streams/{stream_id}")
async def get_stream(
    context: Context,
    streams: Streams,
    stream_id: Annotated[str, Path(description="A stream's id.")],
) -> StreamOut:
    """One event stream with its delivery counters."""
    stream = streams.get(stream_id)
    if stream is None:
        raise Problem(
            HTTPStatus.NOT_FOUND, f"There is no event stream with the id {stream_id[:256]}."
        )
    return _stream_out(stream, context.deliveries().get(stream_id))


async def newest_first(
    context: ApiContext,
    *,
    before: int | None,
    limit: int,
    trunk_id: str | None,
    event_type: EventType | None = None,
) -> Response:
    """A page of the log that begins just before a position, or at its end with None."""
    found, position, more = await _search(
        lambda place, most: context.events.latest(before=place, limit=most, trunk_id=trunk_id),
        before,
        limit,
        event_type,
    )
    return _page(found, str(position) if more else None)


async def _search(
    fetch: Callable[[int | None, int], Awaitable[Sequence[RecordedEvent]]],
    position: int | None,
    limit: int,
    event_type: EventType | None,
) -> tuple[list[RecordedEvent], int | None, bool]:
    """What is found from ``position`` on, where the search ended, and if there is more to look at.

    ``fetch`` reads so many events on from a place. An event at a time is looked at beyond what is
    returned, to know whether it is the last.
    """
    found: list[RecordedEvent] = []
    looked_at = 0
    while True:
        most = min(limit if event_type is None else SEARCHED_AT_ONCE, SEARCHED - looked_at)
        events = await fetch(position, most + 1)
        for event in events[:most]:
            if len(found) == limit:
                return found, position, True
            position = event.position
            looked_at += 1
            if event_type is None or event_type_of(event.body) == event_type:
                found.append(event)
        if len(events) <= most:
            return found, position, False
        if len(found) == limit or looked_at >= SEARCHED:
            return found, position, True


async def _check_known(context: ApiContext, trunk_id: str) -> None:
    """A misspelt id must not look like a quiet trunk; events outlive their trunk, though."""
    if trunk_id in context.roster.records() or trunk_id == f"prober:{context.instance_id}":
        return
    if trunk_id == context.instance_id:
        raise Problem(
            HTTPStatus.NOT_FOUND,
            f"{trunk_id} is this instance, which is no trunk; its own events have the id"
            f" prober:{trunk_id}.",
        )
    if not await context.events.latest(limit=1, trunk_id=trunk_id):
        raise Problem(
            HTTPStatus.NOT_FOUND,
            f"There is no trunk with the id {trunk_id}, and there are no events of one.",
        )


def _page(events: Sequence[RecordedEvent], next_cursor: str | None) -> Response:
    """A page of events, byte for byte as they were recorded."""
    return page_response((event.body for event in events), next_cursor)


def _stream_out(stream: EventStream, progress: DeliveryProgress | None) -> StreamOut:
    destination = stream.destination
    return StreamOut(
        id=stream.id,
        name=stream.name,
        enabled=stream.enabled,
        event_types=list(stream.event_types),
        trunks=list(stream.trunks),
        reason_codes=list(stream.reason_codes),
        destination=DestinationOut(
            type=destination.type, url=_without_credentials(destination.url)
        ),
        managed_by=stream.managed_by,
        delivery=None
        if progress is None
        else DeliveryOut(
            delivered=progress.delivered,
            retried=progress.retried,
            parked=progress.parked,
            dead=progress.dead,
            in_flight=progress.in_flight,
            last_error=progress.last_error,
        ),
    )


def _without_credentials(url: str) -> str:
    """``url`` without user, password and query, which is where tokens are put."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    query = "…" if parts.query else ""
    return urlunsplit((parts.scheme, host, parts.path, query, ""))
