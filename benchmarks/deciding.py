"""How many routing decisions a second: 1,000 routes of four trunks, some of them DOWN.

One route in ten has a pattern beside its prefixes, and one has a trunk that takes its calls back.

Prints one JSON object.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time

from trunkpulse.model import (
    NumberPattern,
    NumberRange,
    NumberRule,
    Route,
    RouteTrunk,
    Trunk,
    TrunkState,
    TrunkStatus,
)
from trunkpulse.routing.selection import CallRequest, RouteTable

ROUTES = 1_000
TRUNKS = 400
TRUNKS_PER_ROUTE = 4
DOWN_EVERY = 20
PATTERN_EVERY = 10
RAMPED = 17
RAMP_SECONDS = 60.0
REQUESTS = 10_000
SECONDS = 2.0
NOW_MS = 1_800_000_000_000


def table_of(trunks: list[Trunk]) -> RouteTable:
    """Routes of all lengths of prefix: each number is within several."""
    routes = []
    for index in range(ROUTES):
        digits = str(1_000 + index)[: 2 + index % 3]
        first = index * TRUNKS_PER_ROUTE
        members = tuple(
            RouteTrunk(id=trunks[(first + place) % TRUNKS].id, priority=1 + place // 2, weight=50)
            for place in range(TRUNKS_PER_ROUTE)
        )
        numbers: tuple[NumberRule, ...] = (
            NumberRange(f"+{digits}{index:03}"),
            NumberRange(f"+{digits}"),
        )
        if index % PATTERN_EVERY == 0:
            numbers += (NumberPattern(f"+{1_000 + index}[2-9]XXXXXX"),)
        ramp_seconds = RAMP_SECONDS if index == RAMPED else 0.0
        routes.append(
            Route(
                id=f"route-{index}",
                numbers=numbers,
                trunks=members,
                failback_ramp_seconds=ramp_seconds,
            )
        )
    return RouteTable(routes, {trunk.id: trunk for trunk in trunks}, "default")


def main() -> int:
    argparse.ArgumentParser(description=__doc__).parse_args()
    rng = random.Random(1)
    trunks = [Trunk(id=f"trunk-{index}", name="", targets=()) for index in range(TRUNKS)]
    states = {
        trunk.id: TrunkStatus(TrunkState.DOWN if index % DOWN_EVERY == 0 else TrunkState.AVAILABLE)
        for index, trunk in enumerate(trunks)
    }
    table = table_of(trunks)
    numbers = [
        f"+{1_000 + rng.randrange(ROUTES)}{rng.randrange(10**7):07}" for _ in range(REQUESTS)
    ]
    back = NOW_MS - int(RAMP_SECONDS * 500)
    returns = {f"trunk-{RAMPED * TRUNKS_PER_ROUTE + 1}": back}
    requests = [CallRequest(number) for number in numbers]
    decided = unrouted = 0
    started = time.perf_counter()
    while time.perf_counter() - started < SECONDS:
        for request in requests:
            decision = table.decide(request, states.__getitem__, rng, NOW_MS, returns.get)
            unrouted += not decision.candidates
        decided += len(requests)
    seconds = time.perf_counter() - started
    print(json.dumps({"decisions_per_second": decided / seconds, "unrouted": unrouted}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
