"""What a running node decides of calls while trunks come back, and when its clocks change."""

import random
from dataclasses import replace

from simulation.setups import config, trunk
from simulation.world import World
from trunkpulse.config.settings import Config, RoutingSettings
from trunkpulse.model import Hours, Route, RouteTrunk, TrunkState
from trunkpulse.model.hours import DAY_MINUTES
from trunkpulse.node import Node
from trunkpulse.routing.selection import CallRequest
from virtual_time import run_virtual

CALL = CallRequest(to="+15551230001")
RAMP_SECONDS = 200.0


def routed(route: Route) -> Config:
    return replace(config(trunk(1), trunk(2)), routes=(route,))


def share_of(node: Node, trunk_id: str, calls: int = 400) -> float:
    """Of calls that try this trunk first."""
    rng = random.Random(5)
    firsts = [node.decide(CALL, rng=rng).candidates[0].trunk_id for _ in range(calls)]
    return firsts.count(trunk_id) / calls


def test_a_trunk_that_comes_back_takes_its_calls_back_along_the_ramp() -> None:
    async def story() -> None:
        world = World(41)
        far = world.network.far_end("192.0.2.1")
        world.network.far_end("192.0.2.2")
        parts = (RouteTrunk(id="trunk-1"), RouteTrunk(id="trunk-2", priority=2))
        ramped = Route(id="r", trunks=parts, failback_ramp_seconds=RAMP_SECONDS)
        async with world.node(routed(ramped)) as node:
            await world.clock.advance(100)
            assert share_of(node, "trunk-1") == 1.0  # it never was down
            far.mode = "refused"
            await world.clock.advance(60)
            assert share_of(node, "trunk-1") == 0.0
            far.mode = "up"
            for _ in range(120):
                await world.clock.advance(0.5)
                if node.board.status("trunk-1").state is not TrunkState.DOWN:
                    break
            assert share_of(node, "trunk-1") < 0.05
            await world.clock.advance(RAMP_SECONDS / 2)
            assert 0.4 < share_of(node, "trunk-1") < 0.6
            await world.clock.advance(RAMP_SECONDS / 2)
            assert share_of(node, "trunk-1") == 1.0

    run_virtual(story)


def test_the_time_zone_of_the_file_moves_the_times_of_its_routes_at_once() -> None:
    async def story() -> None:
        world = World(42)
        now_minute = int(world.clock.wall()) // 60 % DAY_MINUTES
        ends = (now_minute + 60) % DAY_MINUTES
        soon_over = Hours(from_minute=now_minute, to_minute=ends or DAY_MINUTES)
        setup = routed(Route(id="r", times=(soon_over,), trunks=(RouteTrunk(id="trunk-1"),)))
        async with world.node(setup) as node:
            assert node.decide(CALL).route_id == "r"
            kathmandu = RoutingSettings(timezone="Asia/Kathmandu")  # 5 h 45 min ahead
            await node.apply(replace(setup, routing=kathmandu))
            assert node.decide(CALL).out_of_hours == "r"
            await node.apply(setup)
            assert node.decide(CALL).route_id == "r"

    run_virtual(story)
