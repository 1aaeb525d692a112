"""What this process could not have heard is held against nobody; what it could is."""

from __future__ import annotations

from simulation.invariants import recorded_changes
from simulation.setups import config, trunk
from simulation.world import World
from trunkpulse.model import KeepalivePolicy, TrunkState
from virtual_time import run_virtual

QUICK = KeepalivePolicy(max_failed_attempts=1)


def test_attempts_that_timed_out_because_of_a_suspension_are_made_again() -> None:
    async def story() -> None:
        world = World(60)
        far = world.network.far_end("192.0.2.1")
        async with world.node(config(trunk(1, keepalive=QUICK))) as node:
            await world.clock.advance(100)
            far.mode = "silent"
            before = node.roster.prober.counts.attempts
            while node.roster.prober.counts.attempts == before:
                await world.clock.advance(0.1)
            world.clock.sleep_through(3600)
            await world.clock.advance(4.1)
            far.mode = "up"
            await world.clock.advance(60)
            assert node.board.status("trunk-1").state is TrunkState.AVAILABLE
            assert node.roster.sight.suspensions == 1
        assert len((await recorded_changes(world))["trunk-1"]) == 1

    run_virtual(story)


def test_attempts_that_timed_out_because_the_kernel_dropped_datagrams_are_made_again() -> None:
    async def story() -> None:
        world = World(61)
        far = world.network.far_end("192.0.2.1")
        async with world.node(config(trunk(1, keepalive=QUICK))) as node:
            await world.clock.advance(100)
            far.mode = "silent"
            before = node.roster.prober.counts.attempts
            while node.roster.prober.counts.attempts == before:
                await world.clock.advance(0.1)
            world.network.drop(3)
            await world.clock.advance(4.1)
            far.mode = "up"
            await world.clock.advance(60)
            assert node.roster.sight.voided == 1
            assert node.roster.sight.drops == 3
        assert len((await recorded_changes(world))["trunk-1"]) == 1

    run_virtual(story)


def test_a_flood_that_fills_the_buffer_for_ever_does_not_hide_an_outage() -> None:
    async def story() -> None:
        world = World(62)
        far = world.network.far_end("192.0.2.1")
        async with world.node(config(trunk(1))) as node:
            await world.clock.advance(100)
            far.mode = "silent"
            for _ in range(150):
                world.network.drop(1)
                await world.clock.advance(1)
            assert node.board.status("trunk-1").state is TrunkState.DOWN

    run_virtual(story)
