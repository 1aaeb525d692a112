"""Trunks that come, change and go through the API while a node runs, and over its restarts."""

from __future__ import annotations

from dataclasses import replace

import pytest

from simulation.setups import config, trunk
from simulation.world import World
from trunkpulse.access import UNLIMITED
from trunkpulse.adapters.http.api.trunk_changes import Within
from trunkpulse.model import TrunkState
from trunkpulse.provisioning.planning import Planned
from trunkpulse.provisioning.refusals import Exists
from virtual_time import run_virtual

WITHIN = Within(UNLIMITED, "default")
SETUP = config(trunk(1), trunk(2))
MADE: dict[str, object] = {"id": "made", "targets": ["sip:192.0.2.3"]}


def test_a_trunk_that_is_made_is_probed_told_of_and_there_after_a_crash() -> None:
    async def story() -> None:
        world = World(1)
        far = world.network.far_end("192.0.2.3")
        async with world.node(SETUP, crash=True) as node:
            await world.clock.advance(60)
            await node.made.trunks.create(dict(MADE), WITHIN)
            await world.clock.advance(60)
            assert node.board.status("made").state is TrunkState.AVAILABLE
            far.mode = "refused"
            await world.clock.advance(90)
            assert node.board.status("made").state is TrunkState.DOWN
        async with world.node(SETUP) as node:
            assert node.board.status("made").state is TrunkState.DOWN
            far.mode = "up"
            await world.clock.advance(120)
            assert node.board.status("made").state is TrunkState.AVAILABLE
        told = [each.trunk_id for each in await world.store.read(limit=99)]
        assert told.count("made") == 3

    run_virtual(story)


def test_a_trunk_that_is_deleted_is_asked_no_more_and_the_others_go_on() -> None:
    async def story() -> None:
        world = World(2)
        far, other = (world.network.far_end(f"192.0.2.{n}") for n in (3, 1))
        async with world.node(SETUP) as node:
            await node.made.trunks.create(dict(MADE), WITHIN)
            await world.clock.advance(60)
            await node.made.trunks.delete("made", WITHIN)
            asked, others = far.requests, other.requests
            await world.clock.advance(300)
            assert far.requests == asked
            assert other.requests >= others + 8
            assert "made" not in node.board

    run_virtual(story)


def test_a_reload_leaves_them_alone_and_is_refused_if_it_takes_an_id() -> None:
    async def story() -> None:
        world = World(3)
        async with world.node(SETUP) as node:
            await node.made.trunks.create(dict(MADE), WITHIN)
            await world.clock.advance(60)
            target = node.roster.record("made").targets[0]
            await node.apply(replace(SETUP, trunks=(trunk(1), trunk(4))))
            assert node.roster.record("made").targets[0] is target
            assert sorted(node.roster.records()) == ["made", "trunk-1", "trunk-4"]
            taken = replace(trunk(3), id="made", managed_by="edge.toml")
            with pytest.raises(Exists, match=r"edge\.toml declares a trunk"):
                await node.apply(replace(SETUP, trunks=(trunk(1), taken)))
            assert sorted(node.roster.records()) == ["made", "trunk-1", "trunk-4"]
        with pytest.raises(ExceptionGroup) as failed:
            async with world.node(replace(SETUP, trunks=(taken,))):
                pass
        assert failed.group_contains(Exists, match="which has been made through the API already")

    run_virtual(story)


def test_many_that_come_at_once_are_not_asked_at_once() -> None:
    async def story() -> None:
        world = World(4)
        for n in (1, 2):
            world.network.far_end(f"192.0.2.{n}")
        async with world.node(SETUP) as node:
            await world.clock.advance(60)
            before = len(world.network.departures)
            documents = node.made.trunks.documents
            found = [
                documents.new({"id": f"t{n}", "targets": [f"sip:t{n}@192.0.2.1"]})
                for n in range(600)
            ]

            async def plan() -> list[Planned]:
                return [Planned(each, None, changes=True) for each in found]

            await node.made.trunks.bring_in(plan)
            await world.clock.advance(29)
            sent = world.network.departures[before:]
            busiest = max(sum(at <= each < at + 1 for each in sent) for at in sent)
            assert len({round(each) for each in sent}) > 20
            assert busiest < 100

    run_virtual(story)


def test_settings_are_put_to_work_on_a_running_node() -> None:
    async def story() -> None:
        world = World(5)
        far = world.network.far_end("192.0.2.3")
        async with world.node(SETUP) as node:
            await node.made.trunks.create(dict(MADE), WITHIN)
            await world.clock.advance(60)
            await node.made.settings.put(
                {"keepalive": {"intervalSeconds": 5}, "userAgent": "pulse/9"}, lambda _: None
            )
            await world.clock.advance(30)
            asked = far.requests
            await world.clock.advance(60)
            assert far.requests - asked >= 11
            assert b"User-Agent: pulse/9\r\n" in far.last_request
        async with world.node(SETUP) as node:
            await world.clock.advance(30)
            assert node.roster.record("made").trunk.keepalive.interval_seconds == 5
            assert b"User-Agent: pulse/9\r\n" in far.last_request

    run_virtual(story)
