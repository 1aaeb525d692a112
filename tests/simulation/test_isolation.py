"""The prober that suspects itself, in a world where everything may fall silent at once."""

from __future__ import annotations

from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from simulation.cuts import LOST, Cut, ms, settled, states
from simulation.invariants import recorded_changes
from trunkpulse.model import (
    IsolationPolicy,
    IsolationRule,
    ProberState,
    Reason,
    TrunkState,
)
from virtual_time import run_virtual


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("number", [2, 200])
def test_a_lost_link_is_noticed_and_nobody_is_condemned(seed: int, number: int) -> None:
    async def story() -> None:
        cut = Cut(seed, number)
        world = cut.world
        async with world.node(cut.config) as node:
            await settled(cut)
            before = await recorded_changes(world)
            cut.silence()
            cut.link.down = True
            cut_ms = ms(world)
            await world.clock.advance(10)
            (isolated,) = await states(cut)
            assert isolated.state is ProberState.ISOLATED
            assert isolated.evidence.rule is IsolationRule.LINK
            assert isolated.evidence.interfaces == ("lan",)
            assert isolated.at_ms - cut_ms <= 10_000
            (problem,) = node.problems()
            assert LOST in problem
            await world.clock.advance(290)
            assert len(await states(cut)) == 1
            cut.bring_up()
            cut.link.down = False
            back_ms = ms(world)
            await world.clock.advance(60)
            _, restored = await states(cut)
            assert restored.state is ProberState.CONNECTED
            assert restored.at_ms - back_ms <= 5_000
            assert restored.evidence.since_ms == isolated.at_ms
            assert node.problems() == []
            assert await recorded_changes(world) == before
            told = world.receivers.accepted["both"]
            assert [each.event_id for each in told[len(before) :]] == [
                isolated.event_id,
                restored.event_id,
            ]
            assert not any("prober" in each.body for each in world.receivers.accepted["noc"])

    run_virtual(story)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("number", "within_seconds"), [(2, 41.0), (200, 10.0)])
def test_silence_of_all_is_noticed_without_a_word_of_the_link(
    seed: int, number: int, within_seconds: float
) -> None:
    async def story() -> None:
        cut = Cut(seed, number)
        world = cut.world
        async with world.node(cut.config):
            await settled(cut)
            before = await recorded_changes(world)
            cut.silence()
            cut_ms = ms(world)
            await world.clock.advance(300)
            (isolated,) = await states(cut)
            assert isolated.evidence.rule is IsolationRule.PEERS
            assert isolated.at_ms - cut_ms <= within_seconds * 1000
            cut.bring_up()
            back_ms = ms(world)
            await world.clock.advance(60)
            _, restored = await states(cut)
            assert restored.at_ms - back_ms <= 5_000
            assert await recorded_changes(world) == before

    run_virtual(story)


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize(
    ("mode", "within_seconds", "reason"),
    [("silent", 46.0, Reason.KEEPALIVE_FAILURE), ("refused", 42.0, Reason.NETWORK_ERROR)],
)
def test_one_carrier_of_three_that_dies_is_down_in_time(
    seed: int, mode: str, within_seconds: float, reason: Reason
) -> None:
    async def story() -> None:
        cut = Cut(seed, 6, carriers=3)
        world = cut.world
        async with world.node(cut.config) as node:
            await settled(cut)
            cut.silence("carrier-1", mode=mode)
            await world.clock.advance(within_seconds)
            for each in cut.trunks:
                status = node.board.status(each.id)
                if each.carrier == "carrier-1":
                    assert (status.state, status.reason) == (TrunkState.DOWN, reason)
                else:
                    assert status.state is TrunkState.AVAILABLE
            assert await states(cut) == []

    run_virtual(story)


def test_the_carrier_that_nearly_all_trunks_are_with_is_believed_to_be_dead() -> None:
    async def story() -> None:
        cut = Cut(1, 120, carriers=2)
        cut.trunks[1:] = [replace(each, carrier="large") for each in cut.trunks[1:]]
        world = cut.world
        async with world.node(cut.config) as node:
            await settled(cut)
            cut.silence("large")
            await world.clock.advance(46)
            down = [node.board.status(each.id).state is TrunkState.DOWN for each in cut.trunks]
            assert down == [False] + [True] * 119
            assert await states(cut) == []

    run_virtual(story)


def test_two_carriers_of_two_that_really_die_are_held_and_then_decided() -> None:
    async def story() -> None:
        cut = Cut(2, 4, carriers=2)
        world = cut.world
        setup = replace(cut.config, isolation=IsolationPolicy(hold_seconds=300))
        async with world.node(setup) as node:
            await settled(cut)
            cut.silence()
            await world.clock.advance(290)
            assert {node.board.status(each.id).state for each in cut.trunks} == {
                TrunkState.AVAILABLE
            }
            await world.clock.advance(100)
            assert {node.board.status(each.id).state for each in cut.trunks} == {TrunkState.DOWN}
            isolated, restored = await states(cut)
            assert restored.evidence.hold_expired
            assert restored.at_ms - isolated.at_ms == pytest.approx(300_000, abs=1000)

    run_virtual(story)


@pytest.mark.parametrize("seed", range(5))
def test_a_single_carrier_has_only_the_link_to_speak_for_it(seed: int) -> None:
    async def story() -> None:
        cut = Cut(seed, 4, carriers=1)
        world = cut.world
        async with world.node(cut.config) as node:
            await settled(cut)
            cut.silence()
            await world.clock.advance(46)
            assert {node.board.status(each.id).state for each in cut.trunks} == {TrunkState.DOWN}
            assert await states(cut) == []

    run_virtual(story)


def test_switched_off_it_holds_nothing_and_can_be_switched_off_in_the_middle() -> None:
    async def story() -> None:
        cut = Cut(3, 4)
        world = cut.world
        off = replace(cut.config, isolation=IsolationPolicy(enabled=False))
        async with world.node(cut.config) as node:
            await settled(cut)
            cut.silence()
            cut.link.down = True
            await world.clock.advance(60)
            assert len(await states(cut)) == 1
            await node.apply(off)
            await world.clock.advance(60)
            assert {node.board.status(each.id).state for each in cut.trunks} == {TrunkState.DOWN}
            assert [each.state for each in await states(cut)] == [
                ProberState.ISOLATED,
                ProberState.CONNECTED,
            ]

    run_virtual(story)


@pytest.mark.parametrize("crash", [False, True])
def test_a_restart_while_isolated_goes_on_where_it_stopped(*, crash: bool) -> None:
    async def story() -> None:
        cut = Cut(4, 4)
        world = cut.world
        async with world.node(cut.config, crash=crash):
            await settled(cut)
            before = await recorded_changes(world)
            cut.silence()
            cut.link.down = True
            await world.clock.advance(30)
        (isolated,) = await states(cut)
        with capture_logs() as lines:
            async with world.node(cut.config) as node:
                assert node.isolation.isolated
                assert node.isolation.evidence is not None
                assert node.isolation.evidence.since_ms == isolated.at_ms
                assert node.isolation.evidence.rule is IsolationRule.LINK
                await world.clock.advance(100)
                assert len(await states(cut)) == 1
                cut.bring_up()
                cut.link.down = False
                await world.clock.advance(30)
        _, restored = await states(cut)
        assert [isolated.sequence, restored.sequence] == [1, 2]
        assert restored.evidence.since_ms == isolated.at_ms
        assert restored.evidence.rule is IsolationRule.LINK
        told = [
            (each["event"], each["log_level"])
            for each in lines
            if each["event"].startswith("prober.")
        ]
        assert told == [("prober.isolated", "warning"), ("prober.restored", "info")]
        assert await recorded_changes(world) == before

    run_virtual(story)


def test_a_process_that_is_restarted_again_and_again_does_not_hold_for_ever() -> None:
    async def story() -> None:
        cut = Cut(4, 4)
        world = cut.world
        setup = replace(cut.config, isolation=IsolationPolicy(hold_seconds=300))
        async with world.node(setup):
            await settled(cut)
            cut.silence()
            await world.clock.advance(100)
        for _ in range(2):
            async with world.node(setup, crash=True):
                await world.clock.advance(100)
        async with world.node(setup) as node:
            await world.clock.advance(61 + 46)
            assert {node.board.status(each.id).state for each in cut.trunks} == {TrunkState.DOWN}
        isolated, restored = await states(cut)
        assert restored.evidence.hold_expired
        assert restored.evidence.rule is IsolationRule.PEERS
        assert restored.evidence.since_ms == isolated.at_ms

    run_virtual(story)


def test_a_verdict_on_the_first_failure_waits_until_others_were_asked() -> None:
    async def story() -> None:
        cut = Cut(5, 3)
        impatient = replace(cut.trunks[0].keepalive, max_failed_attempts=1)
        cut.trunks = [replace(each, keepalive=impatient) for each in cut.trunks]
        world = cut.world
        async with world.node(cut.config) as node:
            await settled(cut)
            cut.silence()
            await world.clock.advance(120)
            assert [each.state for each in await states(cut)] == [ProberState.ISOLATED]
            cut.bring_up()
            await world.clock.advance(60)
            assert len(await states(cut)) == 2
            world.network.far_end("192.0.2.1").mode = "silent"
            await world.clock.advance(31.5 + 4 + 1)
            assert node.board.status("trunk-1").state is TrunkState.DOWN
            assert node.board.status("trunk-2").state is TrunkState.AVAILABLE
            assert len(await states(cut)) == 2

    run_virtual(story)


def test_what_was_seen_while_isolated_is_remembered_and_not_counted() -> None:
    async def story() -> None:
        cut = Cut(6, 2)
        world = cut.world
        async with world.node(cut.config) as node:
            await settled(cut)
            cut.silence()
            cut.link.down = True
            await world.clock.advance(120)
            for record in node.roster.records().values():
                (target,) = record.targets
                assert target.failures == 0
                assert target.attempts is not None
                assert target.attempts[-1].detail is not None
                assert "not counted: the prober was isolated" in target.attempts[-1].detail

    run_virtual(story)


@pytest.mark.parametrize("seed", range(3))
def test_failures_that_are_taken_back_are_marked_like_those_that_never_counted(
    seed: int,
) -> None:
    async def story() -> None:
        cut = Cut(seed, 4)
        world = cut.world
        async with world.node(cut.config) as node:
            await settled(cut)
            cut.set_mode(cut.trunks[0], "503")
            (target,) = node.roster.record("trunk-1").targets
            while target.failures < 2:
                await world.clock.advance(0.1)
            cut.silence()
            cut.link.down = True
            await world.clock.advance(60)
            for each in cut.trunks:
                (target,) = node.roster.record(each.id).targets
                failed = [run.detail or "" for run in target.attempts if not run.success]
                assert failed
                assert all("(not counted: the prober was isolated)" in each for each in failed)
            told = [run.detail for run in node.roster.record("trunk-1").targets[0].attempts]
            assert told[-2] == "answered 503 (not counted: the prober was isolated)"

    run_virtual(story)


def test_silent_name_servers_hold_names_that_are_not_known_yet() -> None:
    async def story() -> None:
        cut = Cut(7, 1)
        cut.trunks = [replace(cut.trunks[0], targets=("sip:t1.example",))]
        world = cut.world
        world.network.far_end("192.0.2.1")
        world.names.away = True
        cut.link.silent_name_servers = True
        async with world.node(cut.config) as node:
            await world.clock.advance(120)
            (isolated,) = await states(cut)
            assert isolated.evidence.rule is IsolationRule.RESOLVER
            assert node.board.status("trunk-1").state is TrunkState.UNKNOWN
            world.names.away = False
            cut.link.silent_name_servers = False
            await world.clock.advance(60)
            assert node.board.status("trunk-1").state is TrunkState.AVAILABLE
            assert len(await states(cut)) == 2

    run_virtual(story)


def test_a_name_that_is_wrong_is_no_isolation() -> None:
    async def story() -> None:
        cut = Cut(8, 1)
        cut.trunks = [replace(cut.trunks[0], targets=("sip:t1.example",))]
        world = cut.world
        world.names.away = True
        async with world.node(cut.config) as node:
            await world.clock.advance(60)
            assert node.board.status("trunk-1").reason is Reason.NETWORK_ERROR
            assert await states(cut) == []

    run_virtual(story)
