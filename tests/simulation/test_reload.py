"""What a new configuration changes at once, and what it must not."""

from dataclasses import replace

from simulation.invariants import recorded_changes
from simulation.setups import config, stream, trunk
from simulation.world import World
from trunkpulse.config.settings import InstanceSettings
from trunkpulse.model import ProbeIdentity, Route, RouteTrunk
from trunkpulse.routing.selection import CallRequest
from virtual_time import run_virtual


def test_a_stream_that_is_added_is_told_of_the_next_change() -> None:
    async def story() -> None:
        world = World(30)
        far = world.network.far_end("192.0.2.1")
        setup = config(trunk(1))
        async with world.node(setup) as node:
            await world.clock.advance(100)
            await node.apply(replace(setup, event_streams=(*setup.event_streams, stream("new"))))
            far.mode = "refused"
            await world.clock.advance(60)
        assert len(world.receivers.accepted["new"]) == 1

    run_virtual(story)


def test_another_source_is_another_target_that_remembers_the_last_good_answer() -> None:
    async def story() -> None:
        world = World(31)
        far = world.network.far_end("192.0.2.1")
        async with world.node(config(trunk(1))) as node:
            await world.clock.advance(100)
            far.mode = "silent"
            moved = ProbeIdentity(source=("127.0.0.2", 5071))
            await node.apply(config(trunk(1, identity=moved)))
            await world.clock.advance(60)
        (*_, down) = (await recorded_changes(world))["trunk-1"]
        assert down.last_success_ms == far.healthy_arrivals_ms[-1]

    run_virtual(story)


def test_the_region_of_the_instance_waits_for_a_restart() -> None:
    async def story() -> None:
        world = World(32)
        route = Route(id="here", regions=("default",), trunks=(RouteTrunk(id="trunk-1"),))
        setup = replace(config(trunk(1)), routes=(route,))
        async with world.node(setup) as node:
            elsewhere = InstanceSettings(id="edge-1", region="elsewhere")
            await node.apply(replace(setup, instance=elsewhere))
            call = CallRequest(to="+15551230001", from_=None)
            assert node.decide(call).route_id == "here"

    run_virtual(story)


def test_settings_of_the_api_leave_the_notice_of_a_refused_file() -> None:
    async def story() -> None:
        world = World(9)
        async with world.node(config(trunk(1))) as node:
            node.refuse(["trunks[0].id must be unique."])
            await node.made.settings.put({"keepalive": {"jitter": 0.1}}, lambda _: None)
            assert node.config.keepalive.jitter == 0.1
            assert node.refused == ("trunks[0].id must be unique.",)

    run_virtual(story)


def test_a_refusal_is_remembered_until_a_configuration_is_taken() -> None:
    async def story() -> None:
        world = World(9)
        async with world.node(config(trunk(1))) as node:
            seen = [node.refused]
            node.refuse(["trunks[0].id must be unique."])
            seen.append(node.refused)
            await node.apply(config(trunk(1), trunk(2)))
            seen.append(node.refused)
        assert seen == [(), ("trunks[0].id must be unique.",), ()]

    run_virtual(story)
