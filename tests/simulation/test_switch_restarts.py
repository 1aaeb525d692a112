"""What a switch is told after a restart of ours: nothing that this life has not seen itself."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

import pytest

from simulation.paper_switch import PaperSwitch, settings
from simulation.setups import config, trunk
from simulation.world import World
from trunkpulse.model import TrunkState
from virtual_time import run_virtual

A, B = "sip:192.0.2.1:5060", "sip:192.0.2.2:5060"
SECONDS = 60.0
"""In which every trunk is probed, and one that died is down."""
HOUR = 3600.0
SETUP = replace(config(trunk(1), trunk(2)), switches=(settings(interval_seconds=HOUR),))


def told(story: Callable[[], Coroutine[Any, Any, None]]) -> None:
    run_virtual(story, limit_seconds=3 * HOUR)


async def first_life(world: World, paper: PaperSwitch) -> None:
    """Trunk 1 dies in it."""
    world.switch_for = paper.connect
    for host in ("192.0.2.1", "192.0.2.2"):
        world.network.far_end(host)
    async with world.node(SETUP) as node:
        await world.clock.advance(100)
        world.network.far_end("192.0.2.1").mode = "refused"
        await world.clock.advance(SECONDS)
        assert node.board.status("trunk-1").state is TrunkState.DOWN
    paper.orders.clear()
    await world.clock.advance(HOUR)


@pytest.mark.parametrize(
    ("paper", "first"), [(PaperSwitch(A, B), A), (PaperSwitch(by_address=False), "trunk-1")]
)
def test_a_trunk_that_came_back_while_nobody_looked_is_not_taken_out_again(
    paper: PaperSwitch, first: str
) -> None:
    async def story() -> None:
        world = World(7)
        await first_life(world, paper)
        paper.restart()
        world.network.far_end("192.0.2.1").mode = "up"
        async with world.node(SETUP) as node:
            assert node.board.status("trunk-1").state is TrunkState.DOWN
            await world.clock.advance(SECONDS)
            assert (first, False) not in paper.orders
            assert paper.states[first]

    told(story)


@pytest.mark.parametrize(
    ("paper", "first"), [(PaperSwitch(A, B), A), (PaperSwitch(by_address=False), "trunk-1")]
)
def test_a_trunk_that_is_still_down_is_taken_out_once_a_probe_says_so_too(
    paper: PaperSwitch, first: str
) -> None:
    async def story() -> None:
        world = World(7)
        await first_life(world, paper)
        paper.restart()
        asked = world.network.far_end("192.0.2.1").requests
        async with world.node(SETUP) as node:
            while world.network.far_end("192.0.2.1").requests == asked:
                assert paper.states.get(first) is not False
                await world.clock.advance(0.1)
            await world.clock.advance(3.0)  # and not an hour, though no state has changed
            assert paper.states[first] is False
            assert node.board.status("trunk-1").state is TrunkState.DOWN

    told(story)


def test_a_trunk_that_died_while_nobody_looked_is_not_put_back() -> None:
    async def story() -> None:
        world, paper = World(7), PaperSwitch(A, B)
        await first_life(world, paper)
        paper.states[B] = False  # by somebody who saw it
        world.network.far_end("192.0.2.2").mode = "refused"
        async with world.node(SETUP) as node:
            assert node.board.status("trunk-2").state is TrunkState.AVAILABLE
            await world.clock.advance(SECONDS)
            assert node.board.status("trunk-2").state is TrunkState.DOWN
            assert paper.orders == []

    told(story)


@pytest.mark.parametrize(
    ("paper", "first"), [(PaperSwitch(A, B), A), (PaperSwitch(by_address=False), "trunk-1")]
)
@pytest.mark.parametrize("after_seconds", [0.001, SECONDS])
def test_a_clock_that_is_set_back_after_a_start_keeps_no_trunk_out(
    paper: PaperSwitch, first: str, after_seconds: float
) -> None:
    async def story() -> None:
        world = World(7)
        await first_life(world, paper)
        async with world.node(SETUP) as node:
            await world.clock.advance(after_seconds)
            world.clock.step_wall(-HOUR / 2)
            await world.clock.advance(SECONDS)
            assert paper.states[first] is False
            world.network.far_end("192.0.2.1").mode = "up"
            await world.clock.advance(2 * SECONDS)
            assert node.board.status("trunk-1").state is TrunkState.AVAILABLE
            assert paper.states[first] is True

    told(story)


def test_what_is_not_known_yet_is_said_to_be() -> None:
    async def story() -> None:
        world, paper = World(7), PaperSwitch(A, B)
        await first_life(world, paper)
        for host in ("192.0.2.1", "192.0.2.2"):
            world.network.far_end(host).delay_seconds = 1.0
            world.network.far_end(host).mode = "up"
        async with world.node(SETUP) as node:
            await node.switches.sync("edge")
            lines = node.switches.lines("edge")
            assert [(each.unproven, each.wanted) for each in lines] == [(True, None)] * 2
            await world.clock.advance(SECONDS)
            lines = node.switches.lines("edge")
            assert [(each.unproven, each.wanted) for each in lines] == [(False, True)] * 2

    told(story)
