"""Trunks that are written with names: each address is a target, and names move."""

from simulation.invariants import recorded_changes
from simulation.setups import config
from simulation.world import World
from trunkpulse.model import Reason, TargetState, Trunk, TrunkState
from trunkpulse.node import Node
from virtual_time import run_virtual

NAME = "t1.example"
TRUNK = Trunk(id="trunk-1", name="Trunk 1", targets=(f"sip:{NAME}",))


def up(world: World, *hosts: str) -> None:
    for host in hosts:
        world.network.far_end(host)


def places(node: Node) -> dict[str, TargetState]:
    return {str(each.place): each.state for each in node.roster.record("trunk-1").targets}


def test_every_address_of_a_name_is_probed_and_has_a_state_of_its_own() -> None:
    async def story() -> None:
        world = World(1)
        up(world, "192.0.2.1", "192.0.2.2")
        world.names.moved[NAME] = ("192.0.2.1", "192.0.2.2")
        world.network.far_end("192.0.2.2").mode = "503"
        async with world.node(config(TRUNK)) as node:
            await world.clock.advance(60.0)
            assert places(node) == {
                "udp:192.0.2.1:5060": TargetState.AVAILABLE,
                "udp:192.0.2.2:5060": TargetState.DOWN,
            }
            assert node.board.status("trunk-1").state is TrunkState.DEGRADED

    run_virtual(story)


def test_a_healthy_name_that_moves_is_never_out_of_service() -> None:
    async def story() -> None:
        world = World(2)
        up(world, "192.0.2.1", "192.0.2.2")
        async with world.node(config(TRUNK)) as node:
            await world.clock.advance(100.0)
            world.names.moved[NAME] = ("192.0.2.2",)
            await world.clock.advance(100.0)
            assert places(node) == {"udp:192.0.2.2:5060": TargetState.AVAILABLE}
            old = world.network.far_end("192.0.2.1")
            requests = old.requests
            await world.clock.advance(300.0)
            assert old.requests == requests
        changes = (await recorded_changes(world))["trunk-1"]
        assert [change.state for change in changes] == [TrunkState.AVAILABLE]

    run_virtual(story)


def test_a_name_that_moves_to_a_dead_place_takes_the_trunk_down() -> None:
    async def story() -> None:
        world = World(3)
        up(world, "192.0.2.1")
        async with world.node(config(TRUNK)) as node:
            await world.clock.advance(100.0)
            world.names.moved[NAME] = ("192.0.2.99",)
            await world.clock.advance(100.0)
            assert places(node) == {"udp:192.0.2.99:5060": TargetState.DOWN}
            assert node.board.status("trunk-1").state is TrunkState.DOWN

    run_virtual(story)


def test_a_name_whose_addresses_rotate_is_still_found_dead() -> None:
    """Each look-up gives another one of many dead addresses; none may hide that all are dead."""

    async def story() -> None:
        world = World(4)
        up(world, "192.0.2.1")
        world.names.ttl_seconds = 30.0
        async with world.node(config(TRUNK)) as node:
            await world.clock.advance(100.0)
            for number in range(100, 110):
                world.names.moved[NAME] = (f"192.0.2.{number}",)
                await world.clock.advance(30.0)
            assert node.board.status("trunk-1").state is TrunkState.DOWN

    run_virtual(story)


def test_a_name_that_leads_elsewhere_before_any_place_is_decided_is_decided_itself() -> None:
    """Each look-up, five seconds after the last, gives a place that nothing is known of."""

    async def story() -> None:
        world = World(9)
        up(world, "192.0.2.1", *(f"192.0.2.{number}" for number in range(150, 170)))
        world.names.ttl_seconds = 0.0
        async with world.node(config(TRUNK)) as node:
            await world.clock.advance(100.0)
            for number in range(100, 120):  # all dead
                world.names.moved[NAME] = (f"192.0.2.{number}",)
                await world.clock.advance(5.6)
            assert node.board.status("trunk-1").state is TrunkState.DOWN
            for number in range(150, 170):  # all well
                world.names.moved[NAME] = (f"192.0.2.{number}",)
                await world.clock.advance(5.6)
            assert node.board.status("trunk-1").state is TrunkState.AVAILABLE
        changes = (await recorded_changes(world))["trunk-1"]
        assert [change.state for change in changes] == [
            TrunkState.AVAILABLE,
            TrunkState.DOWN,
            TrunkState.AVAILABLE,
        ]

    run_virtual(story)


def test_one_dead_place_of_a_name_that_is_well_is_not_held_against_where_it_moves() -> None:
    async def story() -> None:
        world = World(11)
        up(world, "192.0.2.1", "192.0.2.3", "192.0.2.4")
        world.names.moved[NAME] = ("192.0.2.1", "192.0.2.2")
        async with world.node(config(TRUNK)) as node:
            await world.clock.advance(100.0)
            assert list(places(node).values()) == [TargetState.AVAILABLE, TargetState.DOWN]
            for host in ("192.0.2.3", "192.0.2.4"):
                world.network.far_end(host).mode = "503"
            world.names.moved[NAME] = ("192.0.2.3", "192.0.2.4")
            while not world.network.far_end("192.0.2.4").requests:
                await world.clock.advance(0.1)
            up_again = [world.network.far_end(host) for host in ("192.0.2.3", "192.0.2.4")]
            for far_end in up_again:
                far_end.mode = "up"  # after one bad answer
            await world.clock.advance(60.0)
            assert places(node) == {
                "udp:192.0.2.3:5060": TargetState.AVAILABLE,
                "udp:192.0.2.4:5060": TargetState.AVAILABLE,
            }
        changes = (await recorded_changes(world))["trunk-1"]
        assert TrunkState.DOWN not in {change.state for change in changes}

    run_virtual(story)


def test_when_a_name_was_last_well_is_known_after_it_has_moved_to_a_dead_place() -> None:
    async def story() -> None:
        world = World(10)
        up(world, "192.0.2.1")
        async with world.node(config(TRUNK)):
            await world.clock.advance(100.0)
            moved_ms = world.clock.wall() * 1000
            world.names.moved[NAME] = ("192.0.2.99",)
            await world.clock.advance(100.0)
        _, down = (await recorded_changes(world))["trunk-1"]
        assert down.state is TrunkState.DOWN
        assert down.last_success_ms is not None
        assert abs(down.last_success_ms - moved_ms) < 61_000

    run_virtual(story)


def test_dns_that_goes_away_takes_nothing_down_not_even_over_a_restart() -> None:
    async def story() -> None:
        world = World(5)
        up(world, "192.0.2.1")
        async with world.node(config(TRUNK)) as node:
            await world.clock.advance(100.0)
            world.names.away = True
            await world.clock.advance(600.0)
            assert places(node) == {"udp:192.0.2.1:5060": TargetState.AVAILABLE}
            assert list(node.roster.locator.troubles()) == [f"sip:{NAME}"]
        async with world.node(config(TRUNK)) as node:
            await world.clock.advance(300.0)
            assert places(node) == {"udp:192.0.2.1:5060": TargetState.AVAILABLE}
            world.names.away = False
            await world.clock.advance(60.0)
            assert not node.roster.locator.troubles()
        changes = (await recorded_changes(world))["trunk-1"]
        assert [change.state for change in changes] == [TrunkState.AVAILABLE]

    run_virtual(story)


def test_a_name_that_was_never_found_is_a_network_error_and_comes_back_with_the_dns() -> None:
    async def story() -> None:
        world = World(6)
        up(world, "192.0.2.1")
        world.names.away = True
        async with world.node(config(TRUNK)) as node:
            await world.clock.advance(60.0)
            status = node.board.status("trunk-1")
            assert (status.state, status.reason) == (TrunkState.DOWN, Reason.NETWORK_ERROR)
            (target,) = node.roster.record("trunk-1").targets
            assert "no name server" in (target.evidence().detail or "")
            world.names.away = False
            await world.clock.advance(60.0)
            assert node.board.status("trunk-1").state is TrunkState.AVAILABLE

    run_virtual(story)


def test_an_address_that_is_no_longer_named_degrades_nothing_any_more() -> None:
    async def story() -> None:
        world = World(7)
        up(world, "192.0.2.1", "192.0.2.2")
        world.names.moved[NAME] = ("192.0.2.1", "192.0.2.2")
        async with world.node(config(TRUNK)) as node:
            await world.clock.advance(60.0)
            world.network.far_end("192.0.2.2").mode = "silent"
            await world.clock.advance(100.0)
            assert node.board.status("trunk-1").state is TrunkState.DEGRADED
            world.names.moved[NAME] = ("192.0.2.1",)
            await world.clock.advance(61.0)
            status = node.board.status("trunk-1")
            assert status.state is TrunkState.AVAILABLE
            assert status.reason is Reason.KEEPALIVE_RESTORED

    run_virtual(story)


def test_more_targets_wanted_than_a_name_leads_to_means_all_of_them() -> None:
    async def story() -> None:
        world = World(8)
        up(world, "192.0.2.1")
        wanting = Trunk(
            id="trunk-1", name="Trunk 1", targets=(f"sip:{NAME}",), min_available_targets=3
        )
        async with world.node(config(wanting)) as node:
            await world.clock.advance(60.0)
            assert node.board.status("trunk-1").state is TrunkState.AVAILABLE

    run_virtual(story)
