"""Streams that come, change, pause and go while a node runs, and over its restarts."""

from __future__ import annotations

from dataclasses import replace

import pytest

from simulation.setups import config, stream, trunk
from simulation.world import World
from trunkpulse.events.envelope import decode
from trunkpulse.events.subscriptions import StreamExists, StreamManaged, UnknownStream
from trunkpulse.model import EventStream, TrunkState
from trunkpulse.node import Node
from trunkpulse.ports import DestinationInvalid, StoreUnavailable
from virtual_time import run_virtual

UP, DOWN = TrunkState.AVAILABLE, TrunkState.DOWN
SETUP = config(trunk(1, carrier="acme"), trunk(2, carrier="umbrella"))


def heard(world: World, stream_id: str) -> list[tuple[str, TrunkState]]:
    """What its receiver accepted, in that order."""
    changes = (decode(each.body) for each in world.receivers.accepted[stream_id])
    return [(change.trunk_id, change.state) for change in changes]


async def settle(world: World, **modes: str) -> None:
    """Far ends by ``t1`` and ``t2`` behave so, for long enough to be noticed and told."""
    for number in (1, 2):
        far = world.network.far_end(f"192.0.2.{number}")
        far.mode = modes.get(f"t{number}", far.mode)
    await world.clock.advance(120)


async def change(node: Node, stream_id: str, **fields: object) -> EventStream:
    return await node.subscriptions.change(
        stream_id,
        lambda before: replace(before, **fields),  # type: ignore[arg-type] # by name
    )


def test_a_stream_that_is_made_is_told_at_once_and_after_a_restart() -> None:
    async def story() -> None:
        world = World(1)
        made = stream("made", "KEEPALIVE_FAILURE", "NETWORK_ERROR")
        async with world.node(SETUP) as node:
            await settle(world)
            await node.subscriptions.create(made)
            await settle(world, t1="refused")
        async with world.node(SETUP, crash=True) as node:
            assert node.subscriptions.all == (*SETUP.event_streams, made)
            await settle(world, t1="up")
        assert heard(world, "made") == [("trunk-1", DOWN), ("trunk-1", UP)]

    run_virtual(story)


def test_a_paused_stream_misses_nothing_and_hears_it_in_order() -> None:
    async def story() -> None:
        world = World(2)
        async with world.node(SETUP) as node:
            await settle(world)
            await node.subscriptions.create(stream("made"))
            await change(node, "made", paused=True)
            await settle(world, t1="refused")
            await settle(world, t1="up")
            assert heard(world, "made") == []
        async with world.node(SETUP) as node:
            await settle(world)
            assert heard(world, "made") == []
            await change(node, "made", paused=False)
            await world.clock.advance(10)
        assert heard(world, "made") == [("trunk-1", DOWN), ("trunk-1", UP)]

    run_virtual(story)


def test_a_recovery_follows_though_the_stream_was_edited_to_leave_the_trunk_out() -> None:
    async def story() -> None:
        world = World(3)
        async with world.node(SETUP) as node:
            await settle(world)
            await node.subscriptions.create(stream("made"))
            await settle(world, t1="refused", t2="refused")
            await change(node, "made", carriers=("umbrella",), reason_codes=("LICENSE_ISSUE",))
            await settle(world, t1="up")
            await settle(world, t1="refused")
            await settle(world, t1="up", t2="up")
        assert sorted(heard(world, "made")) == sorted(
            [("trunk-1", DOWN), ("trunk-2", DOWN), ("trunk-1", UP), ("trunk-2", UP)]
        )

    run_virtual(story)


def test_a_disabled_stream_hears_the_end_of_what_it_was_told_once_it_is_enabled() -> None:
    async def story() -> None:
        world = World(4)
        async with world.node(SETUP) as node:
            await settle(world)
            await node.subscriptions.create(stream("made"))
            await settle(world, t1="refused")
            await change(node, "made", enabled=False)
            await settle(world, t1="up", t2="refused")
            await settle(world, t1="refused", t2="up")
            assert heard(world, "made") == [("trunk-1", DOWN)]
            await change(node, "made", enabled=True)
            await world.clock.advance(10)
            assert heard(world, "made") == [("trunk-1", DOWN), ("trunk-1", UP)]

    run_virtual(story)


def test_a_stream_that_is_deleted_hears_nothing_more_and_owes_nothing_to_its_successor() -> None:
    async def story() -> None:
        world = World(5)
        async with world.node(SETUP) as node:
            await settle(world)
            await node.subscriptions.create(stream("made"))
            await settle(world, t1="refused")
            await node.subscriptions.delete("made")
            assert await world.store.load_owed() == {("audit", "trunk-1"), ("noc", "trunk-1")}
            failures = stream("made", "KEEPALIVE_FAILURE", "NETWORK_ERROR")
            await node.subscriptions.create(failures)
            await settle(world, t1="up")
            assert heard(world, "made") == [("trunk-1", DOWN)]
        async with world.node(SETUP) as node:
            await node.subscriptions.delete("made")
        async with world.node(SETUP) as node:
            assert node.subscriptions.all == SETUP.event_streams

    run_virtual(story)


def test_a_reload_leaves_alone_what_was_made_and_refuses_its_id() -> None:
    async def story() -> None:
        world = World(6)
        async with world.node(SETUP) as node:
            await settle(world)
            await node.subscriptions.create(stream("made"))
            more = replace(SETUP, event_streams=(stream("audit"), stream("extra")))
            await node.apply(more)
            assert [each.id for each in node.subscriptions.all] == ["audit", "extra", "made"]
            taken = replace(SETUP, event_streams=(stream("made"),))
            with pytest.raises(StreamExists, match=r"'made'.*another id"):
                await node.apply(taken)
            assert [each.id for each in node.subscriptions.all] == ["audit", "extra", "made"]
            await settle(world, t1="refused")
            assert heard(world, "made") == heard(world, "extra") == [("trunk-1", DOWN)]
        with pytest.raises(ExceptionGroup) as caught:
            async with world.node(taken):
                pass
        assert caught.group_contains(StreamExists)

    run_virtual(story)


def test_what_cannot_be_written_is_not_applied() -> None:
    async def story() -> None:
        world = World(7)
        async with world.node(SETUP) as node:
            await settle(world)
            await node.subscriptions.create(stream("made"))
            world.store.away = True
            with pytest.raises(StoreUnavailable):
                await node.subscriptions.create(stream("late"))
            with pytest.raises(StoreUnavailable):
                await change(node, "made", paused=True)
            with pytest.raises(StoreUnavailable):
                await node.subscriptions.delete("made")
            world.store.away = False
            await settle(world, t1="refused")
            assert [each.id for each in node.subscriptions.all] == ["audit", "noc", "made"]
            assert heard(world, "made") == [("trunk-1", DOWN)]
            assert heard(world, "late") == []

    run_virtual(story)


def test_a_destination_that_can_never_work_is_refused_before_anything_is_written() -> None:
    async def story() -> None:
        world = World(8)
        world.receivers.impossible.add("nowhere")
        async with world.node(SETUP) as node:
            await settle(world)
            await node.subscriptions.create(stream("made"))
            nowhere = replace(stream("late").destination, url="nowhere")
            with pytest.raises(DestinationInvalid):
                await node.subscriptions.create(replace(stream("late"), destination=nowhere))
            with pytest.raises(DestinationInvalid):
                await change(node, "made", destination=nowhere)
            await settle(world, t1="refused")
            assert heard(world, "made") == [("trunk-1", DOWN)]
        assert [each.revision for each in await world.store.load_streams()] == [1]

    run_virtual(story)


def test_what_the_file_declares_and_what_is_not_there_cannot_be_changed() -> None:
    async def story() -> None:
        world = World(9)
        async with world.node(SETUP) as node:
            with pytest.raises(StreamManaged, match="noc"):
                await change(node, "noc", paused=True)
            with pytest.raises(StreamManaged):
                await node.subscriptions.delete("noc")
            with pytest.raises(StreamExists):
                await node.subscriptions.create(stream("noc"))
            with pytest.raises(UnknownStream):
                await node.subscriptions.delete("nobody")

    run_virtual(story)
