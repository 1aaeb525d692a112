"""Links that are cut at the worst moment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from simulation.cuts import Cut, ms, settled, states
from simulation.invariants import check_everything_is_probed, recorded_changes
from simulation.setups import trunk
from trunkpulse.model import IsolationRule, KeepalivePolicy, ProberState, TrunkState
from trunkpulse.ports import StoreUnavailable
from virtual_time import run_virtual


@pytest.mark.parametrize("seed", range(3))
def test_a_run_of_failures_before_the_cut_condemns_nobody_after_it(seed: int) -> None:
    async def story() -> None:
        cut = Cut(seed, 40)
        world = cut.world
        async with world.node(cut.config) as node:
            await settled(cut)
            before = await recorded_changes(world)
            for each in cut.trunks[:10]:
                cut.set_mode(each, "silent")
            targets = [node.roster.record(each.id).targets[0] for each in cut.trunks[:10]]
            while not any(target.failures == 2 for target in targets):
                await world.clock.advance(0.1)
            cut.silence()
            await world.clock.advance(60)
            (isolated,) = await states(cut)
            assert isolated.evidence.rule is IsolationRule.PEERS
            assert await recorded_changes(world) == before

    run_virtual(story)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("number", [3, 150])
def test_impatient_settings_condemn_nobody_in_a_cut(seed: int, number: int) -> None:
    async def story() -> None:
        cut = Cut(seed, number)
        hasty = KeepalivePolicy(
            interval_seconds=5,
            timeout_seconds=0.5,
            max_failed_attempts=1,
            confirm_interval_seconds=1,
        )
        cut.trunks = [replace(each, keepalive=hasty) for each in cut.trunks]
        world = cut.world
        async with world.node(cut.config):
            await settled(cut)
            before = await recorded_changes(world)
            cut.silence()
            await world.clock.advance(60)
            assert [each.state for each in await states(cut)] == [ProberState.ISOLATED]
            cut.bring_up()
            await world.clock.advance(60)
            assert [each.sequence for each in await states(cut)] == [1, 2]
            assert await recorded_changes(world) == before

    run_virtual(story)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("number", "failures"), [(2, 1), (2, 2), (3, 3), (20, 3)])
def test_patient_settings_condemn_nobody_in_a_cut(seed: int, number: int, failures: int) -> None:
    async def story() -> None:
        cut = Cut(seed, number)
        patient = KeepalivePolicy(
            interval_seconds=60,
            timeout_seconds=32,
            confirm_interval_seconds=40,
            max_failed_attempts=failures,
        )
        cut.trunks = [replace(each, keepalive=patient) for each in cut.trunks]
        world = cut.world
        async with world.node(cut.config) as node:
            await settled(cut)
            for each in cut.trunks:  # as far from one another as can be
                node.roster.probe_now(each.id)
                await world.clock.advance(60 / number)
            before = await recorded_changes(world)
            cut.silence()
            await world.clock.advance(300)
            assert [each.state for each in await states(cut)] == [ProberState.ISOLATED]
            assert await recorded_changes(world) == before

    run_virtual(story)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("number", [2, 3])
def test_carriers_that_may_not_be_asked_often_condemn_nobody_in_a_cut(
    seed: int, number: int
) -> None:
    async def story() -> None:
        cut = Cut(seed, number)
        shy = KeepalivePolicy(
            interval_seconds=60, confirm_interval_seconds=60, minimum_interval_seconds=60
        )
        cut.trunks = [replace(each, keepalive=shy) for each in cut.trunks]
        world = cut.world
        async with world.node(cut.config) as node:
            await settled(cut)
            for each in cut.trunks:  # as far from one another as can be
                node.roster.probe_now(each.id)
                await world.clock.advance(70)
                await world.clock.advance(60 / number)
            before = await recorded_changes(world)
            cut.silence()
            await world.clock.advance(300)
            assert [each.state for each in await states(cut)] == [ProberState.ISOLATED]
            cut.bring_up()
            await world.clock.advance(130)
            assert [each.sequence for each in await states(cut)] == [1, 2]
            assert await recorded_changes(world) == before

    run_virtual(story)


@pytest.mark.parametrize("seed", range(2))
def test_the_restoration_does_not_wait_for_those_who_were_not_asked(seed: int) -> None:
    async def story() -> None:
        cut = Cut(seed, 250)
        busy = KeepalivePolicy(interval_seconds=10)
        cut.trunks = [replace(each, keepalive=busy) for each in cut.trunks]
        world = cut.world
        async with world.node(cut.config):
            await settled(cut)
            before = await recorded_changes(world)
            cut.silence()
            await world.clock.advance(60)
            cut.bring_up()
            back_ms = ms(world)
            await world.clock.advance(60)
            _, restored = await states(cut)
            assert restored.at_ms - back_ms <= 5_000
            assert await recorded_changes(world) == before

    run_virtual(story)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("down", "up"), [(3.0, 60.0), (4.0, 4.0), (8.0, 8.0), (1.0, 7.0)])
def test_a_link_that_comes_and_goes_condemns_nobody(seed: int, down: float, up: float) -> None:
    async def story() -> None:
        cut = Cut(seed, 30)
        world = cut.world
        async with world.node(cut.config) as node:
            await settled(cut)
            before = await recorded_changes(world)
            for _ in range(15):
                cut.silence()
                cut.link.down = True
                await world.clock.advance(down)
                cut.bring_up()
                cut.link.down = False
                await world.clock.advance(up)
            await world.clock.advance(60)
            assert not node.isolation.isolated
            assert len(await states(cut)) % 2 == 0
            assert await recorded_changes(world) == before

    run_virtual(story)


@pytest.mark.parametrize("seed", range(5))
def test_a_neighbour_that_goes_on_answering_ends_no_isolation(seed: int) -> None:
    async def story() -> None:
        cut = Cut(seed, 20)
        world = cut.world
        async with world.node(cut.config) as node:
            await settled(cut)
            before = await recorded_changes(world)
            cut.silence()
            cut.set_mode(cut.trunks[0], "up")
            cut.link.down = True
            await world.clock.advance(600)
            assert [each.state for each in await states(cut)] == [ProberState.ISOLATED]
            cut.bring_up()
            cut.link.down = False
            await world.clock.advance(5)
            assert not node.isolation.isolated
            assert [each.sequence for each in await states(cut)] == [1, 2]
            await world.clock.advance(60)
            assert await recorded_changes(world) == before

    run_virtual(story)


@pytest.mark.parametrize("number", [1, 2, 30])
def test_a_link_that_is_down_at_the_start_condemns_nobody(number: int) -> None:
    async def story() -> None:
        cut = Cut(1, number)
        world = cut.world
        cut.silence()
        cut.link.down = True
        async with world.node(cut.config) as node:
            await world.clock.advance(120)
            assert [each.evidence.rule for each in await states(cut)] == [IsolationRule.LINK]
            cut.bring_up()
            cut.link.down = False
            await world.clock.advance(60)
            assert {node.board.status(each.id).state for each in cut.trunks} == {
                TrunkState.AVAILABLE
            }
            assert len(await states(cut)) == 2
            changes = await recorded_changes(world)
            assert {len(each) for each in changes.values()} == {1}

    run_virtual(story)


@pytest.mark.parametrize("step", [-3600.0, 3600.0])
@pytest.mark.parametrize("link", [False, True])
def test_a_wall_clock_that_is_set_meanwhile_does_not_hold_anything(
    step: float, *, link: bool
) -> None:
    async def story() -> None:
        cut = Cut(1, 5)
        world = cut.world
        async with world.node(cut.config):
            await settled(cut)
            cut.silence()
            cut.link.down = link
            await world.clock.advance(60)
            cut.bring_up()
            cut.link.down = False
            world.clock.step_wall(step)
            await world.clock.advance(5)
            assert [each.sequence for each in await states(cut)] == [1, 2]

    run_virtual(story)


@pytest.mark.parametrize("by", ["administrator", "keepalive", "removal"])
def test_a_trunk_that_is_taken_out_of_service_while_isolated_is_not_asked_any_more(
    by: str,
) -> None:
    async def story() -> None:
        cut = Cut(2, 4)
        world = cut.world
        async with world.node(cut.config) as node:
            await settled(cut)
            cut.silence()
            cut.link.down = True
            await world.clock.advance(20)
            if by == "administrator":
                node.roster.set_admin_enabled("trunk-1", enabled=False)
            else:
                off = replace(cut.trunks[0], keepalive=KeepalivePolicy(enabled=False))
                first = [off] if by == "keepalive" else []
                setup = replace(cut.config, trunks=(*first, *cut.trunks[1:]))
                await node.apply(setup)
            cut.bring_up()
            far_end = world.network.far_end("192.0.2.1")
            requests = far_end.requests
            await world.clock.advance(1)
            cut.link.down = False
            await world.clock.advance(100)
            assert far_end.requests == requests
            check_everything_is_probed(node)
            assert [each.sequence for each in await states(cut)] == [1, 2]

    run_virtual(story)


def test_what_an_administrator_does_while_isolated_makes_no_trunk_fail() -> None:
    async def story() -> None:
        cut = Cut(3, 4)
        world = cut.world
        async with world.node(cut.config) as node:
            await settled(cut)
            cut.silence()
            cut.link.down = True
            await world.clock.advance(20)
            node.roster.set_admin_enabled("trunk-1", enabled=False)
            await world.clock.advance(10)
            node.roster.set_admin_enabled("trunk-1", enabled=True)
            for _ in range(10):
                await world.clock.advance(5)
                node.roster.probe_now("trunk-1")
                node.roster.probe_now("trunk-2")
            assert node.board.status("trunk-1").state is TrunkState.UNKNOWN
            assert node.board.status("trunk-2").state is TrunkState.AVAILABLE
            await node.apply(replace(cut.config, trunks=(*cut.trunks, trunk(9))))
            await world.clock.advance(60)
            assert node.board.status("trunk-9").state is TrunkState.UNKNOWN
            cut.bring_up()
            cut.link.down = False
            await world.clock.advance(60)
            assert {node.board.status(each.id).state for each in cut.trunks} == {
                TrunkState.AVAILABLE
            }
            assert [each.sequence for each in await states(cut)] == [1, 2]

    run_virtual(story)


def test_a_cut_while_the_database_is_away_is_told_when_it_is_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def story() -> None:
        cut = Cut(4, 4)
        world = cut.world
        record = world.store.record_prober

        async def refuse(event: object, tell: Sequence[str]) -> bool:
            raise StoreUnavailable("the database does not answer")

        async with world.node(cut.config):
            await settled(cut)
            before = await recorded_changes(world)
            world.store.away = True
            monkeypatch.setattr(world.store, "record_prober", refuse)
            for _ in range(30):
                cut.silence()
                cut.link.down = True
                await world.clock.advance(20)
                cut.bring_up()
                cut.link.down = False
                await world.clock.advance(30)
            cut.silence()
            cut.link.down = True
            await world.clock.advance(20)
            assert await states(cut) == []
            world.store.away = False
            monkeypatch.setattr(world.store, "record_prober", record)
            await world.clock.advance(30)
            told = await states(cut)
            assert told[-1].state is ProberState.ISOLATED
            assert len(told) == 15
            assert await recorded_changes(world) == before

    run_virtual(story)


def test_what_is_heard_late_when_the_link_is_back_is_no_answered_attempt() -> None:
    async def story() -> None:
        cut = Cut(1, 40)
        world = cut.world
        async with world.node(cut.config) as node:
            await settled(cut)
            cut.silence()
            await world.clock.advance(60)
            cut.bring_up()
            # Each attempt of the cut was repeated, and all of that is answered now.
            node.roster.prober.counts.late_answers += 2_000
            await world.clock.advance(30)
            _, restored = await states(cut)
            assert 0 < restored.evidence.answered_attempts < 100

    run_virtual(story)
