"""``/api/v2/routing/routes``: which trunks take the calls to which numbers.

What the configuration file declares is shown alike, and changes with the file alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from functools import partial
from http import HTTPStatus
from itertools import takewhile
from typing import Annotated, Any, TypeVar
from urllib.parse import quote

from fastapi import APIRouter, Body, Path, Query, Request
from pydantic import Field, WithJsonSchema
from starlette.responses import Response

from trunkpulse.access import Permission
from trunkpulse.access.licence import Entitlement
from trunkpulse.adapters.http.api.admission import AdmittedRoute, requires
from trunkpulse.adapters.http.api.auditing import note_change
from trunkpulse.adapters.http.api.conditional import (
    IfMatch,
    IfNoneMatch,
    check_match,
    etag_of,
    tag,
)
from trunkpulse.adapters.http.api.context import ApiContext, Context, Routes
from trunkpulse.adapters.http.api.idempotency import once
from trunkpulse.adapters.http.api.licence import refuse_unlicensed
from trunkpulse.adapters.http.api.models import Entities, Out
from trunkpulse.adapters.http.api.paging import Cursor, Limit, Sort, Sorting
from trunkpulse.adapters.http.api.problems import Problem
from trunkpulse.adapters.http.api.reach import InReach
from trunkpulse.adapters.http.api.stream_schema import document_schema
from trunkpulse.adapters.http.api.trunk_changes import refusal
from trunkpulse.adapters.http.api.trunk_views import SavedAdviceOut, advice_out
from trunkpulse.adapters.http.api.wording import shortened
from trunkpulse.config.advice import advise_on_route
from trunkpulse.config.json_documents import DocumentRefused
from trunkpulse.config.route_documents import changed_route, new_route
from trunkpulse.config.schema import RouteEntry
from trunkpulse.model import Direction, Hours, Route, WhenNoneAvailable
from trunkpulse.model.hours import name_of_minute, names_of_days
from trunkpulse.provisioning.refusals import Refused
from trunkpulse.provisioning.routes import UnknownRoute

__all__ = ["HoursOut", "hours_out", "router"]

PATH = "/api/v2/routing/routes"
SOON_READ = 500
"""Routes and numbers; more are gone through in a thread, so that probes leave meanwhile."""

router = APIRouter(route_class=AdmittedRoute, prefix=PATH, tags=["routing"])

ResultT = TypeVar("ResultT")
Document = dict[str, object]

RouteId = Annotated[str, Path(description="A route's id.")]

_EXAMPLE: dict[str, Any] = {
    "id": "berlin",
    "numbers": ["+4930", "+49331"],
    "trunks": [{"id": "carrier-a"}, {"id": "carrier-b", "priority": 2}],
}
NewRoute = Annotated[
    Document,
    Body(
        description="The keys of [[routes]] in the file, in camelCase. Only id and trunks are "
        "required."
    ),
    Field(max_length=64),
    WithJsonSchema(document_schema(RouteEntry, required=True, example=_EXAMPLE)),
]
RoutePatch = Annotated[
    Document,
    Body(
        description="A JSON Merge Patch (RFC 7396): what it does not name stays, null takes away "
        "what was said. A list takes the place of the whole list."
    ),
    Field(max_length=64),
    WithJsonSchema(
        document_schema(RouteEntry, required=False, example={"whenNoneAvailable": "try_all"})
    ),
]


class RouteTrunkOut(Out):
    """A trunk's place in a route."""

    id: str
    priority: int
    weight: int


class HoursOut(Out):
    """Some hours of some days of the week."""

    days: list[str] = Field(description="Such as mon or mon-fri; empty: every day.")
    from_: str = Field(serialization_alias="from", description="Such as 08:00.")
    to: str = Field(description="Such as 18:00; earlier than from: it runs over midnight.")


class RouteOut(Out):
    """Which trunks take the calls to which numbers."""

    id: str
    direction: Direction
    numbers: list[str] = Field(
        description="E.164 prefixes, ranges and patterns, and short numbers; empty: every number "
        "but the short ones."
    )
    regions: list[str] = Field(description="Empty: every region.")
    times: list[HoursOut] = Field(description="When it takes calls; empty: always.")
    timezone: str | None = Field(
        description="Whose clocks the times go by; null: those of [routing]."
    )
    trunks: list[RouteTrunkOut]
    when_none_available: WhenNoneAvailable
    failback_ramp_seconds: float = Field(
        description="Over how long a trunk that was DOWN takes its share back."
    )
    managed_by: str | None = Field(description="The file that declares it; read-only here then.")


class RouteSavedOut(RouteOut):
    """The same of one that has been saved, with advice."""

    advice: list[SavedAdviceOut]


@router.get("", dependencies=[requires(Permission.ROUTE_VIEW, within_limits=True)])
async def list_routes(
    routes: Routes,
    reach: InReach,
    *,
    trunk: Annotated[
        str | None, Query(max_length=256, description="Over this trunk, among others.")
    ] = None,
    direction: Annotated[Direction | None, Query(description="Exactly this.")] = None,
    q: Annotated[
        str | None, Query(max_length=256, description="Part of the id, in any case.")
    ] = None,
    sort: Sorting = Sort.ID,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Entities[RouteOut]:
    """The routes, by id; whoever is limited gets those that have no trunk but theirs."""
    part = (q or "").casefold()

    def shown(route: Route) -> bool:
        return (
            (trunk is None or any(each.id == trunk for each in route.trunks))
            and (direction is None or route.direction is direction)
            and part in route.id.casefold()
            and reach.takes_in_route(route)
        )

    page, next_cursor = routes.page(cursor, limit, shown, sort)
    return Entities(entities=[_shown(route) for route in page], next_cursor=next_cursor)


@router.post(
    "", dependencies=[requires(Permission.ROUTE_EDIT), once()], status_code=HTTPStatus.CREATED
)
async def create_route(
    context: Context, request: Request, document: NewRoute, response: Response
) -> RouteSavedOut:
    """Make a route; it takes calls from now on."""
    refuse_unlicensed(context.licensing, Entitlement.ADVANCED)
    try:
        route = new_route(document, is_trunk=partial(_is_trunk, context))
    except DocumentRefused as refused:
        raise refusal(refused) from None
    await _applied(route.id, context.routing.create(route))
    response.headers["location"] = f"{PATH}/{quote(route.id)}"
    note_change(request, "route", route.id, before=None, after=_shown(route))
    return await _saved(context, route, response)


@router.get("/{route_id}", dependencies=[requires(Permission.ROUTE_VIEW, within_limits=True)])
async def get_route(
    context: Context,
    routes: Routes,
    reach: InReach,
    route_id: RouteId,
    *,
    response: Response,
    if_none_match: IfNoneMatch = None,
) -> RouteOut:
    """One route."""
    route = routes.get(route_id)
    if route is None or not reach.takes_in_route(route):
        raise _unknown(route_id)
    shown = _shown(route)
    etag = etag_of(context.routing.kept(route_id))
    tag(response, etag, living=shown, if_none_match=if_none_match)
    return shown


@router.patch("/{route_id}", dependencies=[requires(Permission.ROUTE_EDIT)])
async def change_route(
    context: Context,
    request: Request,
    route_id: RouteId,
    document: RoutePatch,
    *,
    response: Response,
    if_match: IfMatch = None,
) -> RouteSavedOut:
    """Change a route by a JSON Merge Patch; calls are decided by it at once."""
    refuse_unlicensed(context.licensing, Entitlement.ADVANCED)

    def edited(route: Route) -> Route:
        check_match(if_match, etag_of(context.routing.kept(route_id)))
        return changed_route(route, document, is_trunk=partial(_is_trunk, context))

    before, after = await _applied(route_id, context.routing.change(route_id, edited))
    note_change(request, "route", route_id, before=_shown(before), after=_shown(after))
    return await _saved(context, after, response)


@router.delete(
    "/{route_id}",
    dependencies=[requires(Permission.ROUTE_EDIT)],
    status_code=HTTPStatus.NO_CONTENT,
)
async def delete_route(
    context: Context, request: Request, route_id: RouteId, if_match: IfMatch = None
) -> Response:
    """Delete a route; calls to its numbers go by what else there is."""

    def permit() -> None:
        check_match(if_match, etag_of(context.routing.kept(route_id)))

    route = await _applied(route_id, context.routing.delete(route_id, permit))
    note_change(request, "route", route_id, before=_shown(route), after=None)
    return Response(status_code=HTTPStatus.NO_CONTENT)


async def _applied(route_id: str, change: Awaitable[ResultT]) -> ResultT:
    """What ``change`` gives, or the problem that says why it could not be made."""
    try:
        return await change
    except UnknownRoute:
        raise _unknown(route_id) from None
    except Refused as refused:
        raise Problem(HTTPStatus.CONFLICT, shortened(str(refused))) from None
    except DocumentRefused as refused:
        raise refusal(refused) from None


async def _saved(context: ApiContext, route: Route, response: Response) -> RouteSavedOut:
    shown = _shown(route)
    tag(response, etag_of(context.routing.kept(route.id)), living=shown)
    records = context.roster.records()
    trunks = [records[part.id].trunk for part in route.trunks if part.id in records]
    before = tuple(takewhile(lambda each: each.id != route.id, context.routing.all))
    country = context.configuration().routing.country
    advise = partial(advise_on_route, route, trunks, before, country=country)
    is_soon_read = sum(1 + len(each.numbers) for each in (*before, route)) <= SOON_READ
    found = advise() if is_soon_read else await asyncio.to_thread(advise)
    return RouteSavedOut(**dict(shown), advice=advice_out(context, found))


def _shown(route: Route) -> RouteOut:
    return RouteOut(
        id=route.id,
        direction=route.direction,
        numbers=[str(each) for each in route.numbers],
        regions=list(route.regions),
        times=[hours_out(each) for each in route.times],
        timezone=route.timezone,
        trunks=[
            RouteTrunkOut(id=each.id, priority=each.priority, weight=each.weight)
            for each in route.trunks
        ],
        when_none_available=route.when_none_available,
        failback_ramp_seconds=route.failback_ramp_seconds,
        managed_by=route.managed_by,
    )


def hours_out(hours: Hours) -> HoursOut:
    """As the API shows them."""
    return HoursOut(
        days=names_of_days(hours.days),
        from_=name_of_minute(hours.from_minute),
        to=name_of_minute(hours.to_minute),
    )


def _is_trunk(context: ApiContext, trunk_id: str) -> bool:
    return trunk_id in context.roster.records()


def _unknown(route_id: str) -> Problem:
    return Problem(HTTPStatus.NOT_FOUND, f"There is no route with the id {route_id[:256]}.")
