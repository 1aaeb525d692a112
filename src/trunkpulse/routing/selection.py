"""Which trunks take a call, in which order.

First the route: of those that serve the call's direction and region, the one whose numbers match
most closely (``numbers`` defines it; a route without numbers matches all of them, with length 0).
Where two match equally well, a route that names the region comes before one that serves every
region, then the order of the file decides.

Then its trunks:

1. AVAILABLE and DEGRADED trunks by priority; within one priority the AVAILABLE ones first.
2. UNKNOWN trunks after them, by priority: nothing speaks for them, nothing against.
3. DOWN trunks are skipped, with the reason and the moment of their last change. If nobody is left
   and the route says ``try_all``, those that only a probe condemned are candidates after all; one
   that an administrator or the licence took out of service stays out.

Trunks that share a place are shuffled so that each comes first in proportion to its weight among
them; those of weight 0 come after the others of their place. A trunk's own region never excludes
it: that is what the route's regions are for.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from trunkpulse.model import (
    Direction,
    NumberRange,
    Reason,
    Route,
    RouteTrunk,
    Trunk,
    TrunkState,
    TrunkStatus,
    WhenNoneAvailable,
)
from trunkpulse.routing.numbers import EVERY_NUMBER, NumberTable

__all__ = [
    "CallRequest",
    "Candidate",
    "Decision",
    "NoCandidates",
    "RouteTable",
    "SkipReason",
    "Skipped",
    "StateOf",
]

StateOf = Callable[[str], TrunkStatus]
"""The present status of a trunk by its id; must know every trunk of the table."""

_KNOWN_TO_WORK: Final = frozenset({TrunkState.AVAILABLE, TrunkState.DEGRADED})
_OUT_OF_SERVICE: Final = frozenset({Reason.ADMIN_DISABLED, Reason.LICENSE_ISSUE})
"""A person or the licence decided so; no call is to find out whether they were wrong."""


class SkipReason(StrEnum):
    """Why a trunk of the route is skipped when it is not for the reason of its state."""

    UNKNOWN_TRUNK = "UNKNOWN_TRUNK"
    """The route names a trunk that does not exist."""
    DIRECTION_MISMATCH = "DIRECTION_MISMATCH"
    """The trunk does not take calls of this direction."""
    DOWN = "DOWN"
    """Down, without a recorded reason."""


class NoCandidates(StrEnum):
    """Why there is nobody to send the call to."""

    NO_ROUTE = "NO_ROUTE"
    """No route has this number."""
    DIRECTION_MISMATCH = "DIRECTION_MISMATCH"
    """Routes have this number, but none takes calls of this direction."""
    REGION_MISMATCH = "REGION_MISMATCH"
    """Routes have this number and direction, but none serves this region."""
    NONE_AVAILABLE = "NONE_AVAILABLE"
    """The route has no trunk left that may be tried."""


@dataclass(frozen=True, slots=True)
class CallRequest:
    """A call that looks for a trunk."""

    to: str
    """The dialled number in E.164, as ``numbers.normalise`` gives it."""
    from_: str | None = None
    """The caller, for the record; it decides nothing."""
    direction: Direction = Direction.OUTBOUND
    region: str | None = None
    """Where the call is; None: the table's default region."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A trunk to try."""

    trunk_id: str
    priority: int
    weight: int
    state: TrunkState


@dataclass(frozen=True, slots=True)
class Skipped:
    """A trunk of the route that is not tried, and why."""

    trunk_id: str
    reason: Reason | SkipReason
    state: TrunkState
    since_ms: int | None
    """When its state last changed."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do with a call: ``candidates`` in the order to try."""

    route_id: str | None
    """None: no route takes the call."""
    rule: NumberRange | None
    """What of the route's numbers matched; None without a route or if it has no numbers."""
    candidates: tuple[Candidate, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    last_resort: bool = False
    """True if no candidate is known to work: all are UNKNOWN, or DOWN and tried regardless."""
    reason: NoCandidates | None = None
    """Why there are no candidates; None if there are some."""


@dataclass(frozen=True, slots=True)
class _Standing:
    """A trunk of a plan while it is in one state, made beforehand: a decision only sorts."""

    place: tuple[int, int, int, bool]
    """Trunks with equal places are shuffled; lower ones come first."""
    rate: float
    """Of the exponential draw that shuffles them."""
    candidate: Candidate


@dataclass(frozen=True, slots=True)
class _Plan:
    """A route, prepared for calls of one direction."""

    route: Route
    members: tuple[tuple[str, dict[TrunkState, _Standing]], ...]
    """Trunks that may take the call, by priority, then as in the file."""
    misfits: tuple[tuple[str, SkipReason], ...]
    """Trunks that no state could make a candidate."""


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A route, prepared for calls of each direction that it serves."""

    route: Route
    directions: tuple[Direction | None, ...]
    """Of its trunks as they were then; None for one that is not there."""
    plans: Mapping[Direction, _Plan]


class RouteTable:
    """An immutable set of routes, indexed so that a decision costs microseconds."""

    def __init__(
        self,
        routes: Sequence[Route],
        trunks: Mapping[str, Trunk],
        default_region: str,
        *,
        before: RouteTable | None = None,
    ) -> None:
        """Index ``routes``, in the order of the file; ``trunks`` by their ids.

        What ``before`` prepared of routes that have not changed is used again.
        """
        self._default_region = default_region
        self._named_regions = frozenset(region for route in routes for region in route.regions)
        known = {} if before is None else before._prepared  # noqa: SLF001 - of its own kind
        self._prepared: dict[str, _Prepared] = {
            route.id: _prepared(route, trunks, known.get(route.id)) for route in routes
        }
        self._plans = {
            direction: [
                plans[direction]
                for route in routes
                if direction in (plans := self._prepared[route.id].plans)
            ]
            for direction in Direction
        }
        self._anywhere = {direction: _index(plans) for direction, plans in self._plans.items()}
        """All regions at once: tells why a call found no route."""
        self._tables: dict[tuple[Direction, str | None], NumberTable[_Plan]] = {}
        """By direction and region, made when first asked for; None: a region no route names."""

    def decide(self, request: CallRequest, state_of: StateOf, rng: random.Random) -> Decision:
        """Choose the route and order its trunks by their states of this moment.

        The same request, states and state of ``rng`` give the same decision.
        """
        region = self._default_region if request.region is None else request.region
        match = self._table(request.direction, region).lookup(request.to)
        if match is None:
            return Decision(None, None, reason=self._why_no_route(request))
        plan = match.value
        route = plan.route
        standings: list[_Standing] = []
        down: list[tuple[str, TrunkStatus]] = []
        for trunk_id, standing_in in plan.members:
            status = state_of(trunk_id)
            if status.state is TrunkState.DOWN:
                down.append((trunk_id, status))
            else:
                standings.append(standing_in[status.state])
        if not standings and down and route.when_none_available is WhenNoneAvailable.TRY_ALL:
            condemned = {id_ for id_, status in down if status.reason not in _OUT_OF_SERVICE}
            standings = [
                standing_in[TrunkState.DOWN]
                for trunk_id, standing_in in plan.members
                if trunk_id in condemned
            ]
            down = [entry for entry in down if entry[0] not in condemned]
        if len(standings) > 1:
            # The smallest of exponential draws, each with its weight as the rate, is a trunk's
            # with probability weight / sum of weights; so is the next one's among the rest.
            draw = rng.expovariate
            standings.sort(key=lambda standing: (standing.place, draw(standing.rate)))
        skipped = [
            Skipped(trunk_id, status.reason or SkipReason.DOWN, status.state, status.since_ms)
            for trunk_id, status in down
        ]
        skipped += [_misfit(trunk_id, why, state_of) for trunk_id, why in plan.misfits]
        return Decision(
            route.id,
            match.rule if route.numbers else None,
            tuple([standing.candidate for standing in standings]),
            tuple(skipped),
            bool(standings) and standings[0].candidate.state not in _KNOWN_TO_WORK,
            None if standings else NoCandidates.NONE_AVAILABLE,
        )

    def _table(self, direction: Direction, region: str) -> NumberTable[_Plan]:
        """Numbers to the plans that serve this direction and region."""
        named = region if region in self._named_regions else None
        table = self._tables.get((direction, named))
        if table is None:
            plans = self._plans[direction]
            naming = [plan for plan in plans if named is not None and named in plan.route.regions]
            everywhere = [plan for plan in plans if not plan.route.regions]
            table = self._tables[direction, named] = _index(naming + everywhere)
        return table

    def _why_no_route(self, request: CallRequest) -> NoCandidates:
        if self._anywhere[request.direction].lookup(request.to) is not None:
            return NoCandidates.REGION_MISMATCH
        if self._anywhere[Direction.BOTH].lookup(request.to) is not None:
            return NoCandidates.DIRECTION_MISMATCH
        return NoCandidates.NO_ROUTE


def _index(plans: Sequence[_Plan]) -> NumberTable[_Plan]:
    return NumberTable(
        (rule, plan) for plan in plans for rule in plan.route.numbers or (EVERY_NUMBER,)
    )


def _prepared(route: Route, trunks: Mapping[str, Trunk], before: _Prepared | None) -> _Prepared:
    found = (trunks.get(part.id) for part in route.trunks)
    directions = tuple(None if trunk is None else trunk.direction for trunk in found)
    if before is not None and before.route is route and before.directions == directions:
        return before
    plans = {
        direction: _plan(route, direction, trunks)
        for direction in Direction
        if route.direction.serves(direction)
    }
    return _Prepared(route, directions, plans)


def _plan(route: Route, direction: Direction, trunks: Mapping[str, Trunk]) -> _Plan:
    members: list[tuple[str, dict[TrunkState, _Standing]]] = []
    misfits: list[tuple[str, SkipReason]] = []
    for part in sorted(route.trunks, key=lambda part: part.priority):
        trunk = trunks.get(part.id)
        if trunk is None:
            misfits.append((part.id, SkipReason.UNKNOWN_TRUNK))
        elif not trunk.direction.serves(direction):
            misfits.append((part.id, SkipReason.DIRECTION_MISMATCH))
        else:
            members.append((part.id, {state: _standing(part, state) for state in TrunkState}))
    return _Plan(route, tuple(members), tuple(misfits))


def _standing(part: RouteTrunk, state: TrunkState) -> _Standing:
    undecided = int(state not in _KNOWN_TO_WORK)
    degraded = int(state is TrunkState.DEGRADED)
    return _Standing(
        place=(undecided, part.priority, degraded, part.weight == 0),
        rate=float(part.weight or 1),
        candidate=Candidate(part.id, part.priority, part.weight, state),
    )


def _misfit(trunk_id: str, why: SkipReason, state_of: StateOf) -> Skipped:
    if why is SkipReason.UNKNOWN_TRUNK:
        return Skipped(trunk_id, why, TrunkState.UNKNOWN, None)
    status = state_of(trunk_id)
    return Skipped(trunk_id, why, status.state, status.since_ms)
