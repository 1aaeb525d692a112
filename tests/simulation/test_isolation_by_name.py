"""Trunks known by name: whom there is to ask is known only once the names are found."""

from __future__ import annotations

from dataclasses import replace

import pytest

from simulation.cuts import Cut, states
from simulation.invariants import recorded_prober_events
from simulation.setups import config
from simulation.world import World
from trunkpulse.model import TargetState, Trunk, TrunkState
from virtual_time import run_virtual


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("seconds", [100.0, 700.0])
def test_the_servers_of_a_name_that_die_are_down_while_another_of_them_answers(
    seed: int, seconds: float
) -> None:
    async def story() -> None:
        world = World(seed)
        hosts = [f"192.0.2.{number}" for number in range(11, 16)]
        far_ends = [world.network.far_end(host) for host in hosts]
        world.names.moved["t1.example"] = tuple(hosts)
        named = Trunk(id="trunk-1", name="Trunk 1", targets=("sip:t1.example",))
        async with world.node(config(named)) as node:
            await world.clock.advance(seconds)
            for far in far_ends[:4]:
                far.mode = "silent"
            await world.clock.advance(100.0)
            found = [target.state for target in node.roster.record("trunk-1").targets]
            assert found == [TargetState.DOWN] * 4 + [TargetState.AVAILABLE]
            assert await recorded_prober_events(world) == []

    run_virtual(story)


@pytest.mark.parametrize("seed", range(4))
def test_names_that_were_found_late_are_asked_before_we_suspect_ourselves(seed: int) -> None:
    async def story() -> None:
        world = World(seed)
        trunks = [
            Trunk(id=f"trunk-{number}", name="A trunk", targets=(f"sip:t{number}.example",))
            for number in range(5)
        ]
        hosts = [f"192.0.2.{number}" for number in range(11, 16)]
        far_ends = [world.network.far_end(host) for host in hosts]
        for number, host in enumerate(hosts):
            world.names.moved[f"t{number}.example"] = (host,)
        async with world.node(config(*trunks)) as node:
            await world.clock.advance(100.0)
            for far in far_ends[:4]:
                far.mode = "silent"
            await world.clock.advance(100.0)
            found = [node.roster.record(each.id).targets[0].state for each in trunks]
            assert found == [TargetState.DOWN] * 4 + [TargetState.AVAILABLE]
            assert await recorded_prober_events(world) == []

    run_virtual(story)


@pytest.mark.parametrize("seed", range(6))
def test_a_start_without_name_servers_is_no_isolation_where_carriers_answer(seed: int) -> None:
    async def story() -> None:
        cut = Cut(seed, 4, carriers=4)
        cut.trunks = [replace(cut.trunks[0], targets=("sip:t1.example",)), *cut.trunks[1:]]
        cut.bring_up()
        cut.world.names.away = True
        cut.link.silent_name_servers = True
        async with cut.world.node(cut.config) as node:
            await cut.world.clock.advance(300)
            assert await states(cut) == []
            found = [node.board.status(each.id).state for each in cut.trunks]
            assert found == [TrunkState.DOWN] + [TrunkState.AVAILABLE] * 3

    run_virtual(story)
