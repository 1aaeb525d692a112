"""Routes, prepared so that a decision only looks up the states of their trunks and sorts."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from trunkpulse.model import (
    Direction,
    Hours,
    Route,
    RouteTrunk,
    Trunk,
    TrunkState,
    TrunkStatus,
)
from trunkpulse.routing.decision import Candidate, SkipReason
from trunkpulse.routing.hours import Opening
from trunkpulse.routing.number_table import EVERY_NUMBER, Match, NumberTable

__all__ = [
    "KNOWN_TO_WORK",
    "Plan",
    "Prepared",
    "ReturnedMs",
    "Served",
    "Standing",
    "prepared",
    "with_ramp",
]

ReturnedMs = Callable[[str], int | None]
"""When a trunk last came back from DOWN, by its id; None: it never did."""

_DEGRADED: Final = 1 << 1
_PRIORITY: Final = 1 << 2
_STANDS_BACK: Final = 1 << 32
_UNDECIDED: Final = 1 << 33
"""What weighs most in a place comes last; below all of it, a weight of 0."""

KNOWN_TO_WORK: Final = frozenset({TrunkState.AVAILABLE, TrunkState.DEGRADED})


@dataclass(frozen=True, slots=True)
class Standing:
    """A trunk of a plan as long as its status stays."""

    place: int
    """Trunks with equal places are shuffled; lower ones come first. One number sorts fastest."""
    rate: float
    """Of the exponential draw that shuffles them."""
    candidate: Candidate

    def with_share(self, share: float, *, stands_back: bool) -> Standing:
        """While it takes its calls back; ``stands_back``: this one goes to others first."""
        return Standing(
            place=self.place + _STANDS_BACK * stands_back,
            rate=self.rate,
            candidate=replace(self.candidate, share=share),
        )


def with_ramp(
    standings: Sequence[Standing],
    ramp_seconds: float,
    rng: random.Random,
    now_ms: int,
    returned_ms: ReturnedMs,
) -> list[Standing]:
    """``standings``, where those that came back a short while ago stand back for some calls.

    They do so for others that are known to work and did not come back just now, if there are any.
    """
    ramp_ms = ramp_seconds * 1000
    shares: dict[int, float] = {}
    steady = False
    for at, standing in enumerate(standings):
        if standing.candidate.state in KNOWN_TO_WORK:
            since_ms = returned_ms(standing.candidate.trunk_id)
            # A clock that was put back must not keep a trunk from its calls for as long.
            if since_ms is not None and 0 <= now_ms - since_ms < ramp_ms:
                shares[at] = (now_ms - since_ms) / ramp_ms
            else:
                steady = True
    found = list(standings)
    if steady:
        for at, share in shares.items():
            found[at] = found[at].with_share(share, stands_back=rng.random() >= share)
    return found


class Member:
    """A trunk of a plan. Remembers the standing that it last had: a status rarely changes."""

    __slots__ = ("_part", "last")

    def __init__(self, part: RouteTrunk) -> None:
        self._part = part
        status = TrunkStatus(TrunkState.UNKNOWN)
        self.last = status, _standing(part, status)
        """A status and the standing with it; as one, for whoever decides in another thread."""

    def of(self, status: TrunkStatus) -> Standing:
        """Where the trunk stands with this status."""
        standing = _standing(self._part, status)
        self.last = status, standing
        return standing


def _standing(part: RouteTrunk, status: TrunkStatus) -> Standing:
    return Standing(
        place=_UNDECIDED * (status.state not in KNOWN_TO_WORK)
        + _PRIORITY * part.priority
        + _DEGRADED * (status.state is TrunkState.DEGRADED)
        + (part.weight == 0),
        rate=float(part.weight or 1),
        candidate=Candidate(part.id, part.priority, part.weight, status.state, status.since_ms),
    )


@dataclass(frozen=True, slots=True)
class Plan:
    """A route, prepared for calls of one direction."""

    route: Route
    opening: Opening | None
    """None: it takes calls at any time."""
    members: tuple[tuple[str, Member], ...]
    """Trunks that may take the call, by priority, then as in the file."""
    misfits: tuple[tuple[str, SkipReason], ...]
    """Trunks that no state could make a candidate."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A route, prepared for calls of each direction that it serves."""

    route: Route
    timezone: str
    directions: tuple[Direction | None, ...]
    """Of its trunks as they were then; None for one that is not there."""
    opening: Opening | None
    """None: it takes calls at any time."""
    plans: Mapping[Direction, Plan]


def prepared(
    route: Route, trunks: Mapping[str, Trunk], timezone: str, before: Prepared | None
) -> Prepared:
    """``route`` with these trunks and, if it names none, this time zone; ``before`` if it fits."""
    found = (trunks.get(part.id) for part in route.trunks)
    directions = tuple(None if trunk is None else trunk.direction for trunk in found)
    if (
        before is not None
        and before.route is route
        and before.directions == directions
        and before.timezone == timezone
    ):
        return before
    opening = Opening(route.times, route.timezone or timezone) if route.times else None
    plans = {
        direction: _plan(route, opening, direction, trunks)
        for direction in Direction
        if route.direction.serves(direction)
    }
    return Prepared(route, timezone, directions, opening, plans)


def _plan(
    route: Route, opening: Opening | None, direction: Direction, trunks: Mapping[str, Trunk]
) -> Plan:
    members: list[tuple[str, Member]] = []
    misfits: list[tuple[str, SkipReason]] = []
    for part in sorted(route.trunks, key=lambda part: part.priority):
        trunk = trunks.get(part.id)
        if trunk is None:
            misfits.append((part.id, SkipReason.UNKNOWN_TRUNK))
        elif not trunk.direction.serves(direction):
            misfits.append((part.id, SkipReason.DIRECTION_MISMATCH))
        else:
            members.append((part.id, Member(part)))
    return Plan(route, opening, tuple(members), tuple(misfits))


class Served:
    """Some plans for calls of one direction, by number and time."""

    def __init__(self, plans: Sequence[Plan]) -> None:
        """Of plans that describe a number equally well, the first takes its calls."""
        self._all = _index(plans)
        self._ranks = {plan.route.id: rank for rank, plan in enumerate(plans)}
        schedules: dict[tuple[tuple[Hours, ...], str] | None, list[Plan]] = {}
        for plan in plans:
            schedule = None if plan.opening is None else plan.opening.schedule
            schedules.setdefault(schedule, []).append(plan)
        self._by_schedule = [
            (alike[0].opening, self._all if len(schedules) == 1 else _index(alike))
            for alike in schedules.values()
        ]
        """What is open together, for when the closest of all is closed."""

    def closest(self, number: str) -> Match[Plan] | None:
        """The plan that describes ``number`` most closely, at whatever time."""
        return self._all.lookup(number)

    def has_longer(self, beginning: str) -> bool:
        """Whether a plan has numbers that begin so and are longer, at whatever time."""
        return self._all.has_longer(beginning)

    def closest_open(self, number: str, now_ms: int) -> Match[Plan] | None:
        """The one among those that take calls now."""
        found = (
            match
            for opening, table in self._by_schedule
            if (opening is None or opening.is_open(now_ms))
            and (match := table.lookup(number)) is not None
        )
        return min(found, key=self._remoteness, default=None)

    def _remoteness(self, match: Match[Plan]) -> tuple[int, int, int]:
        return -match.length, match.width, self._ranks[match.value.route.id]


def _index(plans: Iterable[Plan]) -> NumberTable[Plan]:
    return NumberTable(
        (rule, plan) for plan in plans for rule in plan.route.numbers or (EVERY_NUMBER,)
    )
