"""A whole trunkpulse on a clock and a network of the test's own.

The network loses, repeats, delays and reorders datagrams as a seeded generator says; far ends
answer with the real server side of ``sip``, or do not. What arrived where is recorded, so that a
checker can hold the event log against what really happened.
"""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial

from trunkpulse.adapters.storage.memory import MemoryStore
from trunkpulse.config.settings import Config
from trunkpulse.config.switches import SwitchSettings
from trunkpulse.model import EventStream, FailureKind, TransportProtocol
from trunkpulse.node import Node, Outside
from trunkpulse.ports import (
    Address,
    Certificate,
    Delivery,
    DeliveryOutcome,
    DeliveryReport,
    DeliveryResult,
    DestinationInvalid,
    HealthCommit,
    KeptStream,
    LinkWatch,
    Location,
    MessageReceiver,
    Obstacle,
    ResolutionFailed,
    Server,
    SinkAnswer,
    StoreUnavailable,
    Switch,
    TransportPlan,
)
from trunkpulse.sip.server import AnswerSettings, answer_request
from trunkpulse.sip.uri import SipUri
from vaults import a_vault
from virtual_time import VirtualClock

HEALTHY = AnswerSettings(tag_key=b"simulation")


@dataclass(frozen=True)
class Reply:
    """What a far end sends back to one request."""

    data: bytes
    delay_seconds: float = 0.02
    source: Address | None = None
    """None: the address that was asked."""


@dataclass
class FarEnd:
    """The other side of a trunk."""

    mode: str = "up"
    """up, silent, refused, or a status code such as "503"."""
    delay_seconds: float = 0.02
    play: Callable[[bytes], Sequence[Reply]] | None = None
    """Says for each request what comes back, instead of ``mode``."""
    healthy_arrivals_ms: list[int] = field(default_factory=list)
    """When healthy answers of this far end reached us."""
    requests: int = 0
    last_request: bytes = b""


@dataclass
class Weather:
    """What the network does to datagrams, each as a probability."""

    loss: float = 0.0
    repetition: float = 0.0
    straggling: float = 0.0
    """A datagram takes up to five seconds: it overtakes and is overtaken."""


class Network:
    def __init__(self, rng: random.Random, clock: VirtualClock) -> None:
        self.clock = clock
        self.weather = Weather()
        self._rng = rng
        self.departures: list[float] = []
        """Monotonic moments at which datagrams left us."""
        self._far_ends: dict[Address, FarEnd] = {}
        self._wires: list[Wire] = []

    def far_end(self, host: str) -> FarEnd:
        return self._far_ends.setdefault((host, 5060), FarEnd())

    def open(self, plan: TransportPlan, receiver: MessageReceiver) -> Wire:
        wire = Wire(self, plan, receiver)
        self._wires.append(wire)
        return wire

    def drop(self, datagrams: int) -> None:
        """The kernel says that it threw away so many more at each socket."""
        for wire in self._wires:
            wire.dropped += datagrams

    def unplug(self) -> None:
        """The process that these sockets belonged to is gone."""
        for wire in self._wires:
            wire.close()
        self._wires.clear()

    def carry(self, deliver: Callable[[], None]) -> None:
        """Bring one datagram to its end, late, twice or not at all."""
        rng, weather = self._rng, self.weather
        for _ in range(1 + (rng.random() < weather.repetition)):
            if rng.random() < weather.loss:
                continue
            slow = rng.random() < weather.straggling
            delay = rng.uniform(0.01, 5.0) if slow else rng.uniform(0.001, 0.01)
            asyncio.get_running_loop().call_later(delay, deliver)

    def arrive(self, wire: Wire, data: bytes, destination: Address) -> None:
        """A request of ours is at the far end."""
        far = self._far_ends.get(destination)
        if far is None or far.mode == "silent":
            return
        far.requests += 1
        far.last_request = data
        if far.mode == "refused":
            self.carry(partial(wire.refuse, data, destination))
            return
        if far.play is not None:
            for reply in far.play(data):
                source = reply.source or destination
                back = partial(wire.receive, reply.data, source, far, healthy=False)
                asyncio.get_running_loop().call_later(reply.delay_seconds, self.carry, back)
            return
        settings = HEALTHY
        if far.mode != "up":
            settings = AnswerSettings(tag_key=b"simulation", code=int(far.mode))
        answer = answer_request(data, *wire.local_address[:2], settings=settings)
        assert answer is not None, data
        give_back = partial(wire.receive, answer.data, destination, far, healthy=far.mode == "up")
        asyncio.get_running_loop().call_later(far.delay_seconds, self.carry, give_back)


class Wire:
    """The ``MessageTransport`` of the simulated network; connections come about at once there."""

    def __init__(self, network: Network, plan: TransportPlan, receiver: MessageReceiver) -> None:
        self._network = network
        self._plan = plan
        self._local = (plan.local[0], plan.local[1] or 40_000)
        self._receiver = receiver
        self._closed = False
        self.dropped = 0
        """What the kernel is to say that it threw away."""

    @property
    def protocol(self) -> TransportProtocol:
        return self._plan.protocol

    @property
    def local_address(self) -> Address:
        return self._local

    def withdraw(self, data: bytes, destination: Address) -> Obstacle | None:
        return None

    def settled(self, data: bytes, destination: Address) -> None:
        """Nothing is kept."""

    def drain(self) -> None:
        """Nothing waits to be read."""

    def dropped_datagrams(self) -> int:
        return self.dropped

    def certificate(self, destination: Address) -> Certificate | None:
        return None

    def send(self, data: bytes, destination: Address) -> None:
        if not self._closed:
            self._network.departures.append(self._network.clock.monotonic())
            self._network.carry(partial(self._network.arrive, self, data, destination))

    def send_many(self, messages: Sequence[bytes], destinations: Sequence[Address]) -> None:
        for data, destination in zip(messages, destinations, strict=True):
            self.send(data, destination)

    def close(self) -> None:
        self._closed = True

    def receive(self, data: bytes, source: Address, far: FarEnd, *, healthy: bool) -> None:
        if self._closed:
            return
        if healthy:
            far.healthy_arrivals_ms.append(int(self._network.clock.wall() * 1000))
        self._receiver.message_received(data, source, self._network.clock.monotonic())
        self._receiver.batch_finished()

    def refuse(self, data: bytes, destination: Address) -> None:
        if self._closed:
            return
        now = self._network.clock.monotonic()
        kind, detail = FailureKind.REFUSED, "Connection refused"
        self._receiver.send_failed(data, destination, kind, detail, now)
        self._receiver.batch_finished()


class Names:
    """The ``Resolver``: ``t7.example`` is 192.0.2.7, after a while, unless DNS is out."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self.away = False
        self.lookups = 0
        self.ttl_seconds = 60.0
        self.delay_seconds = 0.0
        self.moved: dict[str, tuple[str, ...]] = {}
        """Names that lead elsewhere by now."""

    async def locate(self, uri: SipUri) -> Location:
        self.lookups += 1
        await asyncio.sleep(self.delay_seconds + self._rng.uniform(0.01, 0.5))
        if self.away:
            raise ResolutionFailed(f"no name server answers for {uri.host}")
        number = uri.host.removeprefix("t").removesuffix(".example")
        hosts = self.moved.get(uri.host, (f"192.0.2.{number}",))
        protocol = TransportProtocol(uri.transport)
        return Location(
            tuple(Server(protocol, (host, uri.effective_port)) for host in hosts), self.ttl_seconds
        )


class FragileStore(MemoryStore):
    """A database that can go away; what it holds survives the node that wrote it."""

    def __init__(self) -> None:
        super().__init__()
        self.away = False
        self.parked: set[tuple[str, str]] = set()
        """(stream id, event id) of deliveries that were given up for now."""
        self._claimed: dict[int, Delivery] = {}

    async def commit(self, commits: Sequence[HealthCommit]) -> frozenset[str]:
        self._check()
        await asyncio.sleep(0.002)  # a commit takes its time; the world goes on meanwhile
        self._check()
        return await super().commit(commits)

    async def claim(
        self, stream_id: str, *, now_ms: int, limit: int, lease_ms: int
    ) -> list[Delivery]:
        self._check()
        claimed = await super().claim(stream_id, now_ms=now_ms, limit=limit, lease_ms=lease_ms)
        self._claimed.update((delivery.id, delivery) for delivery in claimed)
        return claimed

    async def settle(self, reports: Sequence[DeliveryReport]) -> None:
        self._check()
        await super().settle(reports)
        for report in reports:
            if report.result is DeliveryResult.PARKED:
                delivery = self._claimed[report.delivery_id]
                self.parked.add((delivery.stream_id, delivery.event_id))

    async def save_stream(self, stream: KeptStream) -> None:
        self._check()
        await super().save_stream(stream)

    async def drop_backlog(self, stream_id: str) -> None:
        self._check()
        await super().drop_backlog(stream_id)

    async def drop_stream(self, stream_id: str) -> None:
        self._check()
        await super().drop_stream(stream_id)

    def _check(self) -> None:
        if self.away:
            raise StoreUnavailable("the database does not answer; check that it runs")


class Receivers:
    """Where event streams lead: keeps what it accepted, and fails as often as it is told."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self.failure = 0.0
        self.accepted: defaultdict[str, list[Delivery]] = defaultdict(list)
        self.impossible: set[str] = set()
        """URLs of destinations that can never work."""

    def sink_for(self, stream: EventStream) -> Sink:
        if stream.destination.url in self.impossible:
            raise DestinationInvalid("There is no such place.")
        return Sink(self, stream.id, self._rng)


class Sink:
    """The ``EventSink`` of the simulated receivers."""

    def __init__(self, receivers: Receivers, stream_id: str, rng: random.Random) -> None:
        self._receivers = receivers
        self._stream_id = stream_id
        self._rng = rng

    async def deliver(self, delivery: Delivery) -> SinkAnswer:
        await asyncio.sleep(self._rng.uniform(0.001, 0.3))
        if self._rng.random() < self._receivers.failure / 2:
            return SinkAnswer(outcome=DeliveryOutcome.TRY_LATER, detail="answered 503")
        self._receivers.accepted[self._stream_id].append(delivery)
        if self._rng.random() < self._receivers.failure / 2:
            return SinkAnswer(outcome=DeliveryOutcome.TRY_LATER, detail="the answer was lost")
        return SinkAnswer(outcome=DeliveryOutcome.ACCEPTED)

    async def close(self) -> None:
        return


class World:
    """Clock, network, database and receivers; nodes come and go in it."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.clock = VirtualClock()
        self.network = Network(random.Random(seed + 1), self.clock)
        self.store = FragileStore()
        self.receivers = Receivers(random.Random(seed + 2))
        self.names = Names(random.Random(seed + 3))
        self.link: LinkWatch | None = None
        self.switch_for: Callable[[SwitchSettings], Switch] | None = None

    def outside(self) -> Outside:
        return Outside(
            clock=self.clock,
            store=self.store,
            resolver=self.names,
            open_transport=self.network.open,
            address_towards=lambda _: "127.0.0.1",
            sink_for=self.receivers.sink_for,
            vault=a_vault(),
            rng=random.Random(self.rng.random()),
            link=self.link,
            switch_for=self.switch_for,
        )

    @asynccontextmanager
    async def node(self, config: Config, *, crash: bool = False) -> AsyncIterator[Node]:
        """A node that runs within the block, and ends as after SIGTERM, or as after SIGKILL."""
        try:
            async with asyncio.TaskGroup() as tasks:
                node = Node(config, self.outside(), tasks)
                node.roster.watchdog.beats = 1  # the loop stands still only where a test says so
                await node.start()
                yield node
                if crash:
                    node.roster.prober.close()
                    self.network.unplug()
                    raise Crash  # noqa: TRY301 - a TaskGroup ends early by an exception only
                await node.stop(5.0)
        except* Crash:
            pass


class Crash(Exception):
    """The process is gone between two steps of the event loop."""
