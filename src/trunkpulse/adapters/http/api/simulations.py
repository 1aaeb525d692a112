"""``/api/v2/routing/simulate``: where calls would go, over the present or a supposed health.

A request takes so many calls at most; a longer log goes in pieces, which say how many calls came
before (``first``), and whoever sends them adds up. Calls are decided one by one and in turns, so
that probes leave on time meanwhile.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import tzinfo
from http import HTTPStatus
from itertools import starmap
from typing import TypeVar

from fastapi import APIRouter
from starlette.responses import Response

from trunkpulse.access import Permission
from trunkpulse.adapters.http.api.admission import AdmittedRoute, requires
from trunkpulse.adapters.http.api.context import ApiContext, Context
from trunkpulse.adapters.http.api.models import Out
from trunkpulse.adapters.http.api.problems import Problem, invalid
from trunkpulse.adapters.http.api.reach import InReach, Reach
from trunkpulse.adapters.http.api.simulation_models import (
    MOST_CALLS,
    ChoicesOut,
    LostOut,
    MoveOut,
    RouteCallsOut,
    SimulationIn,
    SimulationOut,
    TrunkCallsOut,
    UnreadExampleOut,
    UnreadOut,
)
from trunkpulse.adapters.http.api.wording import shortened
from trunkpulse.config.maintenance import zone_name
from trunkpulse.config.route_schema import country_code
from trunkpulse.model import Trunk, zone_of
from trunkpulse.routing.call_log import BadCallLog, Call, CallLog, Unread, UnreadReason
from trunkpulse.routing.decision import Decision
from trunkpulse.routing.moves import Move, in_words, peak
from trunkpulse.routing.simulation import (
    Group,
    Lost,
    Outlook,
    Simulation,
    Usual,
    trunks_of,
)
from trunkpulse.routing.suppositions import BadSupposition, Scope, SupposedHealth, Supposition

__all__ = ["router"]

router = APIRouter(route_class=AdmittedRoute, prefix="/api/v2/routing", tags=["routing"])

KeyT = TypeVar("KeyT")


@router.post(
    "/simulate",
    dependencies=[requires(Permission.ROUTE_VIEW, within_limits=True)],
    response_model=SimulationOut,
)
async def simulate(context: Context, reach: InReach, wanted: SimulationIn) -> Response:
    """Say where calls would go, over the health of this moment or a supposed one.

    Nothing is changed by it. Whoever is limited to some regions or carriers is refused if a trunk
    of a route of these calls is not theirs.
    """
    suppositions = _suppositions(wanted.suppose, reach)
    healths = [
        SupposedHealth(
            context.board.status,
            each,
            lambda trunk_id: _trunk(context, trunk_id),
            default_region=context.region,
            now_ms=context.now_ms(),
        )
        for each in ((), suppositions)
    ]
    simulation = Simulation(
        context.routing.table,
        healths[0],
        healths[1] if suppositions else None,
        returned_ms=context.board.returned_ms,
        now_ms=context.now_ms(),
        seed=wanted.seed,
        first=wanted.first,
        usual=Usual(wanted.direction, wanted.region, _country(context, wanted.country)),
    )
    seen: set[str] = set()
    try:
        for call in _calls(wanted):
            decision = simulation.add(call)
            if reach.limits is not None and decision is not None:
                _refuse_beyond(decision, reach, seen)
            await context.turns.give_way()
    except BadCallLog as refused:
        raise invalid("body.log", f"The log cannot be read: {refused}") from None
    unused = [str(each) for each in suppositions if each not in healths[1].used]
    return await _answer(context, simulation, suppositions, unused, choices=wanted.choices)


def _trunk(context: ApiContext, trunk_id: str) -> Trunk | None:
    record = context.roster.records().get(trunk_id)
    return None if record is None else record.trunk


def _suppositions(texts: Sequence[str], reach: Reach) -> list[Supposition]:
    found: list[Supposition] = []
    for at, text in enumerate(texts):
        try:
            each = Supposition.parse(text)
        except BadSupposition as refused:
            raise invalid(f"body.suppose.{at}", str(refused)) from None
        if each.scope is Scope.TRUNK and not reach.has(each.name):
            sentence = shortened(f"There is no trunk with the id {each.name} to suppose it of.")
            raise invalid(f"body.suppose.{at}", sentence)
        found.append(each)
    return found


def _country(context: ApiContext, given: str | None) -> str | None:
    if given is None:
        return context.configuration().routing.country
    try:
        return country_code(given)
    except ValueError as error:
        raise invalid("body.country", f"country {error}.") from None


def _zone(name: str) -> tzinfo:
    try:
        return zone_of(zone_name(name))
    except ValueError as error:
        raise invalid("body.timezone", f"timezone {error}.") from None


def _calls(wanted: SimulationIn) -> Iterator[Call | Unread]:
    """The calls one by one; raises a Problem, and BadCallLog."""
    zone = _zone(wanted.timezone)
    if (wanted.numbers is None) == (wanted.log is None):
        raise invalid("body", "Give either numbers or log, one of them.")
    if wanted.numbers is not None:
        for row, number in enumerate(wanted.numbers, wanted.first + 1):
            yield Call(row, number)
        return
    log = CallLog(
        io.StringIO(wanted.log, newline=""),
        first_row=wanted.first + 1,
        zone=zone,
    )
    for count, call in enumerate(log.calls()):
        if count == MOST_CALLS:
            raise invalid(
                "body.log",
                f"body.log has more than {MOST_CALLS:,} calls; send it in pieces, with first.",
            )
        yield call


def _refuse_beyond(decision: Decision, reach: Reach, seen: set[str]) -> None:
    """What others' trunks would do is not theirs to know; ``seen`` are routes that are."""
    if decision.route_id is None or decision.route_id in seen:
        return
    if not all(map(reach.has, trunks_of(decision))):
        raise Problem(
            HTTPStatus.FORBIDDEN,
            "A route of these calls has trunks of regions or carriers that are not among yours; "
            "ask somebody who is not limited to simulate them.",
        )
    seen.add(decision.route_id)


# --- the answer ----------------------------------------------------------------------------------


async def _answer(
    context: ApiContext,
    simulation: Simulation,
    suppositions: Sequence[Supposition],
    unused: Sequence[str],
    *,
    choices: bool,
) -> Response:
    """What ``SimulationOut`` describes, written bit by bit: calls may go to thousands of trunks."""
    supposed = simulation.supposed
    shown = supposed or simulation.present
    moves = {move: group.calls for move, group in simulation.moves.items()}
    lost = shown.lost_by_reason()
    members = {
        "summary": json.dumps(
            in_words(simulation.calls, shown.trunks, lost, moves if supposed else None)
        ),
        "calls": json.dumps(simulation.calls),
        "unread": await _list(context, starmap(_unread_out, simulation.unread.items())),
        "suppose": json.dumps([str(each) for each in suppositions]),
        "unused": json.dumps(unused),
        "present": await _outlook(context, simulation.present),
        "supposed": "null" if supposed is None else await _outlook(context, supposed),
        "moves": await _list(context, starmap(_move_out, _largest_first(simulation.moves))),
        "choices": _choices_out(simulation).model_dump_json(by_alias=True) if choices else "null",
    }
    return Response(_object(members), media_type="application/json")


async def _outlook(context: ApiContext, outlook: Outlook) -> str:
    peaks: dict[str, int] = {}
    for trunk_id, spans in outlook.spans.items():
        peaks[trunk_id] = peak(spans)
        await context.turns.give_way()
    trunks = (
        TrunkCallsOut(trunk_id=trunk_id, calls=calls, peak=peaks.get(trunk_id))
        for trunk_id, calls in outlook.trunks.most_common()
    )
    routes = (
        RouteCallsOut(route_id=route_id, calls=calls)
        for route_id, calls in outlook.routes.most_common()
    )
    return _object(
        {
            "trunks": await _list(context, trunks),
            "routes": await _list(context, routes),
            "lost": await _list(context, starmap(_lost_out, _largest_first(outlook.lost))),
            "lastResort": json.dumps(outlook.last_resort),
        }
    )


async def _list(context: ApiContext, entries: Iterable[Out]) -> str:
    parts: list[str] = []
    for each in entries:
        parts.append(each.model_dump_json(by_alias=True))
        await context.turns.give_way()
    return f"[{','.join(parts)}]"


def _object(members: Mapping[str, str]) -> str:
    return "{" + ",".join(f'"{name}":{value}' for name, value in members.items()) + "}"


def _largest_first(groups: Mapping[KeyT, Group]) -> Iterable[tuple[KeyT, Group]]:
    return sorted(groups.items(), key=lambda each: -each[1].calls)


def _lost_out(lost: Lost, group: Group) -> LostOut:
    return LostOut(
        route_id=lost.route_id, reason=lost.reason, calls=group.calls, examples=_texts(group)
    )


def _move_out(move: Move, group: Group) -> MoveOut:
    return MoveOut(before=move.before, after=move.after, calls=group.calls, examples=_texts(group))


def _unread_out(reason: UnreadReason, group: Group) -> UnreadOut:
    return UnreadOut(
        reason=reason,
        calls=group.calls,
        examples=[
            UnreadExampleOut(row=each.row, text=_sendable(each.text))
            for each in group.examples
            if isinstance(each, Unread)
        ],
    )


def _texts(group: Group) -> list[str]:
    return [_sendable(each) for each in group.examples if isinstance(each, str)]


def _sendable(text: str) -> str:
    """``text``, a client's, without the halves of characters that JSON can smuggle in."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _choices_out(simulation: Simulation) -> ChoicesOut:
    places: dict[str, int] = {}

    def place(trunk_id: str | None) -> int | None:
        return None if trunk_id is None else places.setdefault(trunk_id, len(places))

    present = [place(now) for now, _ in simulation.choices]
    supposed = [place(then) for _, then in simulation.choices] if simulation.supposed else None
    return ChoicesOut(trunk_ids=list(places), present=present, supposed=supposed)
