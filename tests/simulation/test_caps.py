"""Caps at work: what leaves in a second, who waits, and that nobody is forgotten."""

from __future__ import annotations

import itertools
from dataclasses import replace

from simulation.invariants import recorded_changes
from simulation.setups import config
from simulation.test_pacing import capped, many
from simulation.world import World
from trunkpulse.model import KeepalivePolicy, TrunkState
from virtual_time import run_virtual

POLICY = KeepalivePolicy()


def most_within(moments: list[float], seconds: float) -> int:
    """Most of these sorted moments that fall into one span of time."""
    most, first = 0, 0
    for last, moment in enumerate(moments):
        while moments[first] <= moment - seconds:
            first += 1
        most = max(most, last - first + 1)
    return most


def test_no_more_probes_leave_than_the_total_cap_allows() -> None:
    async def story() -> None:
        world = World(50)
        async with world.node(capped(many(world, count=300), 5.0)):
            await world.clock.advance(300)
        moments = world.network.departures
        assert most_within(moments, 1.0) <= 5 + 2
        assert most_within(moments, 10.0) <= 50 + 2
        assert len(moments) >= 300 * 5 - 10  # and no place is lost

    run_virtual(story)


def test_each_target_has_its_turn_under_a_cap_that_is_too_small() -> None:
    async def story() -> None:
        world = World(51)
        trunks = many(world, count=300)
        async with world.node(capped(trunks, 5.0)) as node:
            await world.clock.advance(3 * 300 / 5.0)
            (problem,) = node.roster.watchdog.remarks()
            assert node.board.counts()[TrunkState.AVAILABLE] == 300
        assert problem.startswith("All probes are delayed by ")
        assert min(world.network.far_end(f"198.18.0.{n}").requests for n in range(1, 201)) >= 2

    run_virtual(story)


def test_a_capped_carrier_keeps_no_other_waiting() -> None:
    async def story() -> None:
        world = World(52)
        trunks = many(world, count=300)  # 30 of them are of acme
        async with world.node(capped(trunks, 100.0, acme=0.2)):
            await world.clock.advance(600)
        acme, other = world.network.far_end("198.18.0.1"), world.network.far_end("198.18.0.2")
        assert 2 <= acme.requests <= 6
        assert other.requests >= 600 / 30 - 1

    run_virtual(story)


def test_an_outage_of_a_capped_carrier_is_noticed_as_soon_as_the_cap_allows() -> None:
    async def story() -> None:
        world = World(53)
        trunks = [
            replace(each, carrier="acme", keepalive=replace(POLICY, timeout_seconds=0.4))
            for each in many(world, count=60)
        ]
        setup = replace(capped(trunks, None, acme=4.0), event_streams=config().event_streams)
        async with world.node(setup) as node:
            await world.clock.advance(200)
            assert node.board.counts()[TrunkState.AVAILABLE] == 60
            for number in range(1, 61):
                world.network.far_end(f"198.18.0.{number}").mode = "503"
            # Three attempts of each at four a second, after an interval at most.
            await world.clock.advance(30 * 1.05 + 60 * 3 / 4.0 + 1)
            assert node.board.counts()[TrunkState.DOWN] == 60
        changes = await recorded_changes(world)
        assert all(len(each) == 2 for each in changes.values())

    run_virtual(story)


def test_who_asks_for_a_probe_now_gets_it_when_the_cap_allows() -> None:
    async def story() -> None:
        world = World(54)
        async with world.node(capped(many(world, count=1), 0.1)) as node:
            for _ in range(200):
                await world.clock.advance(1)
                node.roster.probe_now("trunk-0")
        moments = world.network.departures
        gaps = [later - earlier for earlier, later in itertools.pairwise(moments)]
        assert len(moments) >= 15
        assert most_within(moments, 100.0) <= 10 + 2
        assert sum(gap < 9.0 for gap in gaps) <= 2

    run_virtual(story)


def test_a_cap_that_is_raised_or_gone_frees_those_who_waited_for_it() -> None:
    async def story() -> None:
        world = World(58)
        trunks = many(world, count=300)
        async with world.node(capped(trunks, 0.1)) as node:
            await world.clock.advance(100)
            assert len(world.network.departures) <= 15
            await node.apply(capped(trunks, 1000.0))
            await world.clock.advance(60)
            assert node.board.counts()[TrunkState.AVAILABLE] == 300
            await node.apply(capped(trunks, 0.1))
            await world.clock.advance(100)
            await node.apply(config(*trunks))
            before = len(world.network.departures)
            await world.clock.advance(90)
            assert len(world.network.departures) - before >= 2 * 300

    run_virtual(story)


def test_who_waits_for_a_cap_waits_no_more_when_its_trunk_moves_to_another_carrier() -> None:
    async def story() -> None:
        world = World(59)
        before = [replace(each, carrier="acme") for each in many(world, count=60)]
        after = [replace(each, carrier="swift") for each in before]
        async with world.node(capped(before, None, acme=0.1, swift=20.0)) as node:
            await world.clock.advance(30)
            assert node.board.counts()[TrunkState.AVAILABLE] < 10
            await node.apply(capped(after, None, acme=0.1, swift=20.0))
            moved_at = world.clock.monotonic()
            await world.clock.advance(30)
            assert node.board.counts()[TrunkState.AVAILABLE] == 60
            assert not node.roster.prober.waiting()
        moments = [moment for moment in world.network.departures if moment >= moved_at]
        assert most_within(moments, 1.0) <= 20 + 2

    run_virtual(story)
