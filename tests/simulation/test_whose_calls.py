"""Whose calls they are, where trunks share addresses, move or have names."""

from __future__ import annotations

from dataclasses import replace

from simulation.live import (
    HOST,
    POLICY,
    Mirror,
    heard,
    state_of,
)
from simulation.setups import trunk
from simulation.world import World
from trunkpulse.model import (
    Direction,
    TrunkState,
)
from virtual_time import run_virtual


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
