"""Live calls beside probes, in a whole node: they count, they pause keepalives, they cast doubt."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from simulation.live import (
    HOST,
    INTERVAL,
    JITTER,
    POLICY,
    Mirror,
    heard,
    only_target,
    state_of,
)
from simulation.setups import trunk
from simulation.world import World
from trunkpulse.config.settings import HepSettings
from trunkpulse.model import (
    Direction,
    Reason,
    TargetState,
    TrunkState,
)
from virtual_time import run_virtual


def test_keepalives_pause_while_calls_prove_the_trunk_alive_and_go_on_afterwards() -> None:
    async def story() -> None:
        world = World(1)
        far = world.network.far_end(HOST)
        async with world.node(heard(trunk(1))) as node:
            await world.clock.advance(60)
            assert state_of(node) is TrunkState.AVAILABLE
            mirror = Mirror(world, node)
            before = far.requests
            for number in range(20):
                mirror.set_up(f"call-{number}")
                await world.clock.advance(10)
            record = node.roster.record("trunk-1")
            activity = node.live_calls.activity(record)
            assert (activity.calls, activity.seen, activity.reported) == (20, 20, None)
            assert activity.paused
            # One may have been due before the first proof had begun to count.
            assert far.requests <= before
            for number in range(20):
                mirror.we("BYE", call_id=f"call-{number}", to_tag="t")
            activity = node.live_calls.activity(record)
            assert (activity.calls, activity.counts) == (0, True)
            await world.clock.advance(INTERVAL + 1)
            assert far.requests > before
            old = node.live_calls.activity(record)
            assert (old.proved_at, old.counts) == (activity.proved_at, False)
            resumed = far.requests
            await world.clock.advance(10 * INTERVAL)
            assert far.requests - resumed >= 10 / JITTER - 1

    run_virtual(story)


def test_calls_that_fall_silent_prove_nothing_any_more() -> None:
    async def story() -> None:
        world = World(2)
        far = world.network.far_end(HOST)
        async with world.node(heard(trunk(1))) as node:
            await world.clock.advance(60)
            Mirror(world, node).set_up("call")
            before = far.requests
            await world.clock.advance(2 * INTERVAL * JITTER)
            assert far.requests > before
            assert node.live_calls.activity(node.roster.record("trunk-1")).calls == 1
            far.mode = "silent"
            await world.clock.advance(120)
            assert state_of(node) is TrunkState.DOWN

    run_virtual(story)


@pytest.mark.parametrize("code", ["408", "500", "503", None])
def test_a_call_that_ends_in_trouble_has_the_trunk_probed_at_once(code: str | None) -> None:
    async def story() -> None:
        world = World(3)
        far = world.network.far_end(HOST)
        slow = replace(POLICY, interval_seconds=600.0)
        async with world.node(heard(trunk(1, keepalive=slow))) as node:
            await world.clock.advance(60)
            mirror = Mirror(world, node)
            before = far.requests
            mirror.we("INVITE")
            if code is None:
                await world.clock.advance(7.5)
                assert far.requests == before
                await world.clock.advance(1.5)
            else:
                mirror.they(code, to_tag="t")
                await world.clock.advance(0.5)
            assert far.requests == before + 1
            assert state_of(node) is TrunkState.AVAILABLE
            assert node.live_calls.counts.doubts == 1

    run_virtual(story)


def test_many_doubts_are_one_probe_each_confirm_interval_and_never_a_verdict() -> None:
    async def story() -> None:
        world = World(4)
        far = world.network.far_end(HOST)
        slow = replace(POLICY, interval_seconds=600.0)
        async with world.node(heard(trunk(1, keepalive=slow))) as node:
            await world.clock.advance(60)
            mirror = Mirror(world, node)
            before = far.requests
            for number in range(200):
                mirror.we("INVITE", call_id=str(number))
                mirror.they("503", call_id=str(number), to_tag="t")
                await world.clock.advance(0.1)
            assert far.requests - before == 20 / POLICY.confirm_interval_seconds
            assert state_of(node) is TrunkState.AVAILABLE

    run_virtual(story)


def test_a_dead_far_side_is_down_sooner_for_its_calls_and_by_probes_alone() -> None:
    async def story() -> None:
        world = World(5)
        far = world.network.far_end(HOST)
        slow = replace(POLICY, interval_seconds=600.0)
        async with world.node(heard(trunk(1, keepalive=slow))) as node:
            await world.clock.advance(60)
            mirror = Mirror(world, node)
            for number in range(20):
                mirror.set_up(str(number))
            far.mode = "silent"
            mirror.we("INVITE", call_id="lost")
            await world.clock.advance(8)
            assert state_of(node) is TrunkState.AVAILABLE
            await world.clock.advance(20)
            assert state_of(node) is TrunkState.DOWN
            [*_, last] = await world.store.read()
            assert json.loads(last.body)["reasonCode"] == Reason.KEEPALIVE_FAILURE

    run_virtual(story)


def test_calls_that_go_through_bring_a_trunk_back_and_say_so() -> None:
    async def story() -> None:
        world = World(6)
        world.network.far_end(HOST).mode = "silent"
        policy = replace(POLICY, down_interval_seconds=600.0)
        async with world.node(heard(trunk(1, keepalive=policy))) as node:
            await world.clock.advance(60)
            assert state_of(node) is TrunkState.DOWN
            mirror = Mirror(world, node)
            mirror.set_up("one")
            mirror.they("200", call_id="one", to_tag="t")
            assert state_of(node) is TrunkState.DOWN
            mirror.we("INVITE", call_id="two")
            mirror.they("183", call_id="two", to_tag="t")
            assert state_of(node) is TrunkState.AVAILABLE
            target = only_target(node)
            assert [(run.code, run.detail) for run in target.runs()][-2:] == [
                (None, "a call to it was answered 200"),
                (None, "a call to it was answered 183"),
            ]
            assert target.last_success is None  # that of keepalives

    run_virtual(story)


@pytest.mark.parametrize(
    ("direction", "state", "successes"),
    [
        (Direction.INBOUND, TrunkState.AVAILABLE, 2),
        (Direction.BOTH, TrunkState.DOWN, 0),
        (Direction.OUTBOUND, TrunkState.DOWN, 0),
    ],
)
def test_calls_that_come_in_speak_for_an_inbound_trunk_alone(
    direction: Direction, state: TrunkState, successes: int
) -> None:
    async def story() -> None:
        world = World(19)
        world.network.far_end(HOST).mode = "silent"
        policy = replace(POLICY, down_interval_seconds=600.0)
        one = replace(trunk(1, keepalive=policy), direction=direction)
        async with world.node(heard(one)) as node:
            await world.clock.advance(60)
            mirror = Mirror(world, node)
            for call_id in ("one", "two"):
                mirror.comes_in(call_id)
            assert state_of(node) is state
            assert node.live_calls.counts.successes == successes
            seen = node.live_calls.activity(node.roster.record("trunk-1")).seen
            assert seen == (0 if direction is Direction.OUTBOUND else 2)

    run_virtual(story)


def test_a_carrier_that_still_calls_us_and_no_longer_answers_us_is_down() -> None:
    async def story() -> None:
        world = World(20)
        far = world.network.far_end(HOST)
        async with world.node(heard(trunk(1))) as node:
            await world.clock.advance(60)
            assert state_of(node) is TrunkState.AVAILABLE
            mirror = Mirror(world, node)
            mirror.set_up("before")
            far.mode = "silent"
            for number in range(12):
                mirror.comes_in(f"in-{number}")
                mirror.they("UPDATE", call_id="before", from_tag="t", to_tag="caller")
                mirror.we("INVITE", call_id=f"out-{number}")
                await world.clock.advance(5)
            assert state_of(node) is TrunkState.DOWN

    run_virtual(story)


def test_a_carrier_that_is_dead_is_down_whatever_a_pbx_reports() -> None:
    async def story() -> None:
        world = World(21)
        far = world.network.far_end(HOST)
        async with world.node(heard(trunk(1), hep=HepSettings())) as node:
            await world.clock.advance(60)
            far.mode = "silent"
            record = node.roster.record("trunk-1")
            for _ in range(20):
                node.live_calls.report(record, 3)
                await world.clock.advance(8)
            assert state_of(node) is TrunkState.DOWN  # 160 s are 4 intervals and the confirmation

    run_virtual(story)


def test_silence_casts_no_doubt_while_frames_are_lost_and_errors_still_do() -> None:
    async def story() -> None:
        world = World(22)
        world.network.far_end(HOST)
        slow = replace(POLICY, interval_seconds=600.0)
        async with world.node(heard(trunk(1, keepalive=slow))) as node:
            await world.clock.advance(60)
            mirror = Mirror(world, node)
            node.live_calls.intake.lost(world.clock.monotonic())
            mirror.we("INVITE", call_id="one")
            await world.clock.advance(10)
            assert node.live_calls.ledger.counts.silent == 1
            assert node.live_calls.counts.doubts == 0
            mirror.we("INVITE", call_id="two")
            mirror.they("503", call_id="two", to_tag="t")
            assert node.live_calls.counts.doubts == 1
            await world.clock.advance(60)
            mirror.we("INVITE", call_id="three")
            await world.clock.advance(10)
            assert node.live_calls.counts.doubts == 2

    run_virtual(story)


def test_a_target_that_is_being_asked_is_not_doubted_besides() -> None:
    async def story() -> None:
        world = World(23)
        far = world.network.far_end(HOST)
        slow = replace(POLICY, interval_seconds=600.0)
        async with world.node(heard(trunk(1, keepalive=slow))) as node:
            await world.clock.advance(60)
            far.mode = "silent"
            node.roster.prober.probe_at(only_target(node), world.clock.monotonic())
            await world.clock.advance(1)
            mirror = Mirror(world, node)
            mirror.we("INVITE")
            mirror.they("503", to_tag="t")
            assert node.live_calls.counts.doubts == 0

    run_virtual(story)


@pytest.mark.parametrize("code", ["401", "404", "486"])
def test_an_answer_that_only_shows_life_is_no_success(code: str) -> None:
    async def story() -> None:
        world = World(7)
        world.network.far_end(HOST).mode = "silent"
        async with world.node(heard(trunk(1))) as node:
            await world.clock.advance(60)
            mirror = Mirror(world, node)
            for number in range(5):
                mirror.we("INVITE", call_id=str(number))
                mirror.they(code, call_id=str(number), to_tag="t")
            assert state_of(node) is TrunkState.DOWN
            assert node.live_calls.counts.proofs == 5

    run_virtual(story)


def test_while_the_prober_is_isolated_calls_prove_nothing() -> None:
    async def story() -> None:
        world = World(17)
        ends = [world.network.far_end(f"192.0.2.{number}") for number in range(1, 5)]
        trunks = [
            replace(trunk(number), carrier=f"carrier-{number}", keepalive=POLICY)
            for number in range(1, 5)
        ]
        async with world.node(heard(*trunks)) as node:
            await world.clock.advance(60)
            for far in ends:
                far.mode = "silent"
            await world.clock.advance(60)
            assert node.pipeline.doubts.evidence is not None
            Mirror(world, node).set_up("call")
            Mirror(world, node).we("INVITE", call_id="bad")
            Mirror(world, node).they("503", call_id="bad", to_tag="t")
            counts = node.live_calls.counts
            assert (counts.proofs, counts.successes, counts.doubts) == (0, 0, 0)
            assert only_target(node).state is TargetState.AVAILABLE

    run_virtual(story)


def test_after_a_restart_calls_are_counted_anew_and_join_again() -> None:
    async def story() -> None:
        world = World(18)
        world.network.far_end(HOST)
        async with world.node(heard(trunk(1))) as node:
            await world.clock.advance(60)
            Mirror(world, node).set_up("call")
        async with world.node(heard(trunk(1))) as node:
            record = node.roster.record("trunk-1")
            assert node.live_calls.activity(record).calls == 0
            mirror = Mirror(world, node)
            mirror.we("INVITE", call_id="call", cseq="2 INVITE", to_tag="t")
            mirror.they("200", call_id="call", cseq="2 INVITE", to_tag="t")
            assert node.live_calls.activity(record).calls == 1

    run_virtual(story)
