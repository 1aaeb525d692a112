"""Who counts as one carrier, and carriers that really die: outages that only look like a cut."""

from __future__ import annotations

from dataclasses import replace

import pytest

from simulation.cuts import Cut, settled, states
from simulation.setups import trunk
from trunkpulse.model import TrunkState
from virtual_time import run_virtual


@pytest.mark.parametrize("seed", range(3))
def test_a_single_trunk_with_several_targets_is_one_carrier(seed: int) -> None:
    async def story() -> None:
        cut = Cut(seed, 0)
        one = replace(trunk(1), targets=("sip:192.0.2.1", "sip:192.0.2.2"))
        other = replace(trunk(2), targets=("sip:192.0.2.2", "sip:192.0.2.1"))
        cut.trunks = [one, other]
        world = cut.world
        async with world.node(cut.config) as node:
            await settled(cut)
            cut.silence()
            await world.clock.advance(46)
            assert {node.board.status(each.id).state for each in cut.trunks} == {TrunkState.DOWN}
            assert await states(cut) == []

    run_virtual(story)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("others", [0, 1])
def test_trunks_that_lead_to_one_host_are_one_carrier_whatever_they_are_labelled(
    seed: int, others: int
) -> None:
    async def story() -> None:
        cut = Cut(seed, 0)
        labels = [*(f"tenant-{number}" for number in range(20)), None]
        cut.trunks = [
            replace(trunk(at + 1, carrier=label), targets=("sip:192.0.2.1",))
            for at, label in enumerate(labels)
        ]
        behind = len(cut.trunks)
        cut.trunks += [replace(trunk(100 + at), targets=("sip:192.0.2.2",)) for at in range(others)]
        world = cut.world
        async with world.node(cut.config) as node:
            await settled(cut)
            for each in cut.trunks[:behind]:
                cut.set_mode(each, "silent")
            await world.clock.advance(46)
            found = [node.board.status(each.id).state for each in cut.trunks]
            assert found == [TrunkState.DOWN] * behind + [TrunkState.AVAILABLE] * others
            assert await states(cut) == []

    run_virtual(story)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("how", ["disabled", "503", "down"])
def test_one_carrier_is_believed_to_be_dead_while_the_other_is_out_of_service(
    seed: int, how: str
) -> None:
    async def story() -> None:
        cut = Cut(seed, 6, carriers=2)
        world = cut.world
        async with world.node(cut.config) as node:
            await settled(cut)
            if how == "disabled":
                for each in cut.trunks:
                    if each.carrier == "carrier-1":
                        node.roster.set_admin_enabled(each.id, enabled=False)
            else:
                cut.silence("carrier-1", mode="silent" if how == "down" else how)
            await world.clock.advance(100)
            cut.silence("carrier-0")
            await world.clock.advance(46)
            assert {node.board.status(each.id).state for each in cut.trunks} == {TrunkState.DOWN}
            assert await states(cut) == []

    run_virtual(story)
