"""What far sides may do takes no healthy trunk down, not in a day; what they may not do is told."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final

import pytest

from simulation.invariants import recorded_changes
from simulation.setups import config, trunk
from simulation.world import HEALTHY, Network, Reply, Weather, Wire, World
from trunkpulse.model import KeepalivePolicy, ProbeIdentity, Reason, Trunk, TrunkState
from trunkpulse.ports import Address, MessageReceiver, TransportPlan
from trunkpulse.sip.digest import Credentials
from trunkpulse.sip.server import AnswerSettings, answer_request
from virtual_time import run_virtual

DAY_SECONDS: Final = 24 * 3600.0
HOST: Final = "192.0.2.1"

Play = Callable[[bytes], Sequence[Reply]]
"""What a far end answers to one request."""

NOBODY: Final = ProbeIdentity()
ALICE: Final = ProbeIdentity(credentials=Credentials("alice", "secret"))
USUAL: Final = KeepalivePolicy()
SLOW: Final = KeepalivePolicy(interval_seconds=60.0, timeout_seconds=25.0)


def ok(request: bytes) -> bytes:
    return answered(request, HEALTHY)


def answered(request: bytes, settings: AnswerSettings) -> bytes:
    answer = answer_request(request, "127.0.0.1", 40_000, settings=settings)
    assert answer is not None, request
    return answer.data


def coded(code: int, *headers: bytes, retry_after_seconds: int | None = None) -> Play:
    settings = AnswerSettings(tag_key=b"habits", code=code, retry_after_seconds=retry_after_seconds)

    def play(request: bytes) -> Sequence[Reply]:
        added = b"".join(b"\r\n" + header for header in headers) + b"\r\nContent-Length"
        return [Reply(answered(request, settings).replace(b"\r\nContent-Length", added))]

    return play


def altered(alter: Callable[[bytes], bytes]) -> Play:
    return lambda request: [Reply(alter(ok(request)))]


# --- what they may do ---------------------------------------------------------------------------


@dataclass
class Challenging:
    """Gives a new nonce every five minutes' worth of requests, and calls the old one stale."""

    header: bytes = b"WWW-Authenticate"
    code: int = 401
    requests: int = 0

    def __call__(self, request: bytes) -> Sequence[Reply]:
        self.requests += 1
        nonce = b"nonce-%d" % (self.requests // 10)
        if b'nonce="%s"' % nonce in request and b'username="alice"' in request:
            return [Reply(ok(request))]
        stale = b", stale=true" if b"nonce=" in request else b""
        challenge = b'%s: Digest realm="carrier", nonce="%s", qop="auth"%s' % (
            self.header,
            nonce,
            stale,
        )
        return coded(self.code, challenge)(request)


@dataclass
class NowAndThen:
    """Does something else with every twentieth request; a retransmission gets the same again."""

    otherwise: Play
    branches: list[bytes] = field(default_factory=list)

    def __call__(self, request: bytes) -> Sequence[Reply]:
        branch = request.partition(b";branch=")[2].partition(b"\r\n")[0]
        if branch not in self.branches[-1:]:
            self.branches.append(branch)
        return self.otherwise(request) if len(self.branches) % 20 == 0 else [Reply(ok(request))]


def in_two_steps(request: bytes) -> Sequence[Reply]:
    trying = ok(request).replace(b"SIP/2.0 200 OK", b"SIP/2.0 100 Trying")
    return [Reply(trying, 0.05), Reply(ok(request), 20.0)]


def from_another_port(host: str) -> Play:
    return lambda request: [Reply(ok(request), source=(host, 6060))]


def from_another_address(request: bytes) -> Sequence[Reply]:
    return [Reply(ok(request), source=("198.51.100.77", 5060))]


def three_times(request: bytes) -> Sequence[Reply]:
    return [Reply(ok(request), delay) for delay in (0.02, 0.03, 1.5)]


def late(request: bytes) -> Sequence[Reply]:
    return [Reply(ok(request), 9.0)]


def in_capitals(answer: bytes) -> bytes:
    return re.sub(rb";branch=[^;\r]+", lambda branch: branch[0].upper(), answer)


def folded_and_compact(answer: bytes) -> bytes:
    for name, letter in ((b"Via: ", b"v : "), (b"From: ", b"f:"), (b"To: ", b"t:\r\n\t")):
        answer = answer.replace(name, letter)
    return answer.replace(b";branch", b"\r\n ;branch").replace(b"Call-ID: ", b"i:")


def with_bare_line_feeds(answer: bytes) -> bytes:
    return b"\r\n" + answer.replace(b"\r\n", b"\n")


def in_another_order(answer: bytes) -> bytes:
    start, *lines = answer.removesuffix(b"\r\n\r\n").split(b"\r\n")
    return b"\r\n".join([start, *reversed(lines), b"", b""])


@dataclass(frozen=True)
class Legal:
    play: Callable[[str], Play]
    """What the far end at this host answers."""
    policy: KeepalivePolicy = USUAL
    identity: ProbeIdentity = NOBODY


LEGAL: Final[dict[str, Legal]] = {
    "challenges with stale nonces": Legal(lambda _: Challenging(), identity=ALICE),
    "challenges as a proxy does": Legal(
        lambda _: Challenging(b"Proxy-Authenticate", 407), identity=ALICE
    ),
    "100 at once and 200 after 20 s": Legal(lambda _: in_two_steps, SLOW),
    "a moment's overload now and then": Legal(
        lambda _: NowAndThen(coded(503, retry_after_seconds=8))
    ),
    "answers from another port": Legal(from_another_port),
    "answers from another address": Legal(lambda _: from_another_address),
    "every answer three times": Legal(lambda _: three_times),
    "a branch in capitals": Legal(lambda _: altered(in_capitals)),
    "folded headers in compact form": Legal(lambda _: altered(folded_and_compact)),
    "bare line feeds": Legal(lambda _: altered(with_bare_line_feeds)),
    "headers in another order": Legal(lambda _: altered(in_another_order)),
    "an answer too late now and then": Legal(lambda _: NowAndThen(late)),
    "an unknown code of success": Legal(
        lambda _: altered(lambda answer: answer.replace(b"200 OK", b"299 "))
    ),
    "404 where that is healthy": Legal(
        lambda _: coded(404),
        KeepalivePolicy(healthy_responses=("404",), healthy_codes=frozenset({404})),
    ),
}
WEATHERS: Final[dict[str, Weather]] = {
    "a network that loses 1 %": Weather(loss=0.01),
    "a network that repeats and reorders": Weather(repetition=0.2, straggling=0.05),
}


def test_no_legal_habit_changes_anything_in_a_day() -> None:
    """All in one world, each far end with a habit of its own."""

    async def story() -> None:
        world = World(7)
        trunks: dict[str, Trunk] = {}
        for number, (habit, legal) in enumerate(LEGAL.items(), 1):
            world.network.far_end(f"192.0.2.{number}").play = legal.play(f"192.0.2.{number}")
            trunks[habit] = trunk(number, keepalive=legal.policy, identity=legal.identity)
        async with world.node(config(*trunks.values())) as node:
            await world.clock.advance(DAY_SECONDS)
            states = {habit: node.board.status(each.id).state for habit, each in trunks.items()}
            assert states == dict.fromkeys(LEGAL, TrunkState.AVAILABLE)
        changes = await recorded_changes(world)
        assert {
            habit: [change.state for change in changes[each.id]] for habit, each in trunks.items()
        } == {habit: [TrunkState.AVAILABLE] for habit in LEGAL}
        for number, (habit, legal) in enumerate(LEGAL.items(), 1):
            requests = world.network.far_end(f"192.0.2.{number}").requests
            assert requests >= DAY_SECONDS / legal.policy.interval_seconds * 0.9, habit

    run_virtual(story)


@pytest.mark.parametrize("weather", WEATHERS)
def test_a_network_that_does_what_networks_may_do_changes_nothing_in_a_day(weather: str) -> None:
    async def story() -> None:
        world = World(7)
        far = world.network.far_end(HOST)
        world.network.weather = WEATHERS[weather]
        async with world.node(config(trunk(1))):
            await world.clock.advance(DAY_SECONDS)
        assert far.requests >= DAY_SECONDS / USUAL.interval_seconds * 0.9
        changes = (await recorded_changes(world))["trunk-1"]
        assert [change.state for change in changes] == [TrunkState.AVAILABLE]

    run_virtual(story)


class ClosingNetwork(Network):
    """Far ends that close each connection as soon as they have answered on it."""

    opened = 0

    def open(self, plan: TransportPlan, receiver: MessageReceiver) -> Wire:
        wire = ClosingWire(self, plan, receiver)
        self._wires.append(wire)
        return wire


class ClosingWire(Wire):
    """Each request waits until a new connection is there."""

    def send(self, data: bytes, destination: Address) -> None:
        loop = asyncio.get_running_loop()
        loop.call_later(0.15, partial(self._connected, data, destination))

    def _connected(self, data: bytes, destination: Address) -> None:
        assert isinstance(self._network, ClosingNetwork)
        self._network.opened += 1
        self._receiver.message_left(data, self._network.clock.monotonic())
        super().send(data, destination)


def test_a_connection_that_is_closed_after_each_answer_changes_nothing_in_a_day() -> None:
    async def story() -> None:
        world = World(8)
        network = world.network = ClosingNetwork(world.rng, world.clock)
        far = network.far_end(HOST)
        over_tcp = Trunk(id="trunk-1", name="Trunk 1", targets=(f"sip:{HOST};transport=tcp",))
        async with world.node(config(over_tcp)) as node:
            await world.clock.advance(DAY_SECONDS)
            (target,) = node.roster.record("trunk-1").targets
            # Opening the connection is no part of the round trip.
            assert (target.rtt_seconds or 0.0) < 0.1
            # Nothing is repeated where nothing gets lost.
            assert node.roster.prober.counts.retransmissions == 0
        assert network.opened == far.requests > 2500
        changes = (await recorded_changes(world))["trunk-1"]
        assert [change.state for change in changes] == [TrunkState.AVAILABLE]

    run_virtual(story)


# --- what they may not do -------------------------------------------------------------------------


@dataclass(frozen=True)
class Illegal:
    play: Play
    detail: str
    """What an operator reads of it."""
    identity: ProbeIdentity = NOBODY


SILENCE: Final = "no final answer within 4 s"

ILLEGAL: Final[dict[str, Illegal]] = {
    "provisional answers alone": Illegal(
        altered(lambda answer: answer.replace(b"200 OK", b"180 Ringing")), SILENCE
    ),
    "a branch of its own": Illegal(
        altered(lambda answer: re.sub(rb";branch=[^;\r]+", b";branch=z9hG4bKalg", answer)), SILENCE
    ),
    "no Via at all": Illegal(
        altered(lambda answer: re.sub(rb"Via: [^\r]+\r\n", b"", answer)), SILENCE
    ),
    "an answer that is for somebody behind us": Illegal(
        altered(
            lambda answer: answer.replace(
                b"\r\nFrom:", b"\r\nVia: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bKx\r\nFrom:"
            )
        ),
        SILENCE,
    ),
    "the CSeq of another method": Illegal(
        altered(lambda answer: answer.replace(b" OPTIONS\r\n", b" INVITE\r\n", 1)), SILENCE
    ),
    "a status code beyond all classes": Illegal(
        altered(lambda answer: answer.replace(b"200 OK", b"700 OK")), SILENCE
    ),
    "the probe itself, sent back": Illegal(lambda request: [Reply(request)], SILENCE),
    "an answer without an end": Illegal(altered(lambda answer: answer[:-4]), SILENCE),
    "a password that it does not take": Illegal(
        coded(401, b'WWW-Authenticate: Digest realm="carrier", nonce="n", qop="auth"'),
        "answered 401: username or password refused for realm 'carrier'",
        ALICE,
    ),
    "a challenge that nobody may answer": Illegal(
        coded(401, b'WWW-Authenticate: Digest realm="carrier", nonce="n", qop="auth-int"'),
        "answered 401: only qop 'auth-int' is offered, which is not supported",
        ALICE,
    ),
    "a challenge without a challenge": Illegal(
        coded(407), "answered 407: no challenge that can be read", ALICE
    ),
    "a challenge to somebody without credentials": Illegal(
        coded(401, b'WWW-Authenticate: Digest realm="carrier", nonce="n", qop="auth"'),
        "answered 401",
    ),
    "forbidden": Illegal(coded(403), "answered 403: the carrier may want another From or Contact"),
    "a time-out that RFC 4320 forbids": Illegal(
        coded(408), "answered 408: the carrier may want another From or Contact"
    ),
    "overload for hours": Illegal(
        coded(503, retry_after_seconds=7200),
        "answered 503 and is in maintenance: Retry-After 7200 s",
    ),
    "an unknown code of failure": Illegal(
        altered(lambda answer: answer.replace(b"200 OK", b"599 Whatever")), "answered 599"
    ),
}


@pytest.mark.parametrize("habit", ILLEGAL)
def test_an_illegal_habit_is_found_and_explained(habit: str) -> None:
    illegal = ILLEGAL[habit]

    async def story() -> None:
        world = World(9)
        far = world.network.far_end(HOST)
        async with world.node(config(trunk(1, identity=illegal.identity))) as node:
            await world.clock.advance(100.0)
            assert node.board.status("trunk-1").state is TrunkState.AVAILABLE
            far.play = illegal.play
            await world.clock.advance(100.0)
            assert node.board.status("trunk-1").state is TrunkState.DOWN
            far.play = None
            node.roster.probe_now("trunk-1")
            await world.clock.advance(100.0)
            assert node.board.status("trunk-1").state is TrunkState.AVAILABLE
        _, down, _ = (await recorded_changes(world))["trunk-1"]
        assert down.reason is Reason.KEEPALIVE_FAILURE
        assert [evidence.detail for evidence in down.evidence] == [illegal.detail]

    run_virtual(story)
