"""``/api/v2/routing/decide``: which trunks take a call."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from trunkpulse.access import Permission
from trunkpulse.adapters.http.api.admission import AdmittedRoute, requires
from trunkpulse.adapters.http.api.context import ApiContext, Context
from trunkpulse.adapters.http.api.models import Out
from trunkpulse.adapters.http.api.problems import Problem, invalid
from trunkpulse.adapters.http.api.reach import InReach, Reach
from trunkpulse.model import (
    Direction,
    Reason,
    TargetState,
    TrunkState,
)
from trunkpulse.recorder import TrunkRecord
from trunkpulse.roster import UnknownTrunk
from trunkpulse.routing.numbers import BadNumber, normalise
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


@router.post("/decide", dependencies=[requires(Permission.ROUTE_VIEW, within_limits=True)])
async def decide(context: Context, reach: InReach, call: CallIn) -> DecisionOut:
    """Choose a route and order its trunks by their states of this moment.

    Whoever is limited to some regions or carriers is refused if a trunk of the route is not theirs.
    """
    try:
        number = normalise(call.to)
    except BadNumber as error:
        raise invalid("body.to", str(error)) from None
    request = CallRequest(number, call.from_, call.direction, call.region)
    decision = context.routing.table.decide(request, context.board.status, context.rng)
    if reach.limits is not None:
        _refuse_beyond(decision, reach)
    return _decision_out(context, decision)


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
