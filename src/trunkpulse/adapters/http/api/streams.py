"""``/api/v2/events/streams``: who is told of events, made and changed while the service runs.

Secrets are taken and never given back: an answer says only that there is one. What the
configuration file declares is shown alike, and changes with the file alone.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import partial
from http import HTTPStatus
from typing import Annotated, TypeVar
from urllib.parse import quote

from fastapi import APIRouter, Body, Depends, Path, Query, Request
from pydantic import Field, WithJsonSchema
from starlette.responses import Response

from trunkpulse.access import Permission
from trunkpulse.adapters.http.api.admission import AdmittedRoute, requires
from trunkpulse.adapters.http.api.auditing import note_change
from trunkpulse.adapters.http.api.conditional import (
    IfMatch,
    IfNoneMatch,
    check_match,
    etag_of,
    tag,
)
from trunkpulse.adapters.http.api.context import ApiContext, Context, Streams
from trunkpulse.adapters.http.api.idempotency import once
from trunkpulse.adapters.http.api.models import Entities
from trunkpulse.adapters.http.api.paging import Cursor, Limit, Part, Sort, Sorting
from trunkpulse.adapters.http.api.problems import Problem, invalid
from trunkpulse.adapters.http.api.stream_schema import stream_schema
from trunkpulse.adapters.http.api.stream_views import StreamOut, stream_out
from trunkpulse.adapters.http.api.wording import shortened
from trunkpulse.adapters.keyring import KeysUnusable
from trunkpulse.adapters.outbound import Forbidden, Guard
from trunkpulse.config.stream_documents import DocumentRefused, changed_stream, new_stream
from trunkpulse.events.subscriptions import StreamRefused, UnknownStream
from trunkpulse.model import EventStream
from trunkpulse.ports import DestinationInvalid, SecretUnreadable

__all__ = ["router"]

PATH = "/api/v2/events/streams"

router = APIRouter(route_class=AdmittedRoute, prefix=PATH, tags=["events"])

ResultT = TypeVar("ResultT")

StreamId = Annotated[str, Path(description="A stream's id.")]
Document = dict[str, object]

_EXAMPLE: dict[str, object] = {
    "id": "acme-outages",
    "name": "Outages at Acme",
    "carriers": ["acme"],
    "reasonCodes": ["KEEPALIVE_FAILURE", "NETWORK_ERROR"],
    "destination": {
        "type": "webhook",
        "url": "https://example.com/hook",
        "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    },
}
NewStream = Annotated[
    Document,
    Body(
        description="The keys of [[event_streams]] in the file, in camelCase; a secret stands "
        "there as it is. Only id and destination are required."
    ),
    Field(max_length=64),
    WithJsonSchema(stream_schema(required=True, example=_EXAMPLE)),
]
StreamPatch = Annotated[
    Document,
    Body(
        description="A JSON Merge Patch (RFC 7396): what it does not name stays, null takes away "
        "what was said. A destination of another type is a new one."
    ),
    Field(max_length=64),
    WithJsonSchema(stream_schema(required=False, example={"states": ["DOWN"], "carriers": []})),
]


@dataclass(frozen=True, slots=True)
class StreamChange:
    """A request that is to change a stream, and its answer."""

    request: Request
    context: Context
    response: Response

    async def made(self, stream_id: str, edit: Callable[[EventStream], EventStream]) -> StreamOut:
        """What ``edit`` makes of the stream; raises the problem that says why it cannot."""
        before: StreamOut | None = None

        def seen_and_edited(stream: EventStream) -> EventStream:
            nonlocal before
            before = _shown(self.context, stream)
            return edit(stream)

        change = self.context.subscriptions.change(stream_id, seen_and_edited)
        try:
            stream = await _applied(stream_id, change)
        except DocumentRefused as refused:
            raise _refusal(refused) from None
        after = _shown(self.context, stream)
        note_change(self.request, "stream", stream_id, before, after)
        return _tagged(self.context, stream, self.response)


Change = Annotated[StreamChange, Depends()]


@router.get("", dependencies=[requires(Permission.STREAM_READ)])
async def list_streams(
    context: Context,
    streams: Streams,
    *,
    kind: Annotated[
        str | None,
        Query(alias="type", max_length=64, description="With a destination of this type."),
    ] = None,
    enabled: Annotated[bool | None, Query(description="Only those that are, or are not.")] = None,
    q: Part = None,
    sort: Sorting = Sort.ID,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Entities[StreamOut]:
    """The event streams, by id."""
    part = (q or "").casefold()

    def shown(stream: EventStream) -> bool:
        return (
            (kind is None or stream.destination.type == kind)
            and (enabled is None or stream.enabled is enabled)
            and (part in stream.id.casefold() or part in stream.name.casefold())
        )

    page, next_cursor = streams.page(cursor, limit, shown, sort)
    # Each gathers all streams, which would be too much to do for each of them.
    progress, health = context.deliveries(), context.stream_health()
    withheld = context.subscriptions.withheld
    entities = [
        stream_out(each, progress.get(each.id), health.get(each.id), withheld.get(each.id))
        for each in page
    ]
    return Entities(entities=entities, next_cursor=next_cursor)


@router.post(
    "", dependencies=[requires(Permission.STREAM_EDIT), once()], status_code=HTTPStatus.CREATED
)
async def create_stream(
    request: Request, context: Context, document: NewStream, response: Response
) -> StreamOut:
    """Make an event stream; it is told of what happens from now on."""
    try:
        stream = new_stream(document, is_trunk=partial(_is_trunk, context))
    except DocumentRefused as refused:
        raise _refusal(refused) from None
    _check_place(context, stream)
    await _applied(stream.id, context.subscriptions.create(stream))
    response.headers["location"] = f"{PATH}/{quote(stream.id)}"
    note_change(request, "stream", stream.id, None, _shown(context, stream))
    return _tagged(context, stream, response)


@router.get("/{stream_id}", dependencies=[requires(Permission.STREAM_READ)])
async def get_stream(
    context: Context,
    streams: Streams,
    stream_id: StreamId,
    response: Response,
    if_none_match: IfNoneMatch = None,
) -> StreamOut:
    """One event stream with its delivery counters."""
    stream = streams.get(stream_id)
    if stream is None:
        raise _unknown(stream_id)
    return _tagged(context, stream, response, if_none_match)


@router.patch("/{stream_id}", dependencies=[requires(Permission.STREAM_EDIT)])
async def change_stream(
    stream_id: StreamId, change: Change, document: StreamPatch, if_match: IfMatch = None
) -> StreamOut:
    """Change an event stream by a JSON Merge Patch; what waits for it, and is owed to it, stays."""
    is_trunk = partial(_is_trunk, change.context)

    def edited(stream: EventStream) -> EventStream:
        check_match(if_match, _etag(change.context, stream_id))
        changed = changed_stream(stream, document, is_trunk=is_trunk)
        if changed.destination.url != stream.destination.url:
            _check_place(change.context, changed)
        return changed

    return await change.made(stream_id, edited)


@router.delete(
    "/{stream_id}",
    dependencies=[requires(Permission.STREAM_EDIT)],
    status_code=HTTPStatus.NO_CONTENT,
)
async def delete_stream(
    request: Request,
    context: Context,
    streams: Streams,
    stream_id: StreamId,
    if_match: IfMatch = None,
) -> Response:
    """Delete an event stream with all that waits for it.

    Alerts of it that are open at PagerDuty or ServiceNow are resolved first, for at most 10
    seconds; the log of the service says which were not.
    """

    def permit() -> None:
        check_match(if_match, _etag(context, stream_id))

    stream = streams.get(stream_id)
    before = None if stream is None else _shown(context, stream)
    await _applied(stream_id, context.subscriptions.delete(stream_id, permit))
    note_change(request, "stream", stream_id, before, None)
    return Response(status_code=HTTPStatus.NO_CONTENT)


@router.post("/{stream_id}/pause", dependencies=[requires(Permission.STREAM_EDIT), once()])
async def pause_stream(stream_id: StreamId, change: Change) -> StreamOut:
    """Deliver nothing more for now; what happens meanwhile is kept for it. Safe to repeat."""
    return await change.made(stream_id, lambda stream: replace(stream, paused=True))


@router.post("/{stream_id}/resume", dependencies=[requires(Permission.STREAM_EDIT), once()])
async def resume_stream(stream_id: StreamId, change: Change) -> StreamOut:
    """Deliver again, first of all what has been kept. Safe to repeat."""
    return await change.made(stream_id, lambda stream: replace(stream, paused=False))


@router.post("/{stream_id}/disable", dependencies=[requires(Permission.STREAM_EDIT), once()])
async def disable_stream(stream_id: StreamId, change: Change) -> StreamOut:
    """Tell it nothing new; the recoveries that it is owed wait for it. Safe to repeat."""
    return await change.made(stream_id, lambda stream: replace(stream, enabled=False))


@router.post("/{stream_id}/enable", dependencies=[requires(Permission.STREAM_EDIT), once()])
async def enable_stream(
    request: Request,
    context: Context,
    streams: Streams,
    stream_id: StreamId,
    response: Response,
) -> StreamOut:
    """Tell it again of what happens from now on, or send what waits for it. Safe to repeat.

    A stream that was given up because of its destination is enabled again also if the
    configuration file declares it.
    """
    there = streams.get(stream_id)
    before = None if there is None else _shown(context, there)
    stream = await _applied(stream_id, context.subscriptions.enable(stream_id))
    note_change(request, "stream", stream_id, before, _shown(context, stream))
    return _tagged(context, stream, response)


async def _applied(stream_id: str, change: Awaitable[ResultT]) -> ResultT:
    """What ``change`` gives, or the problem that says why it could not be made."""
    try:
        return await change
    except UnknownStream:
        raise _unknown(stream_id) from None
    except StreamRefused as refused:
        raise Problem(HTTPStatus.CONFLICT, str(refused)) from None
    except DestinationInvalid as refused:
        raise invalid("body.destination", str(refused)) from None
    except (KeysUnusable, SecretUnreadable) as problem:
        raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, str(problem)) from None


def _check_place(context: ApiContext, stream: EventStream) -> None:
    """Raises a problem if its URL is an address to which nothing would ever be sent."""
    guard = Guard(context.configuration().outbound.allow)
    try:
        guard.check_written(stream.destination.url, trusted=False)
    except Forbidden as refused:
        raise invalid("body.destination.url", str(refused)) from None


def _etag(context: ApiContext, stream_id: str) -> str:
    return etag_of(context.subscriptions.kept(stream_id))


def _tagged(
    context: ApiContext,
    stream: EventStream,
    response: Response,
    if_none_match: str | None = None,
) -> StreamOut:
    """As it is shown, with its entity tag on the answer."""
    shown = _shown(context, stream)
    etag = _etag(context, stream.id)
    tag(response, etag, living=shown, if_none_match=if_none_match)
    return shown


def _shown(context: ApiContext, stream: EventStream) -> StreamOut:
    progress, health = context.deliveries(), context.stream_health()
    withheld = context.subscriptions.withheld.get(stream.id)
    return stream_out(stream, progress.get(stream.id), health.get(stream.id), withheld)


def _is_trunk(context: ApiContext, trunk_id: str) -> bool:
    return trunk_id in context.roster.records()


def _unknown(stream_id: str) -> Problem:
    return Problem(HTTPStatus.NOT_FOUND, f"There is no event stream with the id {stream_id[:256]}.")


def _refusal(refused: DocumentRefused) -> Problem:
    """A 422 that names the members as a client writes them."""
    errors = [
        {"field": shortened(f"body.{member}" if member else "body"), "detail": shortened(sentence)}
        for member, sentence in refused.problems
    ]
    return Problem(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        shortened(str(refused)),
        members={"errors": errors},
    )
