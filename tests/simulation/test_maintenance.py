"""A far side that asks to be left alone (503 with Retry-After) is left alone, and believed."""

from collections.abc import Sequence

from simulation.invariants import recorded_changes
from simulation.setups import config, trunk
from simulation.world import HEALTHY, Reply, World
from trunkpulse.model import Reason, TrunkState
from trunkpulse.sip.server import AnswerSettings, answer_request
from virtual_time import run_virtual


class Maintained:
    """Answers 503 with Retry-After for some requests, 200 otherwise."""

    def __init__(self, world: World, retry_after_seconds: int) -> None:
        self._world = world
        self._busy = AnswerSettings(
            tag_key=b"busy", code=503, retry_after_seconds=retry_after_seconds
        )
        self.refusals = 0
        """How many requests more are refused."""
        self.asked: list[float] = []

    def play(self, data: bytes) -> Sequence[Reply]:
        self.asked.append(self._world.clock.monotonic())
        settings = self._busy if self.refusals else HEALTHY
        self.refusals = max(0, self.refusals - 1)
        answer = answer_request(data, "127.0.0.1", 40_000, settings=settings)
        assert answer is not None
        return [Reply(answer.data)]


def maintained(world: World, retry_after_seconds: int) -> Maintained:
    far = Maintained(world, retry_after_seconds)
    world.network.far_end("192.0.2.1").play = far.play
    return far


def test_no_probe_leaves_before_retry_after_ends() -> None:
    async def story() -> None:
        world = World(1)
        far = maintained(world, 120)
        async with world.node(config(trunk(1))) as node:
            await world.clock.advance(60.0)
            far.refusals = 1
            while far.refusals:
                await world.clock.advance(1.0)
            refused = far.asked[-1]
            await world.clock.advance(200.0)
            following = next(moment for moment in far.asked if moment > refused)
            assert 120.0 <= following - refused <= 121.0
            assert node.board.status("trunk-1").state is TrunkState.AVAILABLE
        down, back = (await recorded_changes(world))["trunk-1"][1:]
        assert (down.state, down.reason) == (TrunkState.DOWN, Reason.KEEPALIVE_FAILURE)
        (evidence,) = down.evidence
        assert evidence.detail == "answered 503 and is in maintenance: Retry-After 120 s"
        assert evidence.maintenance_until_ms == (evidence.at_ms or 0) + 120_000
        assert back.state is TrunkState.AVAILABLE

    run_virtual(story)


def test_a_moments_overload_takes_nothing_down() -> None:
    async def story() -> None:
        world = World(2)
        far = maintained(world, 8)
        async with world.node(config(trunk(1))):
            for _ in range(20):
                await world.clock.advance(100.0)
                far.refusals = 1
        changes = (await recorded_changes(world))["trunk-1"]
        assert [change.state for change in changes] == [TrunkState.AVAILABLE]

    run_virtual(story)


def test_an_administrator_may_look_before_it_ends() -> None:
    async def story() -> None:
        world = World(3)
        far = maintained(world, 3000)
        async with world.node(config(trunk(1))) as node:
            await world.clock.advance(60.0)
            far.refusals = 1
            await world.clock.advance(60.0)
            assert node.board.status("trunk-1").state is TrunkState.DOWN
            asked = len(far.asked)
            node.roster.probe_now("trunk-1")
            await world.clock.advance(10.0)
            assert len(far.asked) == asked + 2
            assert node.board.status("trunk-1").state is TrunkState.AVAILABLE

    run_virtual(story)


def test_a_new_configuration_does_not_break_the_silence() -> None:
    async def story() -> None:
        world = World(4)
        far = maintained(world, 600)
        async with world.node(config(trunk(1))) as node:
            await world.clock.advance(60.0)
            far.refusals = 1
            await world.clock.advance(60.0)
            asked = len(far.asked)
            await node.apply(config(trunk(1, carrier="acme")))
            await world.clock.advance(300.0)
            assert len(far.asked) == asked

    run_virtual(story)


def test_a_clock_that_is_set_back_makes_nobody_wait_longer_than_was_asked() -> None:
    async def story() -> None:
        world = World(5)
        far = maintained(world, 120)
        async with world.node(config(trunk(1))) as node:
            await world.clock.advance(60.0)
            far.refusals = 1
            while far.refusals:
                await world.clock.advance(1.0)
            refused = far.asked[-1]
            world.clock.step_wall(-86_400.0)
            await world.clock.advance(10.0)
            node.roster.set_admin_enabled("trunk-1", enabled=False)
            node.roster.set_admin_enabled("trunk-1", enabled=True)
            await world.clock.advance(200.0)
            following = next(moment for moment in far.asked if moment > refused)
            assert 120.0 <= following - refused <= 132.0

    run_virtual(story)
