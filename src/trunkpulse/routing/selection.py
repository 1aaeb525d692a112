"""Which trunks take a call, in which order.

First the route: of those that serve the call's direction and region and take calls at this time,
the one whose numbers match most closely (``number_table`` defines it; a route without numbers
matches all but short ones, with length 0). Where two match equally well, a route that names the
region comes before one that serves every region, then the order of the file decides.

Then its trunks:

1. AVAILABLE and DEGRADED trunks by priority; within one priority the AVAILABLE ones first.
2. UNKNOWN trunks after them, by priority: nothing speaks for them, nothing against.
3. DOWN trunks are skipped, with the reason and the moment of their last change. If nobody is left
   and the route says ``try_all``, those that only a probe condemned are candidates after all; one
   that an administrator or the licence took out of service stays out.

Trunks that share a place are shuffled so that each comes first in proportion to its weight among
them; those of weight 0 come after the others of their place. A trunk that was DOWN takes its share
back along the route's ramp: after a part of it, it comes in its place for the same part of the
calls, and for the others behind all that are known to work, if one of these did not come back just
now. A trunk's own region never excludes it: that is what the route's regions are for.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from math import log
from typing import Final

from trunkpulse.model import (
    Direction,
    Reason,
    Route,
    ShortNumber,
    Trunk,
    TrunkState,
    TrunkStatus,
    WhenNoneAvailable,
)
from trunkpulse.routing.decision import (
    CallRequest,
    Candidate,
    Decision,
    NoCandidates,
    Skipped,
    SkipReason,
)
from trunkpulse.routing.hours import Opening
from trunkpulse.routing.plans import (
    KNOWN_TO_WORK,
    Prepared,
    ReturnedMs,
    Standing,
    prepared,
    with_ramp,
)
from trunkpulse.routing.regions import ServedByRegion

__all__ = [
    "CallRequest",
    "Candidate",
    "Decision",
    "NoCandidates",
    "ReturnedMs",
    "RouteTable",
    "SkipReason",
    "Skipped",
    "StateOf",
]

StateOf = Callable[[str], TrunkStatus]
"""The present status of a trunk by its id; must know every trunk of the table."""

_OUT_OF_SERVICE: Final = frozenset({Reason.ADMIN_DISABLED, Reason.LICENSE_ISSUE})
"""A person or the licence decided so; no call is to find out whether they were wrong."""


def _never(_trunk_id: str) -> int | None:
    return None


class RouteTable:
    """An immutable set of routes, indexed so that a decision costs microseconds."""

    def __init__(
        self,
        routes: Sequence[Route],
        trunks: Mapping[str, Trunk],
        default_region: str,
        *,
        timezone: str = "UTC",
        before: RouteTable | None = None,
    ) -> None:
        """Index ``routes``, in the order of the file; ``trunks`` by their ids.

        ``timezone`` is that of routes which name none. What ``before`` prepared of routes that
        have not changed is used again.
        """
        self._default_region = default_region
        self._short = frozenset(
            rule.digits
            for route in routes
            for rule in route.numbers
            if isinstance(rule, ShortNumber)
        )
        known = {} if before is None else before._prepared  # noqa: SLF001 - of its own kind
        self._prepared: dict[str, Prepared] = {
            route.id: prepared(route, trunks, timezone, known.get(route.id)) for route in routes
        }
        self._served = {
            direction: ServedByRegion(
                [
                    plans[direction]
                    for route in routes
                    if direction in (plans := self._prepared[route.id].plans)
                ]
            )
            for direction in Direction
        }

    def is_short(self, dialled: str) -> bool:
        """Whether a route has exactly ``dialled`` as a short number."""
        return dialled in self._short

    def opening_of(self, route_id: str) -> Opening | None:
        """When this route takes calls; None: at any time, or there is no such route."""
        found = self._prepared.get(route_id)
        return None if found is None else found.opening

    def may_grow(self, beginning: str, direction: Direction) -> bool:
        """Whether a route of this direction has numbers that begin so and are longer.

        ``beginning`` is the first digits of an E.164 number with its plus, or of a short number.
        """
        return self._served[direction].has_longer_anywhere(beginning)

    def decide(
        self,
        request: CallRequest,
        state_of: StateOf,
        rng: random.Random,
        now_ms: int,
        returned_ms: ReturnedMs = _never,
    ) -> Decision:
        """Choose the route and order its trunks by their states of this moment.

        ``now_ms`` is the moment by the clock on the wall. The same arguments and state of ``rng``
        give the same decision.
        """
        region = self._default_region if request.region is None else request.region
        served = self._served[request.direction]
        match = served.closest(request.to, region)
        closed: str | None = None
        if match is not None and (opening := match.value.opening) and not opening.is_open(now_ms):
            closed = match.value.route.id
            match = served.closest_open(request.to, region, now_ms)
        if match is None:
            why = NoCandidates.OUT_OF_HOURS if closed else self._why_no_route(request)
            return Decision(None, None, reason=why, out_of_hours=closed)
        plan = match.value
        route = plan.route
        standings: list[Standing] = []
        down: list[tuple[str, TrunkStatus]] = []
        for trunk_id, member in plan.members:
            status = state_of(trunk_id)
            if status.state is TrunkState.DOWN:
                down.append((trunk_id, status))
            else:
                known, standing = member.last
                standings.append(standing if known is status else member.of(status))
        if not standings and down and route.when_none_available is WhenNoneAvailable.TRY_ALL:
            members = dict(plan.members)
            standings = [
                members[trunk_id].of(status)
                for trunk_id, status in down
                if status.reason not in _OUT_OF_SERVICE
            ]
            down = [entry for entry in down if entry[1].reason in _OUT_OF_SERVICE]
        if len(standings) > 1:
            if ramp_seconds := route.failback_ramp_seconds:
                standings = with_ramp(standings, ramp_seconds, rng, now_ms, returned_ms)
            # The smallest of exponential draws, each with its weight as the rate, is a trunk's
            # with probability weight / sum of weights; so is the next one's among the rest.
            # That is ``rng.expovariate`` without a call for each, which is most of what it takes.
            luck = rng.random
            if down:
                # Who is DOWN draws too: by one seed, the others keep their order without them.
                drawn = {trunk_id: -log(1.0 - luck()) for trunk_id, _ in plan.members}
                standings.sort(
                    key=lambda standing: (
                        standing.place,
                        drawn[standing.candidate.trunk_id] / standing.rate,
                    )
                )
            else:
                standings.sort(
                    key=lambda standing: (standing.place, -log(1.0 - luck()) / standing.rate)
                )
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
            bool(standings) and standings[0].candidate.state not in KNOWN_TO_WORK,
            None if standings else NoCandidates.NONE_AVAILABLE,
            closed,
        )

    def _why_no_route(self, request: CallRequest) -> NoCandidates:
        if self._served[request.direction].has_anywhere(request.to):
            return NoCandidates.REGION_MISMATCH
        if self._served[Direction.BOTH].has_anywhere(request.to):
            return NoCandidates.DIRECTION_MISMATCH
        return NoCandidates.NO_ROUTE


def _misfit(trunk_id: str, why: SkipReason, state_of: StateOf) -> Skipped:
    if why is SkipReason.UNKNOWN_TRUNK:
        return Skipped(trunk_id, why, TrunkState.UNKNOWN, None)
    status = state_of(trunk_id)
    return Skipped(trunk_id, why, status.state, status.since_ms)
