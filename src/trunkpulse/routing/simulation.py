"""Where calls would go: those of a list or a log, decided over the present or a supposed health.

Health is that of one moment for all calls, also for those that were made last week: the question is
what today's trunks would do with them. The hour of a call, if it is known, is what a route's hours
are held against; how far a trunk has come back (its ramp) stays as it is now.

The n-th call, from 0, is decided as ``RouteTable.decide`` does it with ``random.Random(seed + n)``.
So the same log, health and seed give the same result, in one go or in pieces that say where they
begin; and the present and the supposed health meet the same luck, so that what differs between them
differs because of the health.

A call *goes to* the trunk that would be tried first. It is *lost* if there is none to try. It
*moves* if the supposed health sends it elsewhere, or loses it, or saves it.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from trunkpulse.model import Direction
from trunkpulse.routing.call_log import Call, Unread, UnreadReason
from trunkpulse.routing.decision import CallRequest, Decision, NoCandidates
from trunkpulse.routing.moves import Move
from trunkpulse.routing.numbers import BadNumber, dialled_number
from trunkpulse.routing.selection import ReturnedMs, RouteTable
from trunkpulse.routing.suppositions import SupposedHealth

__all__ = [
    "MOST_EXAMPLES",
    "Group",
    "Lost",
    "Move",
    "Outlook",
    "Simulation",
    "Usual",
    "trunks_of",
]

MOST_EXAMPLES: Final = 3
"""Of calls that fared alike."""


class Usual(NamedTuple):
    """What holds of calls that do not say otherwise."""

    direction: Direction = Direction.OUTBOUND
    region: str | None = None
    """None: the table's own."""
    country: str | None = None
    """In which numbers without a plus are read."""


AS_USUAL: Final = Usual()


class Lost(NamedTuple):
    """Why calls find no trunk."""

    route_id: str | None
    reason: NoCandidates


@dataclass(slots=True)
class Group:
    """Calls that fared alike."""

    calls: int = 0
    examples: list[Unread | str] = field(default_factory=list)
    """The first few: what was dialled, or what could not be read."""

    def add(self, example: Unread | str) -> None:
        """One more."""
        self.calls += 1
        if len(self.examples) < MOST_EXAMPLES and example not in self.examples:
            self.examples.append(example)


class Outlook:
    """Where calls go under one health."""

    def __init__(self) -> None:
        self.trunks: Counter[str] = Counter()
        """Calls by the trunk that is tried first."""
        self.routes: Counter[str] = Counter()
        """Calls by route, those that it loses too."""
        self.lost: dict[Lost, Group] = {}
        self.last_resort = 0
        """Calls that go to a trunk which is not known to work."""
        self.spans: dict[str, list[tuple[int, int]]] = {}
        """When calls begin and end, in milliseconds, by trunk, if that is known."""

    def lost_by_reason(self) -> Mapping[str, int]:
        """Lost calls, whatever the route."""
        found: Counter[str] = Counter()
        for lost, group in self.lost.items():
            found[lost.reason] += group.calls
        return found

    def add(self, call: Call, decision: Decision) -> None:
        """One more call."""
        if decision.route_id is not None:
            self.routes[decision.route_id] += 1
        if decision.reason is not None:
            lost = Lost(decision.route_id, decision.reason)
            self.lost.setdefault(lost, Group()).add(call.to)
            return
        trunk_id = decision.candidates[0].trunk_id
        self.trunks[trunk_id] += 1
        self.last_resort += decision.last_resort
        if call.at_ms is not None and call.seconds:
            ends_ms = call.at_ms + int(call.seconds * 1000)
            self.spans.setdefault(trunk_id, []).append((call.at_ms, ends_ms))


class Simulation:
    """See the module's opening."""

    def __init__(
        self,
        table: RouteTable,
        present: SupposedHealth,
        supposed: SupposedHealth | None,
        *,
        returned_ms: ReturnedMs,
        now_ms: int,
        seed: int = 0,
        first: int = 0,
        usual: Usual = AS_USUAL,
    ) -> None:
        """``first`` is how many calls of the log came before; ``supposed`` None: nothing is.

        ``now_ms`` is when calls that do not say so are made, in milliseconds since the epoch.
        """
        self._table = table
        self._health = present
        self._supposed = supposed
        self._returned_ms = returned_ms
        self._now_ms = now_ms
        self._usual = usual
        self._rng = random.Random()
        self._seed = seed + first
        self.calls = 0
        """Those that could be read."""
        self.unread: dict[UnreadReason, Group] = {}
        self.present = Outlook()
        self.supposed = Outlook() if supposed else None
        self.moves: dict[Move, Group] = {}
        self.choices: list[tuple[str | None, str | None]] = []
        """Where each call goes at present and as is supposed, those that could not be read too."""

    def add(self, call: Call | Unread) -> Decision | None:
        """Decide one more call; gives what is decided at present, None if it cannot be read."""
        seed, self._seed = self._seed, self._seed + 1
        if isinstance(call, Unread):
            self._pass_over(call)
            return None
        usual = self._usual
        try:
            number = dialled_number(call.to, usual.country, self._table.is_short)
        except BadNumber:
            self._pass_over(Unread(call.row, UnreadReason.NUMBER, call.to))
            return None
        request = CallRequest(
            number, call.from_, call.direction or usual.direction, call.region or usual.region
        )
        self.calls += 1
        now = self._decide(request, call, self._health, seed)
        self.present.add(call, now)
        then = now
        if self._supposed is not None and self.supposed is not None:
            if any(map(self._supposed.is_supposed, trunks_of(now))):
                then = self._decide(request, call, self._supposed, seed)
            self.supposed.add(call, then)
        move = Move(_first(now), _first(then))
        self.choices.append(move)
        if move.before != move.after:
            self.moves.setdefault(move, Group()).add(call.to)
        return now

    def _decide(
        self, request: CallRequest, call: Call, health: SupposedHealth, seed: int
    ) -> Decision:
        self._rng.seed(seed)
        at_ms = self._now_ms if call.at_ms is None else call.at_ms
        ago = self._now_ms - at_ms

        def returned_ms(trunk_id: str) -> int | None:
            returned = None if health.is_supposed(trunk_id) else self._returned_ms(trunk_id)
            return None if returned is None else returned - ago

        return self._table.decide(request, health.status, self._rng, at_ms, returned_ms)

    def _pass_over(self, unread: Unread) -> None:
        self.unread.setdefault(unread.reason, Group()).add(unread)
        self.choices.append((None, None))


def trunks_of(decision: Decision) -> Sequence[str]:
    """All trunks of the route."""
    trunk_ids = [each.trunk_id for each in decision.candidates]
    return trunk_ids + [each.trunk_id for each in decision.skipped]


def _first(decision: Decision) -> str | None:
    return decision.candidates[0].trunk_id if decision.candidates else None
