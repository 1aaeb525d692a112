"""The whole application on a fake clock and a fake network, one promise at a time."""

import pytest

from simulation.invariants import recorded_changes
from simulation.setups import config, trunk
from simulation.world import Weather, World
from trunkpulse.model import KeepalivePolicy, ProbeIdentity, Reason, Trunk, TrunkState
from virtual_time import run_virtual

DAY_SECONDS = 24 * 3600.0


def test_one_packet_in_ten_lost_for_a_day_changes_nothing() -> None:
    async def story() -> None:
        world = World(7)
        setup = config(*(trunk(number) for number in range(1, 5)))
        for number in range(1, 5):
            world.network.far_end(f"192.0.2.{number}")
        world.network.weather = Weather(loss=0.1)
        async with world.node(setup) as node:
            await world.clock.advance(DAY_SECONDS)
            assert node.roster.prober.counts.retransmissions > 1000  # packets were lost
        for changes in (await recorded_changes(world)).values():
            assert [change.state for change in changes] == [TrunkState.AVAILABLE]

    run_virtual(story)


@pytest.mark.parametrize(
    ("mode", "within_seconds", "reason"),
    [("silent", 46.0, Reason.KEEPALIVE_FAILURE), ("refused", 42.0, Reason.NETWORK_ERROR)],
)
def test_a_dead_trunk_is_down_in_time_on_the_default_settings(
    mode: str, within_seconds: float, reason: Reason
) -> None:
    async def story() -> None:
        for seed in range(20):
            world = World(seed)
            far = world.network.far_end("192.0.2.1")
            async with world.node(config(trunk(1))) as node:
                await world.clock.advance(100 + world.rng.uniform(0, 30))
                assert node.board.status("trunk-1").state is TrunkState.AVAILABLE
                far.mode = mode
                died_ms = world.clock.wall() * 1000
                await world.clock.advance(within_seconds)
                status = node.board.status("trunk-1")
                assert status.state is TrunkState.DOWN
                assert status.reason is reason
                assert status.since_ms is not None
                assert status.since_ms - died_ms <= within_seconds * 1000

    run_virtual(story)


def test_the_event_carries_count_and_moment_of_the_last_good_answer() -> None:
    async def story() -> None:
        world = World(3)
        far = world.network.far_end("192.0.2.1")
        async with world.node(config(trunk(1))):
            await world.clock.advance(200)
            far.mode = "silent"
            await world.clock.advance(60)
        changes = (await recorded_changes(world))["trunk-1"]
        assert [change.state for change in changes] == [TrunkState.AVAILABLE, TrunkState.DOWN]
        assert changes[1].failed_attempts == 3
        assert changes[1].last_success_ms == far.healthy_arrivals_ms[-1]

    run_virtual(story)


def test_a_restart_restores_states_and_announces_nothing() -> None:
    async def story() -> None:
        world = World(4)
        world.network.far_end("192.0.2.1")
        world.network.far_end("192.0.2.2").mode = "refused"
        setup = config(trunk(1), trunk(2))
        async with world.node(setup):
            await world.clock.advance(100)
        before = await recorded_changes(world)
        async with world.node(setup) as node:
            assert node.board.status("trunk-1").state is TrunkState.AVAILABLE
            assert node.board.status("trunk-2").state is TrunkState.DOWN
            await world.clock.advance(300)
        assert await recorded_changes(world) == before

    run_virtual(story)


def test_disable_takes_effect_at_once_and_sends_nothing_more() -> None:
    async def story() -> None:
        world = World(5)
        far = world.network.far_end("192.0.2.1")
        async with world.node(config(trunk(1))) as node:
            await world.clock.advance(100)
            record = node.roster.set_admin_enabled("trunk-1", enabled=False)
            assert node.board.status("trunk-1").reason is Reason.ADMIN_DISABLED
            await node.pipeline.recorder.written(record)
            await world.clock.advance(1)
            asked = far.requests
            await world.clock.advance(600)
            assert far.requests == asked
            node.roster.set_admin_enabled("trunk-1", enabled=True)
            assert node.board.status("trunk-1").state is TrunkState.UNKNOWN
            await world.clock.advance(10)
            assert node.board.status("trunk-1").state is TrunkState.AVAILABLE
        changes = (await recorded_changes(world))["trunk-1"]
        assert [(change.state, change.reason) for change in changes[1:]] == [
            (TrunkState.DOWN, Reason.ADMIN_DISABLED),
            (TrunkState.UNKNOWN, Reason.ADMIN_ENABLED),
            (TrunkState.AVAILABLE, Reason.KEEPALIVE_RESTORED),
        ]

    run_virtual(story)


def test_the_board_follows_the_probes_while_the_database_is_away() -> None:
    async def story() -> None:
        world = World(6)
        far = world.network.far_end("192.0.2.1")
        async with world.node(config(trunk(1))) as node:
            await world.clock.advance(100)
            world.store.away = True
            far.mode = "refused"
            await world.clock.advance(60)
            assert node.board.status("trunk-1").state is TrunkState.DOWN
            assert len((await recorded_changes(world))["trunk-1"]) == 1
            far.mode = "up"
            await world.clock.advance(60)
            world.store.away = False
            await world.clock.advance(10)
        changes = (await recorded_changes(world))["trunk-1"]
        assert [change.state for change in changes] == [
            TrunkState.AVAILABLE,
            TrunkState.DOWN,
            TrunkState.AVAILABLE,
        ]

    run_virtual(story)


def test_a_reload_leaves_alone_what_did_not_change() -> None:
    async def story() -> None:
        world = World(8)
        far = [world.network.far_end(f"192.0.2.{number}") for number in (1, 2, 3)]
        async with world.node(config(trunk(1), trunk(2))) as node:
            await world.clock.advance(100)
            kept = node.roster.record("trunk-1").targets[0]
            planned = node.roster.prober.next_attempt(kept)
            fast = KeepalivePolicy(interval_seconds=10.0)
            applied = await node.apply(config(trunk(1), trunk(3, keepalive=fast)))
            assert applied.added == ("trunk-3",)
            assert applied.removed == ("trunk-2",)
            assert applied.changed == ()
            assert node.roster.record("trunk-1").targets[0] is kept
            assert node.roster.prober.next_attempt(kept) == planned
            asked = far[1].requests
            await world.clock.advance(100)
            assert far[1].requests == asked
            assert node.board.status("trunk-3").state is TrunkState.AVAILABLE
            assert "trunk-2" not in node.board
            applied = await node.apply(config(trunk(1, keepalive=fast), trunk(2), trunk(3)))
            assert applied.changed == ("trunk-1", "trunk-3")
            assert node.roster.record("trunk-1").targets[0] is kept
            assert node.board.status("trunk-1").state is TrunkState.AVAILABLE
            await world.clock.advance(100)
        changes = await recorded_changes(world, reconfigured=True)
        assert len(changes["trunk-1"]) == 1
        assert [change.sequence for change in changes["trunk-2"]] == [1, 2]

    run_virtual(story)


def test_a_disabled_trunk_that_is_removed_comes_back_disabled() -> None:
    async def story() -> None:
        world = World(9)
        world.network.far_end("192.0.2.1")
        async with world.node(config(trunk(1))) as node:
            await world.clock.advance(100)
            node.roster.set_admin_enabled("trunk-1", enabled=False)
            await node.apply(config(trunk(2)))
            await world.clock.advance(100)
            await node.apply(config(trunk(1)))
            assert node.board.status("trunk-1").reason is Reason.ADMIN_DISABLED
            await world.clock.advance(100)
        async with world.node(config(trunk(1))) as node:
            await world.clock.advance(100)
            assert node.board.status("trunk-1").reason is Reason.ADMIN_DISABLED
        await recorded_changes(world, reconfigured=True)

    run_virtual(story)


def test_events_of_the_last_quarter_are_kept_and_older_ones_go() -> None:
    async def story() -> None:
        world = World(10)
        far = world.network.far_end("192.0.2.1")
        async with world.node(config(trunk(1))) as node:
            await world.clock.advance(100)
            world.clock.step_wall(60 * DAY_SECONDS)
            far.mode = "silent"
            await world.clock.advance(2 * 3600)
            assert len(await world.store.read()) == 2
            world.clock.step_wall(60 * DAY_SECONDS)
            await world.clock.advance(2 * 3600)
            (left,) = await world.store.read()
            assert '"state":"DOWN"' in left.body
            assert node.board.status("trunk-1").state is TrunkState.DOWN

    run_virtual(story)


def test_a_name_is_looked_up_for_each_attempt_until_it_is_found() -> None:
    async def story() -> None:
        world = World(11)
        world.names.away = True
        world.network.far_end("192.0.2.3")
        named = Trunk(id="trunk-3", name="Trunk 3", targets=("sip:t3.example",))
        async with world.node(config(named)) as node:
            await world.clock.advance(30)
            status = node.board.status("trunk-3")
            assert (status.state, status.reason) == (TrunkState.DOWN, Reason.NETWORK_ERROR)
            assert world.names.lookups >= 3
            world.names.away = False
            await world.clock.advance(30)
            assert node.board.status("trunk-3").state is TrunkState.AVAILABLE
            world.names.away = True  # the last known address stays in use
            await world.clock.advance(600)
            assert node.board.status("trunk-3").state is TrunkState.AVAILABLE

    run_virtual(story)


def test_dead_names_do_not_hold_up_the_trunks_that_have_addresses() -> None:
    async def story() -> None:
        world = World(12)
        world.names.away = True
        world.network.far_end("192.0.2.1")
        dead = [
            Trunk(id=f"dead-{number}", name="dead", targets=(f"sip:t{number}.example",))
            for number in range(2000)
        ]
        async with world.node(config(*dead, trunk(1))) as node:
            await world.clock.advance(40)
            assert node.board.status("trunk-1").state is TrunkState.AVAILABLE

    run_virtual(story)


def test_a_changed_request_uri_is_used_from_the_next_attempt_on() -> None:
    async def story() -> None:
        world = World(13)
        far = world.network.far_end("192.0.2.1")
        async with world.node(config(trunk(1))) as node:
            await world.clock.advance(100)
            other = ProbeIdentity(request_uri="sip:ping@new.example")
            await node.apply(config(trunk(1, identity=other)))
            await world.clock.advance(40)
            assert far.last_request.startswith(b"OPTIONS sip:ping@new.example SIP/2.0\r\n")
        assert len((await recorded_changes(world))["trunk-1"]) == 1

    run_virtual(story)


def test_the_last_good_answer_outlives_a_crash() -> None:
    async def story() -> None:
        world = World(14)
        far = world.network.far_end("192.0.2.1")
        async with world.node(config(trunk(1)), crash=True):
            await world.clock.advance(DAY_SECONDS)
        last_ms = far.healthy_arrivals_ms[-1]
        far.mode = "silent"
        async with world.node(config(trunk(1))):
            await world.clock.advance(100)
        (*_, down) = (await recorded_changes(world))["trunk-1"]
        assert down.state is TrunkState.DOWN
        assert down.last_success_ms is not None
        assert last_ms - 65_000 <= down.last_success_ms <= last_ms

    run_virtual(story)


def test_a_raised_minimum_says_how_many_attempts_had_failed() -> None:
    async def story() -> None:
        world = World(15)
        world.network.far_end("192.0.2.1")
        world.network.far_end("192.0.2.2").mode = "refused"
        two = ("sip:192.0.2.1", "sip:192.0.2.2")
        before = Trunk(id="pair", name="Pair", targets=two)
        after = Trunk(id="pair", name="Pair", targets=two, min_available_targets=2)
        async with world.node(config(before)) as node:
            await world.clock.advance(100)
            assert node.board.status("pair").state is TrunkState.DEGRADED
            await node.apply(config(after))
            assert node.board.status("pair").state is TrunkState.DOWN
        (*_, down) = (await recorded_changes(world))["pair"]
        assert down.reason is Reason.NETWORK_ERROR
        assert down.failed_attempts >= 3

    run_virtual(story)
