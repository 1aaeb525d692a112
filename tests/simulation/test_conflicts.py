"""Somebody else wrote to the same database: what they wrote is the past."""

from dataclasses import replace

from simulation.invariants import recorded_changes
from simulation.setups import config, stream, trunk
from simulation.world import World
from trunkpulse.events.envelope import decode
from trunkpulse.model import Reason, TrunkState
from trunkpulse.ports import HealthCommit
from virtual_time import run_virtual


async def interfere(world: World) -> None:
    """Another process records a change of trunk-1 that this node knows nothing of."""
    stored = (await world.store.load())["trunk-1"]
    taken = stored._replace(sequence=stored.sequence + 1)
    (event,) = await world.store.latest(limit=1, trunk_id="trunk-1")
    change = replace(decode(event.body), event_id="not ours", sequence=taken.sequence)
    assert await world.store.commit([HealthCommit(health=taken, change=change)]) == frozenset()


def test_a_refused_save_without_a_change_does_not_stop_the_recorder() -> None:
    async def story() -> None:
        world = World(20)
        far = world.network.far_end("192.0.2.1")
        async with world.node(config(trunk(1))) as node:
            await world.clock.advance(100)
            await interfere(world)
            await world.clock.advance(100)  # the moments of good answers are saved meanwhile
            far.mode = "refused"
            await world.clock.advance(60)
            assert node.board.status("trunk-1").reason is Reason.NETWORK_ERROR
        (last,) = await world.store.latest(limit=1, trunk_id="trunk-1")
        assert '"state":"DOWN"' in last.body
        assert '"sequence":3' in last.body

    run_virtual(story)


def test_a_refused_change_is_decided_anew_on_what_is_recorded() -> None:
    async def story() -> None:
        world = World(21)
        far = world.network.far_end("192.0.2.1")
        async with world.node(config(trunk(1))) as node:
            await world.clock.advance(100)
            far.mode = "refused"
            await interfere(world)
            await world.clock.advance(60)
            assert node.board.status("trunk-1").state is TrunkState.DOWN
            await node.pipeline.recorder.flushed()
        stored = (await world.store.load())["trunk-1"]
        assert (stored.state, stored.sequence) == (TrunkState.DOWN, 3)

    run_virtual(story)


def test_a_removed_stream_is_told_nothing_more_and_owed_nothing() -> None:
    async def story() -> None:
        world = World(22)
        far = world.network.far_end("192.0.2.1")
        setup = config(trunk(1))
        async with world.node(setup) as node:
            await world.clock.advance(100)
            far.mode = "refused"
            await world.clock.advance(60)
            assert ("noc", "trunk-1") in await world.store.load_owed()
            await node.apply(replace(setup, event_streams=(stream("audit"),)))
            assert await world.store.load_owed() == {("audit", "trunk-1")}
            told = len(world.receivers.accepted["noc"])
            far.mode = "up"
            await world.clock.advance(100)
            assert len(world.receivers.accepted["noc"]) == told
        await recorded_changes(world)

    run_virtual(story)
