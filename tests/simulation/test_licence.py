"""What a licence does not cover rests at once and comes back by itself; nothing is lost by it."""

from __future__ import annotations

from simulation.invariants import check_receivers, recorded_changes
from simulation.setups import config, trunk
from simulation.world import World
from trunkpulse.access.licence import EVERYTHING, Entitlement, Grant, Licence
from trunkpulse.model import KeepalivePolicy, Reason, TrunkState
from trunkpulse.node import Node
from virtual_time import run_virtual

OFF = Grant(suspended=True)
WITHOUT_TALK = Licence(talk=OFF)
WITHOUT_STREAMS = Licence(streams=OFF)
UP = (TrunkState.AVAILABLE, Reason.KEEPALIVE_RESTORED)
UNLICENSED = (TrunkState.DOWN, Reason.LICENSE_ISSUE)
RESTORED = (TrunkState.UNKNOWN, Reason.LICENSE_RESTORED)


def states(node: Node) -> set[tuple[TrunkState, Reason | None]]:
    return {(each.state, each.reason) for each in node.roster.records().values()}


async def reasons(world: World, trunk_id: str) -> list[Reason]:
    return [each.reason for each in (await recorded_changes(world))[trunk_id]]


def world_with(*numbers: int) -> World:
    world = World(1)
    for number in numbers:
        world.network.far_end(f"192.0.2.{number}").mode = "up"
    return world


def test_without_talk_every_trunk_is_down_and_rests_and_with_it_all_are_probed_anew() -> None:
    async def story() -> None:
        world = world_with(*range(1, 6))
        async with world.node(config(*map(trunk, range(1, 6)))) as node:
            await world.clock.advance(90.0)
            assert states(node) == {UP}
            await node.licensing.put(WITHOUT_TALK)
            await world.clock.advance(1.0)
            assert states(node) == {UNLICENSED}
            asked = len(world.network.departures)
            assert node.roster.probe_now("trunk-1") == 0
            await world.clock.advance(600.0)
            assert len(world.network.departures) == asked
            await node.licensing.put(EVERYTHING)
            await world.clock.advance(0.001)
            assert states(node) == {RESTORED}
            await world.clock.advance(90.0)
            assert states(node) == {UP}
        assert await reasons(world, "trunk-3") == [
            Reason.KEEPALIVE_RESTORED,
            Reason.LICENSE_ISSUE,
            Reason.LICENSE_RESTORED,
            Reason.KEEPALIVE_RESTORED,
        ]

    run_virtual(story)


def test_an_end_takes_effect_when_it_comes_also_if_the_clock_is_set() -> None:
    async def story() -> None:
        world = world_with(1)
        async with world.node(config(trunk(1))) as node:
            await world.clock.advance(60.0)
            now_ms = int(world.clock.wall() * 1000)
            await node.licensing.put(Licence(talk=Grant(until_ms=now_ms + 3_600_000)))
            await world.clock.advance(3599.0)
            assert states(node) == {UP}
            await world.clock.advance(1.1)
            assert states(node) == {UNLICENSED}
            now_ms = int(world.clock.wall() * 1000)
            await node.licensing.put(Licence(talk=Grant(until_ms=now_ms + 86_400_000)))
            await world.clock.advance(60.0)
            assert states(node) == {UP}
            world.clock.step_wall(86_400.0)
            await world.clock.advance(61.0)
            assert states(node) == {UNLICENSED}

    run_virtual(story)


def test_a_restart_changes_nothing_and_an_end_that_came_meanwhile_is_seen() -> None:
    async def story() -> None:
        world = world_with(1, 2)
        settings = config(trunk(1), trunk(2))
        async with world.node(settings) as node:
            await world.clock.advance(60.0)
            await node.licensing.put(WITHOUT_TALK)
            await world.clock.advance(1.0)
        async with world.node(settings) as node:
            assert states(node) == {UNLICENSED}
            asked = len(world.network.departures)
            await world.clock.advance(120.0)
            assert len(world.network.departures) == asked
            now_ms = int(world.clock.wall() * 1000)
            await node.licensing.put(Licence(talk=Grant(until_ms=now_ms + 100_000)))
            await world.clock.advance(90.0)
            assert states(node) == {UP}
        await world.clock.advance(60.0)
        async with world.node(settings) as node:
            await world.clock.advance(1.0)
            assert states(node) == {UNLICENSED}
        assert await reasons(world, "trunk-1") == [
            Reason.KEEPALIVE_RESTORED,
            Reason.LICENSE_ISSUE,
            Reason.LICENSE_RESTORED,
            Reason.KEEPALIVE_RESTORED,
            Reason.LICENSE_ISSUE,
        ]

    run_virtual(story)


def test_a_trunk_that_was_never_probed_is_down_too_and_new_ones_are() -> None:
    async def story() -> None:
        world = world_with(1, 2)
        async with world.node(config(trunk(1, keepalive=KeepalivePolicy(enabled=False)))) as node:
            await node.licensing.put(WITHOUT_TALK)
            await world.clock.advance(1.0)
            assert states(node) == {UNLICENSED}
            await node.apply(config(trunk(1, keepalive=KeepalivePolicy(enabled=False)), trunk(2)))
            assert states(node) == {UNLICENSED}
            await world.clock.advance(60.0)
            assert world.network.departures == []
            await node.licensing.put(EVERYTHING)
            await world.clock.advance(60.0)
            assert states(node) == {RESTORED, UP}

    run_virtual(story)


def test_what_an_administrator_disabled_stays_disabled_and_says_so() -> None:
    async def story() -> None:
        world = world_with(1)
        async with world.node(config(trunk(1))) as node:
            await world.clock.advance(60.0)
            node.roster.set_admin_enabled("trunk-1", enabled=False)
            await node.licensing.put(WITHOUT_TALK)
            await world.clock.advance(1.0)
            assert states(node) == {(TrunkState.DOWN, Reason.ADMIN_DISABLED)}
            node.roster.set_admin_enabled("trunk-1", enabled=True)
            assert states(node) == {UNLICENSED}
            node.roster.set_admin_enabled("trunk-1", enabled=False)
            await node.licensing.put(EVERYTHING)
            await world.clock.advance(60.0)
            assert states(node) == {(TrunkState.DOWN, Reason.ADMIN_DISABLED)}
            node.roster.set_admin_enabled("trunk-1", enabled=True)
            await world.clock.advance(60.0)
            assert states(node) == {UP}

    run_virtual(story)


def test_without_event_streams_deliveries_wait_and_none_is_lost() -> None:
    async def story() -> None:
        world = world_with(1)
        async with world.node(config(trunk(1))) as node:
            await world.clock.advance(60.0)
            before = len(world.receivers.accepted["audit"])
            assert before
            await node.licensing.put(WITHOUT_STREAMS)
            await world.clock.advance(1.0)
            for mode in ("silent", "up", "silent", "up"):
                world.network.far_end("192.0.2.1").mode = mode
                await world.clock.advance(300.0)
            assert len(world.receivers.accepted["audit"]) == before
            await node.apply(config(trunk(1), trunk(2)))  # streams of the file are applied anew
            await world.clock.advance(60.0)
            assert len(world.receivers.accepted["audit"]) == before
            await node.licensing.put(EVERYTHING)
            await world.clock.advance(60.0)
            assert len(world.receivers.accepted["audit"]) >= before + 4
            assert Entitlement.STREAMS not in node.licensing.in_effect
            await check_receivers(world)

    run_virtual(story)


def test_deliveries_wait_over_a_restart() -> None:
    async def story() -> None:
        world = world_with(1)
        async with world.node(config(trunk(1))) as node:
            await node.licensing.put(WITHOUT_STREAMS)
            await world.clock.advance(60.0)
        async with world.node(config(trunk(1))) as node:
            await world.clock.advance(60.0)
            assert not world.receivers.accepted["audit"]
            await node.licensing.put(EVERYTHING)
            await world.clock.advance(10.0)
            assert world.receivers.accepted["audit"]

    run_virtual(story)
