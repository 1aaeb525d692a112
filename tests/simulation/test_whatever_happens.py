"""Seeded stories of trouble by the hundred, and what must be true at the end of each."""

import random

import pytest

from simulation.invariants import (
    address_of,
    check_everything_is_probed,
    check_receivers,
    check_state_is_last_event,
    check_verdicts_are_justified,
)
from simulation.setups import config, trunk
from simulation.world import Weather, World
from trunkpulse.config.settings import Config
from trunkpulse.model import KeepalivePolicy, Trunk, TrunkState
from trunkpulse.node import Node
from trunkpulse.recorder import TrunkRecord
from virtual_time import run_virtual

MODES = ("up", "up", "silent", "refused", "503", "404")
STORIES = 160
"""Half a second each, and the same ones at every run."""


async def settle(world: World, node: Node) -> None:
    """The world calms down, and there is time to find out."""
    world.network.weather = Weather()
    world.receivers.failure = 0.0
    world.store.away = False
    world.names.away = False
    await world.clock.advance(400)
    await node.pipeline.recorder.flushed()


def variants(rng: random.Random) -> Config:
    """Some six trunks: plain, named, of two targets, with other settings, disabled, unprobed."""
    quick = KeepalivePolicy(interval_seconds=10.0, max_failed_attempts=2)
    trunks = [
        trunk(1),
        trunk(2, keepalive=rng.choice((KeepalivePolicy(), quick))),
        Trunk(id="trunk-3", name="Trunk 3", targets=("sip:t3.example",)),
        Trunk(
            id="trunk-4",
            name="Trunk 4",
            targets=("sip:192.0.2.4", "sip:t5.example", "sip:192.0.2.6")[: rng.randint(2, 3)],
            min_available_targets=rng.randint(1, 2),
        ),
        trunk(7, enabled=rng.random() < 0.8),
        trunk(8, keepalive=KeepalivePolicy(enabled=rng.random() < 0.8)),
    ]
    return config(*(each for each in trunks if rng.random() < 0.9))


async def troubled_hour(world: World, node: Node, rng: random.Random) -> None:
    """All that can happen to a node that stays alive, in an order that ``rng`` chooses."""
    for _ in range(rng.randint(5, 25)):
        await world.clock.advance(rng.expovariate(1 / 60))
        check_everything_is_probed(node)
        subject = rng.choice([*node.roster.records(), None])
        match rng.randrange(8):
            case 0 | 1:
                world.network.far_end(f"192.0.2.{rng.randint(1, 8)}").mode = rng.choice(MODES)
            case 2 if subject:
                node.roster.set_admin_enabled(subject, enabled=rng.random() < 0.6)
            case 3:
                world.store.away = rng.random() < 0.5
            case 4:
                world.receivers.failure = rng.choice((0.0, 0.3, 0.9))
            case 5:
                world.names.away = rng.random() < 0.5
            case 6:
                await node.apply(variants(rng))
            case _:
                share = rng.choice((0.0, 0.1, 0.3))
                world.network.weather = Weather(share, share, share)
        check_everything_is_probed(node)


def healthy_targets(world: World, record: TrunkRecord) -> int:
    """How many of a trunk's far ends answer well: the truth that the node should find."""
    hosts = [uri.removeprefix("sip:") for uri in record.trunk.targets]
    return sum(world.network.far_end(address_of(host)).mode == "up" for host in hosts)


def expected_state(world: World, record: TrunkRecord) -> TrunkState:
    trunk = record.trunk
    if not (trunk.enabled and record.admin_enabled):
        return TrunkState.DOWN
    if not trunk.keepalive.enabled:
        return TrunkState.UNKNOWN
    healthy = healthy_targets(world, record)
    if healthy < trunk.min_available_targets:
        return TrunkState.DOWN
    return TrunkState.AVAILABLE if healthy == len(trunk.targets) else TrunkState.DEGRADED


@pytest.mark.parametrize("seed", range(STORIES))
def test_whatever_happens_the_log_is_true(seed: int) -> None:
    async def story() -> None:
        world = World(seed)
        rng = world.rng
        for number in range(1, 9):
            world.network.far_end(f"192.0.2.{number}").mode = rng.choice(MODES)
        for _ in range(rng.randint(0, 3)):
            async with world.node(variants(rng), crash=rng.random() < 0.7) as node:
                await troubled_hour(world, node, rng)
            world.store.away = False
        async with world.node(variants(rng)) as node:
            await troubled_hour(world, node, rng)
            await settle(world, node)
            await check_state_is_last_event(world, node)
            for record in node.roster.records().values():
                assert record.state is expected_state(world, record), record.trunk
        await check_receivers(world)

    run_virtual(story)


@pytest.mark.parametrize("seed", range(STORIES // 4))
def test_every_verdict_rests_on_what_arrived(seed: int) -> None:
    async def story() -> None:
        world = World(1000 + seed)
        rng = world.rng
        setup = config(
            *(trunk(number) for number in range(1, 5)),
            Trunk(id="trunk-5", name="Trunk 5", targets=("sip:t5.example",)),
        )
        for _ in range(rng.randint(1, 3)):
            async with world.node(setup, crash=rng.random() < 0.5) as node:
                for _ in range(rng.randint(5, 25)):
                    await world.clock.advance(rng.expovariate(1 / 60))
                    world.network.far_end(f"192.0.2.{rng.randint(1, 5)}").mode = rng.choice(MODES)
                    share = rng.choice((0.0, 0.1, 0.3))
                    world.network.weather = Weather(share, share, share)
                await node.pipeline.recorder.flushed()
        await check_verdicts_are_justified(world, setup)

    run_virtual(story)
