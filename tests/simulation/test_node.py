"""The whole application on a fake clock and a fake network."""

import random

import pytest

from simulation.invariants import (
    check_receivers,
    check_state_is_last_event,
    check_verdicts_are_justified,
    recorded_changes,
)
from simulation.world import Weather, World
from trunkpulse.config.settings import Config, InstanceSettings
from trunkpulse.model import (
    Destination,
    EventStream,
    KeepalivePolicy,
    Reason,
    Trunk,
    TrunkState,
)
from trunkpulse.node import Node
from virtual_time import run_virtual

DAY_SECONDS = 24 * 3600.0
MODES = ("up", "up", "silent", "refused", "503", "404")


def trunk(number: int, **settings: object) -> Trunk:
    return Trunk(
        id=f"trunk-{number}",
        name=f"Trunk {number}",
        targets=(f"sip:192.0.2.{number}",),
        **settings,  # type: ignore[arg-type]
    )


def stream(stream_id: str, *reasons: str) -> EventStream:
    destination = Destination(type="webhook", url="http://127.0.0.1:9/")
    return EventStream(
        id=stream_id, name=stream_id, destination=destination, reason_codes=reasons or ("*",)
    )


def config(*trunks: Trunk) -> Config:
    return Config(
        instance=InstanceSettings(id="edge-1"),
        trunks=trunks,
        event_streams=(
            stream("audit"),
            stream("noc", Reason.KEEPALIVE_FAILURE, Reason.NETWORK_ERROR),
        ),
    )


async def settle(world: World, node: Node) -> None:
    """The world calms down, and there is time to find out."""
    world.network.weather = Weather()
    world.receivers.failure = 0.0
    world.store.away = False
    await world.clock.advance(400)
    await node.pipeline.recorder.flushed()


async def troubled_hour(world: World, node: Node, rng: random.Random) -> None:
    """All that can happen to a node that stays alive, in an order that ``rng`` chooses."""
    trunks = list(node.pipeline.records())
    for _ in range(rng.randint(5, 25)):
        await world.clock.advance(rng.expovariate(1 / 60))
        subject = rng.choice(trunks)
        match rng.randrange(6):
            case 0 | 1:
                host = subject.removeprefix("trunk-")
                world.network.far_end(f"192.0.2.{host}").mode = rng.choice(MODES)
            case 2:
                node.pipeline.set_admin_enabled(subject, enabled=rng.random() < 0.6)
            case 3:
                world.store.away = rng.random() < 0.5
            case 4:
                world.receivers.failure = rng.choice((0.0, 0.3, 0.9))
            case _:
                share = rng.choice((0.0, 0.1, 0.3))
                world.network.weather = Weather(share, share, share)


@pytest.mark.parametrize("seed", range(200))
def test_whatever_happens_the_log_is_true(seed: int) -> None:
    async def story() -> None:
        world = World(seed)
        rng = world.rng
        setup = config(*(trunk(number) for number in range(1, 6)))
        for number in range(1, 6):
            world.network.far_end(f"192.0.2.{number}").mode = rng.choice(MODES)
        for _ in range(rng.randint(0, 3)):
            async with world.node(setup, crash=rng.random() < 0.7) as node:
                await troubled_hour(world, node, rng)
            world.store.away = False
        async with world.node(setup) as node:
            await troubled_hour(world, node, rng)
            await settle(world, node)
            await check_state_is_last_event(world, node)
            for record in node.pipeline.records().values():
                far = world.network.far_end(record.trunk.targets[0].removeprefix("sip:"))
                healthy = far.mode == "up" and record.admin_enabled
                assert (record.state is TrunkState.AVAILABLE) is healthy
        await check_verdicts_are_justified(world, setup)
        await check_receivers(world)

    run_virtual(story)


def test_one_packet_in_ten_lost_for_a_day_changes_nothing() -> None:
    async def story() -> None:
        world = World(7)
        setup = config(*(trunk(number) for number in range(1, 11)))
        for number in range(1, 11):
            world.network.far_end(f"192.0.2.{number}")
        world.network.weather = Weather(loss=0.1)
        async with world.node(setup) as node:
            await world.clock.advance(DAY_SECONDS)
            assert node.pipeline.prober.counts.retransmissions > 1000  # packets were lost
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
            record = node.pipeline.set_admin_enabled("trunk-1", enabled=False)
            assert node.board.status("trunk-1").reason is Reason.ADMIN_DISABLED
            await node.pipeline.recorder.written(record)
            await world.clock.advance(1)
            asked = far.requests
            await world.clock.advance(600)
            assert far.requests == asked
            node.pipeline.set_admin_enabled("trunk-1", enabled=True)
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
            kept = node.pipeline.record("trunk-1").targets[0]
            planned = node.pipeline.prober.next_attempt(kept)
            fast = KeepalivePolicy(interval_seconds=10.0)
            applied = await node.apply(config(trunk(1), trunk(3, keepalive=fast)))
            assert applied.added == ("trunk-3",)
            assert applied.removed == ("trunk-2",)
            assert applied.changed == ()
            assert node.pipeline.record("trunk-1").targets[0] is kept
            assert node.pipeline.prober.next_attempt(kept) == planned
            asked = far[1].requests
            await world.clock.advance(100)
            assert far[1].requests == asked
            assert node.board.status("trunk-3").state is TrunkState.AVAILABLE
            assert "trunk-2" not in node.board
            applied = await node.apply(config(trunk(1, keepalive=fast), trunk(2), trunk(3)))
            assert applied.changed == ("trunk-1", "trunk-3")
            assert node.pipeline.record("trunk-1").targets[0] is kept
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
            node.pipeline.set_admin_enabled("trunk-1", enabled=False)
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
