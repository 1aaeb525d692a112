"""``/api/v2/routing``: which trunks take a call, and the routes that say so."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import BaseModel, ConfigDict, Field

from trunkpulse.access import Permission
from trunkpulse.adapters.http.api.admission import requires
from trunkpulse.adapters.http.api.context import ApiContext, Context, Routes
from trunkpulse.adapters.http.api.models import Entities, Out
from trunkpulse.adapters.http.api.paging import Cursor, Limit
from trunkpulse.adapters.http.api.problems import Problem, invalid
from trunkpulse.model import (
    Direction,
    NumberRange,
    Reason,
    Route,
    TargetState,
    TrunkState,
    WhenNoneAvailable,
)
from trunkpulse.recorder import TrunkRecord
from trunkpulse.roster import UnknownTrunk
from trunkpulse.routing.numbers import BadNumber, normalise
from trunkpulse.routing.places import Standing, in_order
from trunkpulse.routing.selection import CallRequest, Decision, NoCandidates, SkipReason

__all__ = ["router"]

router = APIRouter(prefix="/api/v2/routing", tags=["routing"])


class CallIn(BaseModel):
    """A call that looks for a trunk."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"to": "+15551230001", "direction": "outbound"}]},
    )

    to: str = Field(max_length=256, description="E.164, or a sip: or tel: URI of such a number.")
    from_: str | None = Field(
        default=None, alias="from", max_length=256, description="The caller; decides nothing."
    )
    direction: Direction = Direction.OUTBOUND
    region: str | None = Field(
        default=None, max_length=256, description="Where the call is; absent: this instance's."
    )


class PlaceOut(Out):
    """One address of a trunk to send the call to."""

    uri: str
    address: str | None = Field(
        description='As "udp:192.0.2.1:5060"; null while the name is not looked up.'
    )
    state: TargetState


class CandidateOut(Out):
    """A trunk to try."""

    trunk_id: str
    name: str
    priority: int
    weight: int
    state: TrunkState
    targets: list[str] = Field(
        description="SIP URIs in the order to try; those that are DOWN only if all are."
    )
    places: list[PlaceOut] = Field(description="The same, address by address.")


class SkippedOut(Out):
    """A trunk of the route that is not tried, and why."""

    trunk_id: str
    reason_code: Reason | SkipReason
    state: TrunkState
    since: int | None = Field(description="Milliseconds since the epoch.")


class DecisionOut(Out):
    """What to do with the call: try the candidates in this order."""

    route_id: str | None
    matched: str | None = Field(description="The prefix or range of the route that matched.")
    candidates: list[CandidateOut]
    skipped: list[SkippedOut]
    last_resort: bool = Field(description="True if no candidate is known to work.")
    reason: NoCandidates | None = Field(description="Why there are no candidates.")


class RouteTrunkOut(Out):
    """A trunk's place in a route."""

    id: str
    priority: int
    weight: int


class RouteOut(Out):
    """Which trunks take the calls to which numbers."""

    id: str
    direction: Direction
    numbers: list[str] = Field(description="E.164 prefixes and ranges; empty: every number.")
    regions: list[str] = Field(description="Empty: every region.")
    trunks: list[RouteTrunkOut]
    when_none_available: WhenNoneAvailable
    managed_by: str | None


@router.post("/decide", dependencies=[requires(Permission.ROUTE_VIEW)])
async def decide(context: Context, call: CallIn) -> DecisionOut:
    """Choose a route and order its trunks by their states of this moment."""
    try:
        number = normalise(call.to)
    except BadNumber as error:
        raise invalid("body.to", str(error)) from None
    request = CallRequest(number, call.from_, call.direction, call.region)
    decision = context.route_table().decide(request, context.board.status, context.rng)
    return _decision_out(context, decision)


@router.get("/routes", dependencies=[requires(Permission.ROUTE_VIEW)])
async def list_routes(
    routes: Routes, *, limit: Limit = 100, cursor: Cursor = None
) -> Entities[RouteOut]:
    """The routes, by id."""
    page, next_cursor = routes.page(cursor, limit)
    return Entities(entities=[_route_out(route) for route in page], next_cursor=next_cursor)


@router.get("/routes/{route_id}", dependencies=[requires(Permission.ROUTE_VIEW)])
async def get_route(
    routes: Routes, route_id: Annotated[str, Path(description="A route's id.")]
) -> RouteOut:
    """One route."""
    route = routes.get(route_id)
    if route is None:
        raise Problem(HTTPStatus.NOT_FOUND, f"There is no route with the id {route_id[:256]}.")
    return _route_out(route)


def _decision_out(context: ApiContext, decision: Decision) -> DecisionOut:
    candidates: list[CandidateOut] = []
    for each in decision.candidates:
        try:
            record = context.roster.record(each.trunk_id)
        except UnknownTrunk:
            continue  # a new configuration is just being applied, and this trunk is on its way out
        places = _places(context, record)
        candidates.append(
            CandidateOut(
                trunk_id=each.trunk_id,
                name=record.trunk.name,
                priority=each.priority,
                weight=each.weight,
                state=each.state,
                targets=list(dict.fromkeys(place.uri for place in places)),
                places=places,
            )
        )
    return DecisionOut(
        route_id=decision.route_id,
        matched=None if decision.rule is None else _number_text(decision.rule),
        candidates=candidates,
        skipped=[
            SkippedOut(
                trunk_id=each.trunk_id,
                reason_code=each.reason,
                state=each.state,
                since=each.since_ms,
            )
            for each in decision.skipped
        ],
        last_resort=decision.last_resort,
        reason=decision.reason,
    )


def _places(context: ApiContext, record: TrunkRecord) -> list[PlaceOut]:
    """Where the trunk's calls go, in order."""
    targets = record.targets
    order = in_order(
        [Standing(each.state, each.share.priority, each.share.weight) for each in targets],
        context.rng,
    )
    return [
        PlaceOut(
            uri=targets[at].uri,
            address=None if (place := targets[at].place) is None else str(place),
            state=targets[at].state,
        )
        for at in order
    ]


def _route_out(route: Route) -> RouteOut:
    return RouteOut(
        id=route.id,
        direction=route.direction,
        numbers=[_number_text(each) for each in route.numbers],
        regions=list(route.regions),
        trunks=[
            RouteTrunkOut(id=each.id, priority=each.priority, weight=each.weight)
            for each in route.trunks
        ],
        when_none_available=route.when_none_available,
        managed_by=route.managed_by,
    )


def _number_text(numbers: NumberRange) -> str:
    return numbers.first if numbers.last is None else f"{numbers.first}-{numbers.last}"
