"""How probes leave when many trunks come at once, and under caps."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import replace

from simulation.setups import config
from simulation.world import World
from trunkpulse.config.settings import Config, PacingSettings
from trunkpulse.model import KeepalivePolicy, Trunk
from trunkpulse.roster import Applied
from virtual_time import run_virtual

MANY = 600
POLICY = KeepalivePolicy()
INTERVAL = POLICY.interval_seconds
EVENLY = MANY / INTERVAL
"""Probes a second of so many trunks if none ever left as one burst."""


def many(world: World, policy: KeepalivePolicy = POLICY, count: int = MANY) -> list[Trunk]:
    """Trunks of healthy far ends; every tenth is of the carrier "acme"."""
    trunks = []
    for number in range(count):
        host = f"198.18.{number // 250}.{number % 250 + 1}"
        world.network.far_end(host)
        carrier = "acme" if number % 10 == 0 else None
        trunks.append(
            Trunk(
                id=f"trunk-{number}",
                name="T",
                targets=(f"sip:{host}",),
                carrier=carrier,
                keepalive=policy,
            )
        )
    return trunks


def silent(*trunks: Trunk) -> Config:
    """A configuration that tells nobody."""
    return replace(config(*trunks), event_streams=())


def busiest_second(world: World, since: float, until: float) -> int:
    """Most datagrams that left in one second of this time."""
    moments = [moment for moment in world.network.departures if since <= moment < until]
    return max(Counter(int(moment) for moment in moments).values())


def test_first_probes_of_many_trunks_are_spread_over_an_interval() -> None:
    async def story() -> None:
        world = World(40)
        start = world.clock.monotonic()
        async with world.node(silent(*many(world))) as node:
            await world.clock.advance(INTERVAL)
            assert len(node.roster.prober) == MANY
        # The second attempt follows the first after the confirm interval.
        assert busiest_second(world, start, start + INTERVAL) <= 3 * EVENLY

    run_virtual(story)


def test_after_a_restart_probes_are_spread_too() -> None:
    async def story() -> None:
        world = World(41)
        setup = silent(*many(world))
        async with world.node(setup, crash=True):
            await world.clock.advance(5 * INTERVAL)
        start = world.clock.monotonic()
        async with world.node(setup):
            await world.clock.advance(2 * INTERVAL)
        assert busiest_second(world, start, start + 2 * INTERVAL) <= 3 * EVENLY

    run_virtual(story)


def test_many_trunks_that_are_added_do_not_come_as_one_burst_ever() -> None:
    async def story() -> None:
        world = World(42)
        first, *others = many(world)
        async with world.node(silent(first)) as node:
            await world.clock.advance(INTERVAL)
            start = world.clock.monotonic()
            await node.apply(silent(first, *others))
            await world.clock.advance(6 * INTERVAL)
        assert busiest_second(world, start, start + 6 * INTERVAL) <= 3 * EVENLY

    run_virtual(story)


def test_many_trunks_that_are_enabled_at_once_are_spread() -> None:
    async def story() -> None:
        world = World(43)
        trunks = many(world)
        resting = [replace(trunk, enabled=False) for trunk in trunks]
        async with world.node(silent(*resting)) as node:
            await world.clock.advance(INTERVAL)
            assert not world.network.departures
            start = world.clock.monotonic()
            await node.apply(silent(*trunks))
            await world.clock.advance(INTERVAL)
        assert len(world.network.departures) >= MANY
        assert busiest_second(world, start, start + INTERVAL) <= 3 * EVENLY

    run_virtual(story)


def test_a_shorter_interval_for_many_trunks_makes_no_burst() -> None:
    async def story() -> None:
        world = World(44)
        slow = replace(POLICY, interval_seconds=300.0)
        async with world.node(silent(*many(world, slow))) as node:
            await world.clock.advance(1000)
            start = world.clock.monotonic()
            await node.apply(silent(*many(world)))
            await world.clock.advance(3 * INTERVAL)
        assert busiest_second(world, start, start + 3 * INTERVAL) <= 3 * EVENLY

    run_virtual(story)


def test_the_minimum_interval_is_kept_while_confirming_and_while_down() -> None:
    async def story() -> None:
        world = World(45)
        policy = replace(  # as a profile with this limit makes it
            POLICY,
            minimum_interval_seconds=20.0,
            confirm_interval_seconds=20.0,
            down_interval_seconds=20.0,
            timeout_seconds=0.4,  # so that nothing is sent twice within an attempt
            jitter=0.0,
        )
        world.network.far_end("198.18.0.1").mode = "503"
        async with world.node(silent(*many(world, policy, count=1))) as node:
            for _ in range(100):
                await world.clock.advance(4)
                node.roster.probe_now("trunk-0")
        moments = world.network.departures
        assert len(moments) >= 15
        assert min(later - earlier for earlier, later in itertools.pairwise(moments)) >= 20.0

    run_virtual(story)


def capped(trunks: list[Trunk], total: float | None, **carriers: float) -> Config:
    pacing = PacingSettings(probes_per_second=total, carriers=tuple(carriers.items()))
    return replace(silent(*trunks), pacing=pacing)


def test_targets_get_the_pace_of_their_carrier_and_a_reload_gives_them_another() -> None:
    async def story() -> None:
        world = World(46)
        trunks = many(world, count=20)
        async with world.node(silent(*trunks)) as node:

            def paced() -> set[str]:
                return {
                    trunk_id
                    for trunk_id, record in node.roster.records().items()
                    if record.targets[0].settings.pace is not None
                }

            seen = [paced()]
            for changed in (
                capped(trunks, None, acme=5.0),
                capped(trunks, 100.0, acme=5.0),
                silent(*trunks),
            ):
                assert await node.apply(changed) == Applied()  # not one trunk is another
                seen.append(paced())
        assert seen[0] == seen[3] == set()
        assert seen[1] == {"trunk-0", "trunk-10"}
        assert len(seen[2]) == 20

    run_virtual(story)
