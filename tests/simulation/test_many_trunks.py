"""Twenty thousand trunks more at once: the others are probed on, and only those are touched."""

from __future__ import annotations

import asyncio

from simulation.setups import config, trunk
from simulation.world import World
from trunkpulse.model import Trunk
from trunkpulse.progress import Step
from trunkpulse.roster import TRUNKS_PER_TURN
from virtual_time import run_virtual

MANY = 20_000


def many(count: int) -> list[Trunk]:
    return [
        Trunk(
            id=f"many-{number}",
            name=f"Many {number}",
            targets=(f"sip:198.18.{number // 250}.{1 + number % 250}:5060",),
        )
        for number in range(count)
    ]


class Turns:
    """Counts how often the event loop gets round."""

    def __init__(self) -> None:
        self.count = 0
        self._loop = asyncio.get_running_loop()
        self._handle = self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        self.count += 1
        self._handle = self._loop.call_soon(self._turn)

    def stop(self) -> None:
        self._handle.cancel()


def test_the_loop_gets_its_turn_while_many_trunks_are_added_and_taken_away() -> None:
    async def story() -> None:
        world = World(40)
        world.network.far_end("192.0.2.1")
        old, added = trunk(1), many(MANY)
        async with world.node(config(old)) as node:
            await world.clock.advance(100)
            record = node.roster.record("trunk-1")
            target = record.targets[0]
            planned = node.roster.prober.next_attempt(target)
            told: list[tuple[Step, int, int]] = []
            turns = Turns()
            applied = await node.apply(
                config(old, *added), progress=lambda *said: told.append(said)
            )
            assert turns.count > MANY / TRUNKS_PER_TURN
            assert (len(applied.added), applied.changed, applied.removed) == (MANY, (), ())
            assert told[-1] == (Step.STARTING, MANY + 1, MANY + 1)
            assert node.roster.record("trunk-1") is record
            assert record.targets[0] is target
            assert node.roster.prober.next_attempt(target) == planned
            turns.count = 0
            applied = await node.apply(config(old))
            turns.stop()
            assert turns.count >= MANY / TRUNKS_PER_TURN
            assert len(applied.removed) == MANY
            assert node.roster.prober.next_attempt(target) == planned
            assert [*node.roster.records()] == ["trunk-1"]
            assert len(node.roster.prober) == 1

    run_virtual(story)


def test_every_new_trunk_has_its_first_probe_planned_within_an_interval() -> None:
    async def story() -> None:
        world = World(41)
        async with world.node(config(*many(MANY))) as node:
            prober, now = node.roster.prober, world.clock.monotonic()
            moments = [
                prober.next_attempt(record.targets[0]) for record in node.roster.records().values()
            ]
            waits = [moment - now for moment in moments if moment is not None]
            assert len(waits) == MANY
            assert max(waits) <= 31.0
            for third in (10.0, 20.0, 30.0):
                share = sum(third - 10.0 < wait <= third for wait in waits) / MANY
                assert 0.3 < share < 0.37

    run_virtual(story)


def test_a_trunk_that_is_disabled_while_others_are_added_is_not_probed() -> None:
    async def story() -> None:
        world = World(42)
        async with world.node(config(trunk(1))) as node:

            def disable(_step: Step, done: int, _total: int) -> None:
                if done <= TRUNKS_PER_TURN:
                    node.roster.set_admin_enabled("many-0", enabled=False)

            await node.apply(config(*many(MANY)), progress=disable)
            record = node.roster.record("many-0")
            assert node.roster.prober.next_attempt(record.targets[0]) is None
            record = node.roster.record("many-1")
            assert node.roster.prober.next_attempt(record.targets[0]) is not None

    run_virtual(story)
