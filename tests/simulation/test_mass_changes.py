"""Many trunks change at once, and the database takes them all in one go."""

from __future__ import annotations

from structlog.testing import capture_logs

from simulation.invariants import recorded_changes
from simulation.setups import config, trunk
from simulation.world import World
from trunkpulse.node import CHANGES_TOLD_EACH
from virtual_time import run_virtual


def test_changes_that_are_recorded_together_are_one_line_in_the_log_once_they_are_many() -> None:
    trunks = CHANGES_TOLD_EACH + 50

    async def story() -> None:
        world = World(30)
        for number in range(1, trunks + 1):
            world.network.far_end(f"192.0.2.{number}")
        async with world.node(config(*(trunk(number) for number in range(1, trunks + 1)))) as node:
            world.store.away = True
            with capture_logs() as logs:
                await world.clock.advance(60)
                world.store.away = False
                await node.pipeline.recorder.flushed()
        told = [entry for entry in logs if entry["event"].startswith("trunk")]
        alone = [entry for entry in told if entry["event"] == "trunk.changed"]
        together = [entry for entry in told if entry["event"] == "trunks.changed"]
        assert len(alone) < CHANGES_TOLD_EACH
        assert sum(entry["trunks"] for entry in together) + len(alone) == trunks
        assert all(entry["AVAILABLE"] == entry["trunks"] for entry in together)
        assert len(together) > 0
        await recorded_changes(world)

    run_virtual(story)
