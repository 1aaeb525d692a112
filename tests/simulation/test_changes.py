"""A configuration, a NAT or a far side that changes while attempts are under way."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise

from simulation.invariants import recorded_changes
from simulation.setups import config, trunk
from simulation.world import HEALTHY, Reply, World
from trunkpulse.model import (
    FailureKind,
    KeepalivePolicy,
    ProbeIdentity,
    Reason,
    TlsSettings,
    Trunk,
    TrunkState,
)
from trunkpulse.sip.message import Request, parse_message
from trunkpulse.sip.server import AnswerSettings, answer_request
from virtual_time import run_virtual

OFF = KeepalivePolicy(enabled=False)
NAMED = Trunk(id="trunk-1", name="Trunk 1", targets=("sip:t1.example",))


def seen_at(
    place: Callable[[], tuple[str, int]], contacts: list[str]
) -> Callable[[bytes], Sequence[Reply]]:
    """A far side behind whose NAT we are: it answers as if we came from ``place``."""

    def play(data: bytes) -> Sequence[Reply]:
        request = parse_message(data)
        assert isinstance(request, Request)
        contacts.append(request.headers.single("Contact"))
        answer = answer_request(data, *place(), settings=HEALTHY)
        assert answer is not None
        return [Reply(answer.data)]

    return play


def test_keepalive_switched_off_and_on_during_a_retry_after_probes_again() -> None:
    async def story() -> None:
        world = World(1)
        asked: list[float] = []
        busy = AnswerSettings(tag_key=b"busy", code=503, retry_after_seconds=10)

        def play(data: bytes) -> Sequence[Reply]:
            asked.append(world.clock.monotonic())
            settings = busy if len(asked) == 1 else HEALTHY
            answer = answer_request(data, "127.0.0.1", 40_000, settings=settings)
            assert answer is not None
            return [Reply(answer.data)]

        world.network.far_end("192.0.2.1").play = play
        async with world.node(config(trunk(1))) as node:
            await world.clock.advance(1.5)
            await node.apply(config(trunk(1, keepalive=OFF)))
            await world.clock.advance(1.0)
            await node.apply(config(trunk(1)))
            await world.clock.advance(600.0)
            assert asked[1] - asked[0] >= 10.0
            assert len(asked) > 15
            assert node.board.status("trunk-1").state is TrunkState.AVAILABLE

    run_virtual(story)


def test_a_transport_that_is_replaced_during_an_attempt_condemns_nobody() -> None:
    async def story() -> None:
        world = World(2)
        world.network.far_end("192.0.2.1").delay_seconds = 1.0
        strict = KeepalivePolicy(max_failed_attempts=1)
        before = Trunk(id="trunk-1", name="t", targets=("sips:192.0.2.1:5060",), keepalive=strict)
        after = replace(before, identity=ProbeIdentity(tls=TlsSettings(verify=False)))
        async with world.node(config(before)) as node:
            await world.clock.advance(60.0)
            (target,) = node.roster.record("trunk-1").targets
            while not node.roster.prober.is_under_way(target):
                await world.clock.advance(0.1)
            await node.apply(config(after))
            await world.clock.advance(60.0)
            counts = node.roster.prober.counts
            assert (counts.timeouts, counts.network_errors) == (0, 0)
        changes = (await recorded_changes(world))["trunk-1"]
        assert [change.state for change in changes] == [TrunkState.AVAILABLE]

    run_virtual(story)


def test_a_source_of_another_family_than_the_names_addresses_is_told_as_such() -> None:
    async def story() -> None:
        world = World(3)
        world.network.far_end("192.0.2.1")
        faults: list[object] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: faults.append(context))
        ours = replace(NAMED, identity=ProbeIdentity(source=("127.0.0.1", 5070), enable_nat=True))
        async with world.node(config(ours)) as node:
            await world.clock.advance(60.0)
            moved = replace(NAMED, identity=ProbeIdentity(source=("::1", 5070), enable_nat=True))
            await node.apply(config(moved))
            await world.clock.advance(120.0)
            (target,) = node.roster.record("trunk-1").targets
            evidence = target.evidence()
            assert evidence.failure is FailureKind.DNS
            assert evidence.detail == "t1.example has no address that can be probed from here"
            assert node.board.status("trunk-1").reason is Reason.NETWORK_ERROR
        assert not faults

    run_virtual(story)


def test_another_proxy_during_a_look_up_is_no_dns_failure() -> None:
    async def story() -> None:
        world = World(4)
        world.network.far_end("192.0.2.7")
        strict = KeepalivePolicy(max_failed_attempts=1)
        one, other = (
            replace(
                NAMED,
                keepalive=strict,
                identity=ProbeIdentity(outbound_proxy=f"sip:{name};lr"),
            )
            for name in ("t8.example", "t7.example")
        )
        async with world.node(config(one)) as node:
            (target,) = node.roster.record("trunk-1").targets
            while not node.roster.prober.is_under_way(target):
                await world.clock.advance(0.01)
            await node.apply(config(other))
            await world.clock.advance(60.0)
            assert node.board.status("trunk-1").state is TrunkState.AVAILABLE
        changes = (await recorded_changes(world))["trunk-1"]
        assert [change.state for change in changes] == [TrunkState.AVAILABLE]

    run_virtual(story)


def test_what_was_learned_of_a_nat_outlives_look_ups_and_new_configurations() -> None:
    async def story() -> None:
        world = World(5)
        world.names.ttl_seconds = 10.0
        contacts: list[str] = []
        far = world.network.far_end("192.0.2.1")
        far.play = seen_at(lambda: ("198.51.100.9", 61_000), contacts)
        ours = replace(NAMED, identity=ProbeIdentity(enable_nat=True))
        async with world.node(config(ours)) as node:
            await world.clock.advance(300.0)
            await node.apply(config(replace(ours, carrier="acme")))
            await world.clock.advance(100.0)
        assert contacts[0] != "<sip:198.51.100.9:61000>"
        assert set(contacts[1:]) == {"<sip:198.51.100.9:61000>"}

    run_virtual(story)


def test_over_connections_a_new_port_is_no_new_public_address() -> None:
    async def story() -> None:
        world = World(6)
        contacts: list[str] = []
        places = iter(range(40_000, 50_000))
        hosts = ["198.51.100.9"]
        far = world.network.far_end("192.0.2.1")
        far.play = seen_at(lambda: (hosts[-1], next(places)), contacts)
        ours = Trunk(
            id="trunk-1",
            name="t",
            targets=("sip:192.0.2.1;transport=tcp",),
            identity=ProbeIdentity(enable_nat=True),
        )
        async with world.node(config(ours)) as node:
            await world.clock.advance(600.0)
            assert node.roster.public.changes == 0
            hosts.append("198.51.100.10")
            await world.clock.advance(100.0)
            assert node.roster.public.changes == 1
        assert all("198.51.100" in contact for contact in contacts[1:])
        assert contacts[1].startswith("<sip:198.51.100.9")
        assert "transport=tcp" in contacts[1]

    run_virtual(story)


def test_a_name_that_moves_to_one_dead_place_is_told_of_once() -> None:
    async def story() -> None:
        world = World(7)
        world.network.far_end("192.0.2.1")
        async with world.node(config(NAMED)):
            await world.clock.advance(100.0)
            world.names.moved["t1.example"] = ("192.0.2.99",)
            await world.clock.advance(200.0)
        changes = (await recorded_changes(world))["trunk-1"]
        assert [change.state for change in changes] == [TrunkState.AVAILABLE, TrunkState.DOWN]

    run_virtual(story)


def test_a_name_server_that_takes_for_ever_fails_each_attempt_in_its_own_time() -> None:
    async def story() -> None:
        world = World(8)
        world.names.delay_seconds = 3600.0
        async with world.node(config(NAMED)) as node:
            await world.clock.advance(30.0)
            status = node.board.status("trunk-1")
            assert (status.state, status.reason) == (TrunkState.DOWN, Reason.NETWORK_ERROR)
            (target,) = node.roster.record("trunk-1").targets
            assert target.evidence().detail == "the name was not found within 4 s"

    run_virtual(story)


def test_a_profiles_limit_holds_whatever_is_asked_for() -> None:
    async def story() -> None:
        world = World(9)
        asked: list[float] = []

        def play(data: bytes) -> Sequence[Reply]:
            asked.append(world.clock.monotonic())
            answer = answer_request(data, "127.0.0.1", 40_000, settings=HEALTHY)
            assert answer is not None
            return [Reply(answer.data)]

        world.network.far_end("192.0.2.1").play = play
        limited = KeepalivePolicy(
            interval_seconds=15, confirm_interval_seconds=15, minimum_interval_seconds=15
        )
        async with world.node(config(trunk(1, keepalive=limited))) as node:
            for _ in range(40):
                await world.clock.advance(2.0)
                node.roster.probe_now("trunk-1")
                node.roster.set_admin_enabled("trunk-1", enabled=False)
                node.roster.set_admin_enabled("trunk-1", enabled=True)
        gaps = [later - earlier for earlier, later in pairwise(asked)]
        assert len(gaps) >= 3
        assert min(gaps) >= 14.9

    run_virtual(story)


def test_what_a_far_side_asked_for_holds_over_disable_and_enable() -> None:
    async def story() -> None:
        world = World(10)
        asked: list[float] = []
        busy = AnswerSettings(tag_key=b"busy", code=503, retry_after_seconds=120)

        def play(data: bytes) -> Sequence[Reply]:
            asked.append(world.clock.monotonic())
            answer = answer_request(data, "127.0.0.1", 40_000, settings=busy)
            assert answer is not None
            return [Reply(answer.data)]

        world.network.far_end("192.0.2.1").play = play
        async with world.node(config(trunk(1))) as node:
            await world.clock.advance(10.0)
            node.roster.set_admin_enabled("trunk-1", enabled=False)
            node.roster.set_admin_enabled("trunk-1", enabled=True)
            await world.clock.advance(60.0)
            assert len(asked) == 1
            await world.clock.advance(60.0)
            assert len(asked) == 2

    run_virtual(story)
