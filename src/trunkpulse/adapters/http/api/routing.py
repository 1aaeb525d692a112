"""``/api/v2/routing/decide``: which trunks take a call."""

from __future__ import annotations

import random
from dataclasses import replace
from http import HTTPStatus

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from trunkpulse.access import Permission
from trunkpulse.adapters.http.api.admission import AdmittedRoute, requires
from trunkpulse.adapters.http.api.context import ApiContext, Context
from trunkpulse.adapters.http.api.models import Out
from trunkpulse.adapters.http.api.problems import Problem, invalid
from trunkpulse.adapters.http.api.reach import InReach, Reach
from trunkpulse.adapters.http.api.routes import HoursOut, hours_out
from trunkpulse.config.route_schema import country_code
from trunkpulse.model import (
    Direction,
    Reason,
    TargetState,
    TrunkState,
)
from trunkpulse.recorder import TrunkRecord
from trunkpulse.roster import UnknownTrunk
from trunkpulse.routing.numbers import BadNumber, dialled_number
from trunkpulse.routing.places import Standing, in_order
from trunkpulse.routing.selection import CallRequest, Decision, NoCandidates, SkipReason

__all__ = ["router"]

router = APIRouter(route_class=AdmittedRoute, prefix="/api/v2/routing", tags=["routing"])


class CallIn(BaseModel):
    """A call that looks for a trunk."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"to": "+15551230001", "direction": "outbound"}]},
    )

    to: str = Field(
        max_length=256,
        description="E.164, a sip: or tel: URI of such a number, a number as it is dialled in the "
        "country, or a short number.",
    )
    from_: str | None = Field(
        default=None, alias="from", max_length=256, description="The caller; decides nothing."
    )
    direction: Direction | None = Field(
        default=None, description="Which way the call goes; absent: outbound."
    )
    region: str | None = Field(
        default=None, max_length=256, description="Where the call is; absent: this instance's."
    )
    country: str | None = Field(
        default=None,
        max_length=256,
        description="Two letters (ISO 3166): a number without a plus is read as dialled there. "
        "Absent: that of [routing].",
    )
    seed: int | None = Field(
        default=None,
        ge=0,
        lt=2**53,
        strict=True,
        description="As things stand, the same seed gives the same answer; absent: trunks of equal "
        "priority come in another order each time.",
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
    since: int | None = Field(description="Milliseconds since the epoch.")
    share: float = Field(
        description="Less than 1 while it takes its calls back after it was DOWN, along the "
        "route's failbackRampSeconds."
    )
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


class OpeningOut(Out):
    """When a route takes calls."""

    times: list[HoursOut]
    timezone: str = Field(description="Whose clocks they go by.")
    opens_at: int | None = Field(
        description="When it takes calls next, in milliseconds since the epoch; null: not within "
        "two weeks."
    )


class DecisionOut(Out):
    """What to do with the call: try the candidates in this order."""

    number: str = Field(description="What was looked up: E.164, or a short number.")
    route_id: str | None
    matched: str | None = Field(description="What of the route's numbers matched.")
    candidates: list[CandidateOut]
    skipped: list[SkippedOut]
    last_resort: bool = Field(description="True if no candidate is known to work.")
    reason: NoCandidates | None = Field(description="Why there are no candidates.")
    out_of_hours: str | None = Field(
        description="The route that matches more closely, but takes calls at other times."
    )
    opening: OpeningOut | None = Field(description="When the route of outOfHours takes calls.")


@router.post("/decide", dependencies=[requires(Permission.ROUTE_VIEW, within_limits=True)])
async def decide(context: Context, reach: InReach, call: CallIn) -> DecisionOut:
    """Choose a route and order its trunks by their states of this moment.

    Whoever is limited to some regions or carriers is refused if a trunk of the route is not theirs.
    """
    rng = context.rng if call.seed is None else random.Random(call.seed)
    direction = call.direction or Direction.OUTBOUND
    request = CallRequest(_number(context, call), call.from_, direction, call.region)
    decision = context.decide(request, rng)
    if reach.limits is not None:
        _refuse_beyond(decision, reach)
        decision = _without_names_beyond(context, decision, reach)
    return _decision_out(context, request.to, decision, rng)


def _number(context: ApiContext, call: CallIn) -> str:
    country = context.configuration().routing.country
    if call.country is not None:
        try:
            country = country_code(call.country)
        except ValueError as error:
            raise invalid("body.country", f"country {error}.") from None
    try:
        return dialled_number(call.to, country, context.routing.table.is_short)
    except BadNumber as error:
        raise invalid("body.to", str(error)) from None


def _refuse_beyond(decision: Decision, reach: Reach) -> None:
    """Half a decision would send calls wrong."""
    trunk_ids = [each.trunk_id for each in decision.candidates]
    trunk_ids += [each.trunk_id for each in decision.skipped]
    if not all(map(reach.has, trunk_ids)):
        raise Problem(
            HTTPStatus.FORBIDDEN,
            "The route of this call has trunks of regions or carriers that are not among yours; "
            "ask somebody who is not limited to decide it.",
        )


def _without_names_beyond(context: ApiContext, decision: Decision, reach: Reach) -> Decision:
    """To whom a route is not shown, its name is not told either while it is closed."""
    closed = (route for route in context.routing.all if route.id == decision.out_of_hours)
    return (
        decision if all(map(reach.takes_in_route, closed)) else replace(decision, out_of_hours=None)
    )


def _decision_out(
    context: ApiContext, number: str, decision: Decision, rng: random.Random
) -> DecisionOut:
    candidates: list[CandidateOut] = []
    for each in decision.candidates:
        try:
            record = context.roster.record(each.trunk_id)
        except UnknownTrunk:
            continue  # a new configuration is just being applied, and this trunk is on its way out
        places = _places(record, rng)
        candidates.append(
            CandidateOut(
                trunk_id=each.trunk_id,
                name=record.trunk.name,
                priority=each.priority,
                weight=each.weight,
                state=each.state,
                since=each.since_ms,
                share=each.share,
                targets=list(dict.fromkeys(place.uri for place in places)),
                places=places,
            )
        )
    return DecisionOut(
        number=number,
        route_id=decision.route_id,
        matched=None if decision.rule is None else str(decision.rule),
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
        out_of_hours=decision.out_of_hours,
        opening=_opening_out(context, decision.out_of_hours),
    )


def _opening_out(context: ApiContext, route_id: str | None) -> OpeningOut | None:
    opening = None if route_id is None else context.routing.table.opening_of(route_id)
    if opening is None:
        return None
    times, timezone = opening.schedule
    return OpeningOut(
        times=[hours_out(each) for each in times],
        timezone=timezone,
        opens_at=opening.opens_ms(context.now_ms()),
    )


def _places(record: TrunkRecord, rng: random.Random) -> list[PlaceOut]:
    """Where the trunk's calls go, in order."""
    targets = record.targets
    order = in_order(
        [Standing(each.state, each.share.priority, each.share.weight) for each in targets],
        rng,
    )
    return [
        PlaceOut(
            uri=targets[at].uri,
            address=None if (place := targets[at].place) is None else str(place),
            state=targets[at].state,
        )
        for at in order
    ]
