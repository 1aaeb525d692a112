"""Making the table of many routes anew keeps nothing else waiting."""

from __future__ import annotations

import asyncio
import random
import threading
from dataclasses import replace

from trunkpulse.adapters.storage.memory import MemoryStore
from trunkpulse.board import Board
from trunkpulse.model import Direction, NumberRange, Route, RouteTrunk, Trunk
from trunkpulse.provisioning.routes import FEW, MadeRoutes
from trunkpulse.routing.selection import CallRequest
from unit.http.api_parts import SetClock


class Looked:
    """The trunks, and which thread looked for them."""

    def __init__(self) -> None:
        self.trunks = {
            f"t{n}": Trunk(id=f"t{n}", name="T", targets=(f"sip:192.0.2.{n % 250}",))
            for n in range(FEW)
        }
        self.here = 0

    def __call__(self, trunk_id: str) -> Trunk | None:
        self.here += threading.current_thread() is threading.main_thread()
        return self.trunks.get(trunk_id)


async def test_a_changed_direction_is_put_to_work_by_a_thread() -> None:
    looked = Looked()
    routes = MadeRoutes(
        MemoryStore(),
        clock=SetClock(),
        applying=asyncio.Lock(),
        trunk=looked,
        region="default",
    )
    parts = tuple(RouteTrunk(id=each) for each in looked.trunks)
    await routes.declare([Route(id="us", numbers=(NumberRange("+1"),), trunks=parts)])
    assert looked.here == 0
    known, table = routes.all, routes.table

    looked.trunks["t7"] = replace(looked.trunks["t7"], direction=Direction.INBOUND)
    await routes.trunks_changed(["t7", "elsewhere"])
    assert looked.here == 1  # for the one that has changed
    assert routes.all is known
    assert routes.table is not table
    assert routes.routes_of("t7") == ["us"]
    skipped = routes.table.decide(CallRequest("+1202"), Board().status, random.Random(1), 0).skipped
    assert [each.trunk_id for each in skipped] == ["t7"]

    table = routes.table
    await routes.trunks_changed(["t7"])
    assert routes.table is table
