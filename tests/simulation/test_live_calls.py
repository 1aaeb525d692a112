"""Live calls beside probes, in a whole node: they count, they pause keepalives, they cast doubt."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from simulation.setups import config, trunk
from simulation.world import World
from trunkpulse.calls.hep import Mirrored, frame
from trunkpulse.config.settings import Config, HepSettings
from trunkpulse.model import (
    Direction,
    KeepalivePolicy,
    Reason,
    TargetState,
    Trunk,
    TrunkState,
)
from trunkpulse.node import Node
from trunkpulse.probing.target import ProbeTarget
from unit.calls.calling import US, message
from virtual_time import run_virtual

POLICY = KeepalivePolicy()
INTERVAL = POLICY.interval_seconds
HEP = HepSettings(listen=(("127.0.0.1", 9060),))
HOST = "192.0.2.1"
FAR = (HOST, 5060)
JITTER = 1 + POLICY.jitter


def heard(*trunks: Trunk, hep: HepSettings = HEP) -> Config:
    return replace(config(*trunks), hep=hep)


class Mirror:
    """What a switch shows a node of its calls to a far side."""

    def __init__(self, world: World, node: Node, far: tuple[str, int] = FAR) -> None:
        self._world = world
        self._node = node
        self._far = far

    def we(self, start: str, **headers: str) -> None:
        self._show(US, self._far, start, headers)

    def they(self, start: str, **headers: str) -> None:
        self._show(self._far, US, start, headers)

    def set_up(self, call_id: str) -> None:
        self.we("INVITE", call_id=call_id)
        self.they("200", call_id=call_id, to_tag="t")

    def comes_in(self, call_id: str) -> None:
        self.they("INVITE", call_id=call_id, from_tag="x")
        self.we("200", call_id=call_id, from_tag="x", to_tag="t")
        self.they("ACK", call_id=call_id, from_tag="x", to_tag="t")

    def _show(
        self, source: tuple[str, int], to: tuple[str, int], start: str, headers: dict[str, str]
    ) -> None:
        line = f"SIP/2.0 {start} X" if start.isdecimal() else f"{start} sip:b@x SIP/2.0"
        if not start.isdecimal():
            headers.setdefault("cseq", f"1 {start}")
        payload = message(line, **headers)
        data = frame(Mirrored(payload, source, to))
        self._node.live_calls.intake.take(data, self._world.clock.monotonic())


def only_target(node: Node, trunk_id: str = "trunk-1") -> ProbeTarget:
    (target,) = node.roster.record(trunk_id).targets
    return target


def state_of(node: Node, trunk_id: str = "trunk-1") -> TrunkState:
    return node.board.status(trunk_id).state


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
            assert node.live_calls.activity(record).calls == 0
            await world.clock.advance(INTERVAL + 1)
            assert far.requests > before
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


def test_calls_count_for_the_trunk_of_their_direction_where_two_share_an_address() -> None:
    async def story() -> None:
        world = World(8)
        world.network.far_end(HOST)
        one = replace(trunk(1), direction=Direction.OUTBOUND)
        other = replace(trunk(1), id="trunk-in", direction=Direction.INBOUND)
        async with world.node(heard(one, other)) as node:
            await world.clock.advance(60)
            Mirror(world, node).set_up("call")
            activities = [
                node.live_calls.activity(node.roster.record(each))
                for each in ("trunk-1", "trunk-in")
            ]
            assert [each.calls for each in activities] == [1, 0]
            assert [each.paused for each in activities] == [True, False]

    run_virtual(story)


def test_at_an_address_that_trunks_share_calls_only_cast_doubt() -> None:
    async def story() -> None:
        world = World(9)
        far = world.network.far_end(HOST)
        slow = replace(POLICY, interval_seconds=600.0)
        both = [replace(trunk(1, keepalive=slow), id=name) for name in ("a", "b")]
        async with world.node(heard(*both)) as node:
            await world.clock.advance(60)
            mirror = Mirror(world, node)
            mirror.set_up("call")
            assert [node.live_calls.activity(node.roster.record(each)).calls for each in "ab"] == [
                0,
                0,
            ]
            assert node.live_calls.counts.proofs == 0
            before = far.requests
            mirror.we("INVITE", call_id="bad")
            mirror.they("503", call_id="bad", to_tag="t")
            await world.clock.advance(0.5)
            assert far.requests == before + 2

    run_virtual(story)


def test_a_trunk_that_is_not_probed_is_not_probed_for_its_calls_either() -> None:
    async def story() -> None:
        world = World(10)
        far = world.network.far_end(HOST)
        async with world.node(heard(trunk(1))) as node:
            await world.clock.advance(60)
            node.roster.set_admin_enabled("trunk-1", enabled=False)
            before = far.requests
            mirror = Mirror(world, node)
            mirror.set_up("call")
            mirror.we("INVITE", call_id="bad")
            mirror.they("503", call_id="bad", to_tag="t")
            await world.clock.advance(120)
            assert far.requests == before
            assert state_of(node) is TrunkState.DOWN
            assert node.live_calls.activity(node.roster.record("trunk-1")).calls == 1

    run_virtual(story)


def test_calls_follow_a_trunk_that_moves_by_a_new_configuration() -> None:
    async def story() -> None:
        world = World(11)
        for host in (HOST, "192.0.2.9"):
            world.network.far_end(host)
        async with world.node(heard(trunk(1))) as node:
            await world.clock.advance(60)
            await node.apply(heard(replace(trunk(9), id="trunk-1")))
            await world.clock.advance(60)
            Mirror(world, node).set_up("old")
            assert node.live_calls.ledger.calls_up == 0
            Mirror(world, node, ("192.0.2.9", 5060)).set_up("new")
            assert node.live_calls.activity(node.roster.record("trunk-1")).calls == 1
            await node.apply(heard())
            Mirror(world, node, ("192.0.2.9", 5060)).we("INVITE", call_id="x")
            await world.clock.advance(60)
            assert node.live_calls.counts.doubts == 0

    run_virtual(story)


def test_a_name_is_followed_to_where_it_leads() -> None:
    async def story() -> None:
        world = World(12)
        for number in (1, 2):
            world.network.far_end(f"192.0.2.{number}")
        named = replace(trunk(1), targets=("sip:t1.example:5060",))
        async with world.node(heard(named)) as node:
            await world.clock.advance(60)
            Mirror(world, node).set_up("one")
            assert node.live_calls.activity(node.roster.record("trunk-1")).calls == 1
            world.names.moved["t1.example"] = ("192.0.2.2",)
            await world.clock.advance(180)
            assert node.live_calls.activity(node.roster.record("trunk-1")).calls == 0
            Mirror(world, node, ("192.0.2.2", 5060)).set_up("two")
            assert node.live_calls.activity(node.roster.record("trunk-1")).calls == 1

    run_virtual(story)


def test_what_a_pbx_reports_pauses_keepalives_for_as_long_as_it_is_said_and_the_ceiling() -> None:
    async def story() -> None:
        world = World(13)
        far = world.network.far_end(HOST)
        async with world.node(heard(trunk(1), hep=HepSettings())) as node:
            await world.clock.advance(60)
            record = node.roster.record("trunk-1")
            before = far.requests
            for _ in range(5):
                node.live_calls.report(record, 3)
                await world.clock.advance(15)
            assert far.requests == before
            for _ in range(5):
                node.live_calls.report(record, 3)
                await world.clock.advance(20)
            assert far.requests == before + 1
            assert node.live_calls.activity(record).calls == 3
            await world.clock.advance(11)
            assert node.live_calls.activity(record).reported is None
            await world.clock.advance(INTERVAL)
            assert far.requests > before
            node.live_calls.report(record, 3)
            assert node.live_calls.report(record, 0).calls == 0
            assert not node.live_calls.activity(record).paused

    run_virtual(story)


def test_a_report_that_counts_for_longer_than_an_interval_is_no_longer_proof() -> None:
    async def story() -> None:
        world = World(14)
        far = world.network.far_end(HOST)
        async with world.node(heard(trunk(1), hep=HepSettings())) as node:
            await world.clock.advance(60)
            record = node.roster.record("trunk-1")
            before = far.requests
            node.live_calls.report(record, 3, 3600)
            await world.clock.advance(10 * INTERVAL)
            assert node.live_calls.activity(record).calls == 3
            assert far.requests - before >= 8
            far.mode = "silent"
            await world.clock.advance(120)
            assert state_of(node) is TrunkState.DOWN

    run_virtual(story)


def test_a_report_does_not_say_which_of_two_targets_carries_the_calls() -> None:
    async def story() -> None:
        world = World(15)
        ends = [world.network.far_end(f"192.0.2.{number}") for number in (1, 2)]
        two = replace(trunk(1), targets=("sip:192.0.2.1", "sip:192.0.2.2"))
        async with world.node(heard(two, hep=HepSettings())) as node:
            await world.clock.advance(60)
            record = node.roster.record("trunk-1")
            before = [far.requests for far in ends]
            for _ in range(6):
                assert not node.live_calls.report(record, 3).paused
                await world.clock.advance(INTERVAL)
            assert all(far.requests > was for far, was in zip(ends, before, strict=True))

    run_virtual(story)


def test_reports_of_trunks_that_are_gone_are_forgotten() -> None:
    async def story() -> None:
        world = World(16)
        trunks = [trunk(number) for number in range(1, 40)]
        async with world.node(heard(*trunks, hep=HepSettings())) as node:
            for number in range(1, 40):
                node.live_calls.report(node.roster.record(f"trunk-{number}"), 1, 5)
            await world.clock.advance(6)
            record = node.roster.record("trunk-1")
            for _ in range(20):
                node.live_calls.report(record, 1, 5)
            assert node.live_calls.reported_trunks == 1

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
