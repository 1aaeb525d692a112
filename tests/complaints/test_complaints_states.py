"""Complaints about states, on a clock and a network of the test's own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import pytest

from simulation.invariants import (
    check_everything_is_probed,
    check_state_is_last_event,
    recorded_changes,
)
from simulation.setups import config, trunk
from simulation.world import HEALTHY, Reply, World
from trunkpulse.model import (
    KeepalivePolicy,
    ProbeIdentity,
    TargetState,
    Trunk,
    TrunkState,
)
from trunkpulse.sip.headers import NameAddr
from trunkpulse.sip.message import Request, parse_message
from trunkpulse.sip.server import answer_request
from virtual_time import run_virtual

HOST: Final = "192.0.2.1"


async def states_of(world: World, trunk_id: str = "trunk-1") -> list[TrunkState]:
    return [change.state for change in (await recorded_changes(world))[trunk_id]]


def answer(request: bytes) -> Sequence[Reply]:
    answered = answer_request(request, "127.0.0.1", 40_000, settings=HEALTHY)
    assert answered is not None
    return [Reply(answered.data)]


def test_states_agree_again_after_the_network_heals() -> None:
    """OpenSIPS 2982: after a partition one side held a gateway to be dead for ever."""

    async def story() -> None:
        world = World(1)
        setup = config(*(trunk(number) for number in range(1, 9)))
        far_ends = [world.network.far_end(f"192.0.2.{number}") for number in range(1, 9)]
        async with world.node(setup) as node:
            await world.clock.advance(100.0)
            world.store.away = True
            for far in far_ends[:4]:
                far.mode = "silent"
            await world.clock.advance(100.0)
            assert node.board.status("trunk-1").state is TrunkState.DOWN
            for far in far_ends[:2]:
                far.mode = "up"
            for far in far_ends[6:]:
                far.mode = "refused"
            await world.clock.advance(100.0)
            world.store.away = False
            await world.clock.advance(60.0)
            await check_state_is_last_event(world, node)
            seen = {number: node.board.status(f"trunk-{number}").state for number in range(1, 9)}
        up, down = TrunkState.AVAILABLE, TrunkState.DOWN
        assert list(seen.values()) == [up, up, down, down, up, up, down, down]
        stored = await world.store.load()
        assert {number: stored[f"trunk-{number}"].state for number in seen} == seen

    run_virtual(story)


def test_one_lost_packet_takes_nothing_down() -> None:
    """jambonz-webapp 362: one lost packet was one failure, and one failure was enough."""

    async def story() -> None:
        world = World(3)
        far = world.network.far_end(HOST)
        async with world.node(config(trunk(1))) as node:
            await world.clock.advance(100.0)
            asked = far.requests
            lost = 0

            def lose_one_in_three(request: bytes) -> Sequence[Reply]:
                nonlocal lost
                lost += 1
                return () if lost % 3 == 1 else answer(request)

            far.play = lose_one_in_three
            await world.clock.advance(3600.0)
            assert node.board.status("trunk-1").state is TrunkState.AVAILABLE
            assert node.roster.prober.counts.retransmissions > 30
            assert far.requests > asked + 100
        assert await states_of(world) == [TrunkState.AVAILABLE]

    run_virtual(story)


def test_recovery_takes_as_many_answers_as_configured() -> None:
    """jambonz-webapp 362: it was unclear what brings a trunk back."""

    async def story() -> None:
        world = World(4)
        far = world.network.far_end(HOST)
        policy = KeepalivePolicy(min_successful_attempts=4)
        async with world.node(config(trunk(1, keepalive=policy))) as node:
            await world.clock.advance(100.0)
            far.mode = "silent"
            await world.clock.advance(100.0)
            assert node.board.status("trunk-1").state is TrunkState.DOWN
            far.healthy_arrivals_ms.clear()
            far.mode = "up"
            await world.clock.advance(100.0)
        (*_, back) = (await recorded_changes(world))["trunk-1"]
        assert back.state is TrunkState.AVAILABLE
        assert len([at for at in far.healthy_arrivals_ms if at <= back.at_ms]) == 4

    run_virtual(story)


def test_every_srv_target_is_probed() -> None:
    """Asterisk 1927, Kamailio 2376 and 4911: of a name's servers only the first was probed."""

    async def story() -> None:
        world = World(5)
        hosts = [f"192.0.2.{number}" for number in range(11, 16)]
        far_ends = [world.network.far_end(host) for host in hosts]
        world.names.moved["t1.example"] = tuple(hosts)
        named = Trunk(id="trunk-1", name="Trunk 1", targets=("sip:t1.example",))
        async with world.node(config(named)) as node:
            await world.clock.advance(100.0)
            assert all(far.requests >= 3 for far in far_ends)
            for far in far_ends[:4]:
                far.mode = "silent"
            await world.clock.advance(100.0)
            found = [target.state for target in node.roster.record("trunk-1").targets]
            assert found == [TargetState.DOWN] * 4 + [TargetState.AVAILABLE]
            assert node.board.status("trunk-1").state is TrunkState.DEGRADED

    run_virtual(story)


@pytest.mark.parametrize(
    ("healthy", "code", "state"),
    [
        (range(200, 300), "200", TrunkState.AVAILABLE),
        (range(200, 300), "404", TrunkState.DOWN),
        (range(200, 300), "503", TrunkState.DOWN),
        ((404,), "404", TrunkState.AVAILABLE),
        ((404,), "200", TrunkState.DOWN),
        ((*range(200, 300), 404, *range(480, 490)), "486", TrunkState.AVAILABLE),
        ((*range(200, 300), 404, *range(480, 490)), "403", TrunkState.DOWN),
    ],
)
def test_only_the_configured_codes_count(
    healthy: Sequence[int], code: str, state: TrunkState
) -> None:
    """Asterisk PR 1019, OpenSIPS 31: which answers mean that a trunk is well is ours to say."""

    async def story() -> None:
        world = World(6)
        world.network.far_end(HOST).mode = code if code != "200" else "up"
        policy = KeepalivePolicy(
            healthy_responses=tuple(map(str, healthy)), healthy_codes=frozenset(healthy)
        )
        async with world.node(config(trunk(1, keepalive=policy))) as node:
            await world.clock.advance(100.0)
            assert node.board.status("trunk-1").state is state

    run_virtual(story)


@pytest.mark.parametrize("interval_seconds", [3.0, 15.0, 30.0, 60.0])
@pytest.mark.parametrize("mode", ["silent", "refused", "503"])
def test_detection_takes_no_longer_than_configured(interval_seconds: float, mode: str) -> None:
    """Kamailio 3446: with a ping every 3 s it took 30 s to notice."""
    policy = KeepalivePolicy(
        interval_seconds=interval_seconds, confirm_interval_seconds=min(5.0, interval_seconds)
    )
    longest = policy.interval_seconds * (1 + policy.jitter)
    # From each attempt to the next, which waits for the time-out of the one before.
    between = max(policy.confirm_interval_seconds, policy.timeout_seconds) * (1 + policy.jitter)
    longest += between * (policy.max_failed_attempts - 1) + policy.timeout_seconds + 0.1

    async def story() -> None:
        for seed in range(10):
            world = World(seed)
            far = world.network.far_end(HOST)
            async with world.node(config(trunk(1, keepalive=policy))) as node:
                await world.clock.advance(200.0 + world.rng.uniform(0.0, interval_seconds))
                assert node.board.status("trunk-1").state is TrunkState.AVAILABLE
                far.mode = mode
                await world.clock.advance(longest)
                assert node.board.status("trunk-1").state is TrunkState.DOWN

    run_virtual(story)


def test_one_uri_over_two_sources_has_two_states() -> None:
    """Kamailio 4330: the same URI over two sockets had one state, whichever was told last."""

    async def story() -> None:
        world = World(9)
        far = world.network.far_end(HOST)
        good, bad = (
            Trunk(
                id=source,
                name=source,
                targets=(f"sip:{HOST}",),
                identity=ProbeIdentity(source=(source, 5070)),
            )
            for source in ("127.0.0.1", "127.0.0.2")
        )

        def only_the_first(request: bytes) -> Sequence[Reply]:
            return answer(request) if b"UDP 127.0.0.1:5070;" in request else ()

        far.play = only_the_first
        async with world.node(config(good, bad)) as node:
            for _ in range(60):
                await world.clock.advance(60.0)
                assert node.board.status(bad.id).state is TrunkState.DOWN
                assert node.board.status(good.id).state is TrunkState.AVAILABLE
        assert await states_of(world, good.id) == [TrunkState.AVAILABLE]
        assert await states_of(world, bad.id) == [TrunkState.DOWN]

    run_virtual(story)


def test_the_prober_that_stops_says_so() -> None:
    """FreeSWITCH 2489: the pings had stopped days ago, and every gateway was still up."""

    async def story() -> None:
        world = World(10)
        world.network.far_end(HOST)
        async with world.node(config(trunk(1), trunk(2))) as node:
            for _ in range(50):
                await world.clock.advance(97.0)
                check_everything_is_probed(node)
                assert node.problems() == []
            node.roster.prober.close()  # its timer is gone, as after a fault of ours
            await world.clock.advance(60.0)
            (problem,) = node.problems()
            assert "overdue" in problem
            assert "states may be stale" in problem

    run_virtual(story)


@pytest.mark.parametrize(
    "target", ["sip:192.0.2.1", "sip:ping@192.0.2.1", "sip:127.0.0.1", "sip:192.0.2.1:5060"]
)
def test_from_never_equals_to(target: str) -> None:
    """FreeSWITCH 1214: a carrier blocked whoever sent OPTIONS from the address that they go to."""

    async def story() -> None:
        world = World(11)
        far_ends = [world.network.far_end(host) for host in (HOST, "127.0.0.1")]
        one = Trunk(id="trunk-1", name="Trunk 1", targets=(target,))
        async with world.node(config(one)):
            await world.clock.advance(100.0)
        (request,) = (parse_message(far.last_request) for far in far_ends if far.requests)
        assert isinstance(request, Request)
        sender, recipient = (
            NameAddr.parse(request.headers.single(name)).uri for name in ("From", "To")
        )
        assert sender.partition(":")[2] != recipient.partition(":")[2].partition(":5060")[0]

    run_virtual(story)
