"""What a target remembers, judged again by the settings in force, is what really happened."""

from __future__ import annotations

import random

import pytest

from simulation.setups import config, trunk
from simulation.world import World
from trunkpulse.adapters.http.api.replays import observed_of
from trunkpulse.events.envelope import decode
from trunkpulse.health.recorded_past import with_past
from trunkpulse.health.replay import Replaying, replay, roll_up_changes
from trunkpulse.model import StateChange, TargetState
from virtual_time import run_virtual

MODES = ("up", "silent", "503", "up", "refused", "404")


async def story(seed: int) -> None:
    rng, world = random.Random(seed), World(seed)
    async with world.node(config(trunk(1))) as node:
        far = world.network.far_end("192.0.2.1")
        for _ in range(rng.randint(2, 7)):
            far.mode = rng.choice(MODES)
            await world.clock.advance(rng.expovariate(1 / 60))
        await world.clock.advance(1)
        await node.pipeline.recorder.flushed()
        record = node.roster.record("trunk-1")
        [target] = record.targets
        events = await world.store.latest(limit=100, trunk_id="trunk-1")
        happened: list[StateChange] = [decode(event.body) for event in events][::-1]
        policy = record.trunk.keepalive
        remembered = [observed_of(run) for run in target.runs()]
        for changes in ((), happened):  # what is recorded says nothing that is remembered better
            found = with_past(
                remembered,
                changes,
                target.uri,
                str(target.place),
                policy=policy,
                otherwise=TargetState.UNKNOWN,
            )
            replayed, state = replay(found.runs, found.began, Replaying.of(policy, policy, ()))
            _, ours = roll_up_changes([(found.began, replayed)], min_available=1)
            assert state is target.state
            assert [each.state for each in ours] == [each.state for each in happened]
            for one, event in zip(ours, happened, strict=True):
                # An attempt that is refused ends at once, one that is silent after four seconds.
                assert one.at - event.at_ms / 1000 == pytest.approx(0.0, abs=5.0)


@pytest.mark.parametrize("seed", range(12))
def test_a_replay_by_the_settings_in_force_is_what_really_happened(seed: int) -> None:
    run_virtual(lambda: story(seed))
