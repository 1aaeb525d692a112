"""The minutes of a whole node, through restarts, crashes and changes of what is measured."""

from __future__ import annotations

from dataclasses import replace

from simulation.setups import config, trunk
from simulation.world import World
from trunkpulse.config.settings import NumbersSettings
from trunkpulse.model import TargetState
from trunkpulse.node import Node
from trunkpulse.ports import MinuteNumbers, WantedMinutes
from virtual_time import run_virtual


async def minutes_of(world: World, trunk_id: str) -> list[MinuteNumbers]:
    return await world.store.minutes(trunk_id, WantedMinutes(first=0, last=2**40, limit=100_000))


def note(node: Node, trunk_id: str, *rtts: float) -> None:
    """Answers on top of those that the network gives."""
    (target,) = node.roster.record(trunk_id).targets
    if len(node.roster.numbers) <= target.index:
        node.roster.numbers.reset(target.index)
    for rtt in rtts:
        node.roster.numbers.answered(target.index, rtt, 200)


def so_far(node: Node, trunk_id: str) -> int:
    (target,) = node.roster.record(trunk_id).targets
    numbers = node.roster.numbers.of(target.index)
    return numbers.answers + numbers.losses


def test_every_attempt_of_two_lives_is_in_a_minute_and_in_one_only() -> None:
    async def story() -> None:
        world = World(11)
        world.network.far_end("192.0.2.1")
        made = 0
        for _ in range(2):
            async with world.node(config(trunk(1))) as node:
                await world.clock.advance(1.0)
                note(node, "trunk-1", 0.25, 0.5)
                await world.clock.advance(200.0)
                note(node, "trunk-1", 0.125)
                await world.clock.advance(0.5)
                made += so_far(node, "trunk-1")
        kept = await minutes_of(world, "trunk-1")
        assert sum(each.answers + each.losses for each in kept) == made
        assert len({each.minute for each in kept}) == len(kept) >= 3
        assert max(each.rtt_max_seconds for each in kept) == 0.5

    run_virtual(story)


def test_the_first_trunks_of_the_file_are_measured_and_no_others() -> None:
    async def story() -> None:
        world = World(12)
        for number in (1, 2, 3):
            world.network.far_end(f"192.0.2.{number}")
        setup = replace(config(*map(trunk, (1, 2, 3))), numbers=NumbersSettings(rollup_trunks=2))
        async with world.node(setup) as node:
            await world.clock.advance(1.0)
            assert [node.minutes.measures(f"trunk-{n}") for n in (1, 2, 3)] == [True, True, False]
            for number in (1, 2, 3):
                note(node, f"trunk-{number}", 0.25)
            await world.clock.advance(61.0)
            assert await minutes_of(world, "trunk-2")
            assert await minutes_of(world, "trunk-3") == []
            await node.apply(replace(setup, numbers=NumbersSettings(rollup_trunks=0)))
            await world.clock.advance(61.0)
            assert not node.minutes.measures("trunk-1")

    run_virtual(story)


def test_the_minutes_of_an_outage_are_what_the_prober_counted() -> None:
    async def story() -> None:
        world = World(3)
        far = world.network.far_end("192.0.2.1")
        async with world.node(config(trunk(1))) as node:
            await world.clock.advance(600.0)
            far.mode = "silent"
            await world.clock.advance(600.0)
            counts = node.roster.prober.counts
        kept = await minutes_of(world, "trunk-1")
        assert sum(each.answers for each in kept) == counts.answers > 10
        assert sum(each.losses for each in kept) == counts.timeouts > 10
        assert kept[0].state is TargetState.AVAILABLE
        assert (kept[-1].answers, kept[-1].state) == (0, TargetState.DOWN)

    run_virtual(story)
