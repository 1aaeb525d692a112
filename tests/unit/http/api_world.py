"""The real API over a real pipeline and the in-memory store, on a clock that a test sets."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property

import httpx2
from fastapi import FastAPI

from trunkpulse.adapters.http.api.application import create_api
from trunkpulse.adapters.http.api.context import ApiContext
from trunkpulse.adapters.http.api.feed import EventFeed, FeedLimits
from trunkpulse.adapters.metrics import Metrics
from trunkpulse.adapters.storage.memory import MemoryStore
from trunkpulse.board import Board
from trunkpulse.config.advice import Advice
from trunkpulse.events.backlog import Backlogs
from trunkpulse.events.delivery import DeliveryProgress
from trunkpulse.events.maintenance import Maintenance
from trunkpulse.events.subscriptions import Subscriptions
from trunkpulse.model import (
    Destination,
    Direction,
    EventStream,
    FailureKind,
    KeepalivePolicy,
    NumberRange,
    Route,
    RouteTrunk,
    StateChange,
    TransportProtocol,
    Trunk,
)
from trunkpulse.pipeline import Pipeline
from trunkpulse.ports import (
    Address,
    Certificate,
    DestinationInvalid,
    FoundEvents,
    HealthCommit,
    KeptStream,
    Location,
    Obstacle,
    RecordedEvent,
    ResolutionFailed,
    StoreUnavailable,
    StreamHealth,
    WantedEvents,
)
from trunkpulse.probing.target import ProbeTarget
from trunkpulse.roster import Roster
from trunkpulse.routing.selection import RouteTable
from trunkpulse.sip.uri import SipUri
from unit.http.destinations import Destinations
from vaults import a_vault

WALL = 1_700_000_000.0
NOW_MS = 1_700_000_000_000
FILE = "trunkpulse.toml"
BASE = "http://127.0.0.1:8080"

TRUNKS = (
    Trunk(
        id="carrier-a",
        name="Primary-PSTN-Trunk",
        targets=("sip:127.0.0.1:5061", "sip:127.0.0.1:5062"),
        carrier="acme",
        region="us-east",
        managed_by=FILE,
    ),
    Trunk(
        id="carrier-b",
        name="Second Söurce",
        targets=("sip:[::1]:5063",),
        direction=Direction.OUTBOUND,
        carrier="umbrella",
        managed_by=FILE,
    ),
    Trunk(
        id="off-by-file",
        name="Off",
        targets=("sip:127.0.0.1:5064",),
        enabled=False,
        managed_by=FILE,
    ),
    Trunk(
        id="unprobed",
        name="Unprobed",
        targets=("sip:127.0.0.1:5065",),
        direction=Direction.INBOUND,
        keepalive=KeepalivePolicy(enabled=False),
    ),
)
ROUTES = (
    Route(
        id="us",
        numbers=(NumberRange("+1"), NumberRange("+4930000000", "+4930999999")),
        trunks=(RouteTrunk(id="carrier-a"), RouteTrunk(id="carrier-b", priority=2)),
        managed_by=FILE,
    ),
    Route(id="eu", numbers=(NumberRange("+44"),), regions=("eu",)),
)
STREAMS = (
    EventStream(
        id="noc",
        name="Network operations",
        destination=Destination(
            type="webhook",
            url="http://bob:hunter2@127.0.0.1:9000/hook?token=tops3cret",
            secret="whsec_do_not_tell",
        ),
        managed_by=FILE,
    ),
    EventStream(
        id="audit",
        name="Audit",
        destination=Destination(type="webhook", url="http://127.0.0.1:9001/"),
        reason_codes=("*",),
        enabled=False,
        managed_by=FILE,
    ),
)


class SetClock:
    """Time stands still until a test moves it."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def monotonic(self) -> float:
        return 1000.0 + self.seconds

    def boot(self) -> float:
        return 1000.0 + self.seconds

    def wall(self) -> float:
        return WALL + self.seconds


class Sent:
    """A transport that tells where datagrams go."""

    def __init__(self) -> None:
        self.destinations: asyncio.Queue[Address] = asyncio.Queue()
        self.shown: Certificate | None = None
        """What every far side shows."""

    @property
    def local_address(self) -> Address:
        return ("127.0.0.1", 40000)

    @property
    def protocol(self) -> TransportProtocol:
        return TransportProtocol.UDP

    def withdraw(self, data: bytes, destination: Address) -> Obstacle | None:
        return None

    def settled(self, data: bytes, destination: Address) -> None:
        """Nothing is kept."""

    def drain(self) -> None:
        """Nothing waits to be read."""

    def dropped_datagrams(self) -> int:
        return 0

    def certificate(self, destination: Address) -> Certificate | None:
        return self.shown

    def send(self, data: bytes, destination: Address) -> None:
        self.destinations.put_nowait(destination)

    def close(self) -> None:
        """Nothing to release."""


class NoNames:
    async def locate(self, uri: SipUri) -> Location:
        raise ResolutionFailed(f"{uri.host} does not exist")


class SwitchedStore(MemoryStore):
    """The in-memory store, with a plug to pull."""

    def __init__(self) -> None:
        super().__init__()
        self.plugged = True
        self.missed = asyncio.Event()
        """Somebody asked while the plug was pulled."""

    def _reach(self) -> None:
        if not self.plugged:
            self.missed.set()
            raise StoreUnavailable("the plug is pulled")

    async def commit(self, commits: Sequence[HealthCommit]) -> frozenset[str]:
        self._reach()
        return await super().commit(commits)

    async def read(
        self, *, after: int = 0, limit: int = 100, trunk_id: str | None = None
    ) -> list[RecordedEvent]:
        self._reach()
        return await super().read(after=after, limit=limit, trunk_id=trunk_id)

    async def latest(
        self, *, before: int | None = None, limit: int = 100, trunk_id: str | None = None
    ) -> list[RecordedEvent]:
        self._reach()
        return await super().latest(before=before, limit=limit, trunk_id=trunk_id)

    async def search(
        self,
        wanted: WantedEvents,
        *,
        after: int | None,
        limit: int,
        looks: int,
        newest_first: bool = False,
    ) -> FoundEvents:
        self._reach()
        return await super().search(
            wanted, after=after, limit=limit, looks=looks, newest_first=newest_first
        )

    async def last_position(self) -> int:
        self._reach()
        return await super().last_position()

    async def save_stream(self, stream: KeptStream) -> None:
        self._reach()
        await super().save_stream(stream)

    async def drop_backlog(self, stream_id: str) -> None:
        self._reach()
        await super().drop_backlog(stream_id)

    async def drop_stream(self, stream_id: str) -> None:
        self._reach()
        await super().drop_stream(stream_id)


class Lanes:
    """Whom it would be delivered to."""

    def __init__(self) -> None:
        self.streams: dict[str, EventStream] = {}
        self.impossible: set[str] = set()
        """URLs that no sink can be made for."""
        self.enabled: list[str] = []
        """Streams whose destinations may be tried again."""

    async def apply(self, streams: Iterable[EventStream]) -> None:
        together = {stream.id: stream for stream in streams}
        for stream in together.values():
            if stream.enabled:
                await self.check(stream)
        self.streams = together

    async def enable(self, stream_id: str) -> bool:
        self.enabled.append(stream_id)
        return True

    async def check(self, stream: EventStream) -> None:
        if stream.destination.url in self.impossible:
            raise DestinationInvalid(f"The destination of {stream.id} is impossible.")


@dataclass
class World:
    """One instance, without its network and its composition root."""

    limits: FeedLimits = field(default_factory=FeedLimits)
    listen_host: str = "127.0.0.1"
    record_seconds: float = 5.0
    clock: SetClock = field(default_factory=SetClock)
    store: SwitchedStore = field(default_factory=SwitchedStore)
    board: Board = field(default_factory=Board)
    transport: Sent = field(default_factory=Sent)
    problems: list[str] = field(default_factory=list)
    refused: tuple[str, ...] = ()
    routes: tuple[Route, ...] = ROUTES
    per_trunk: bool | None = None
    """Whether each trunk has series in the metrics."""
    progress: dict[str, DeliveryProgress] = field(default_factory=dict)
    health: dict[str, StreamHealth] = field(default_factory=dict)
    woken: list[str] = field(default_factory=list)
    """Streams of which it was said that there is something to deliver."""
    destination: Destinations = field(default_factory=Destinations)

    def __post_init__(self) -> None:
        self.feed = EventFeed(self.limits)
        self.pipeline = Pipeline(
            clock=self.clock,
            store=self.store,
            board=self.board,
            instance_id="edge-1",
            region="default",
            recorded=self._recorded,
            rng=(rng := random.Random(1)),
        )
        self.roster = Roster(
            self.pipeline,
            clock=self.clock,
            board=self.board,
            resolver=NoNames(),
            open_transport=lambda _plan, _receiver: self.transport,
            address_towards=lambda _destination: "127.0.0.1",
            user_agent="trunkpulse",
            rng=rng,
        )
        self.lanes = Lanes()
        self.subscriptions = Subscriptions(
            self.store,
            a_vault(),
            clock=self.clock,
            deliveries=self.lanes,
            writing=self.pipeline.recorder.writing,
            tell=self.pipeline.recorder.set_streams,
        )
        self.maintenance = Maintenance(self.store, changed=lambda: None)
        self.progress["noc"] = DeliveryProgress(
            delivered=7, retried=2, parked=1, dead=1, in_flight=3, last_error="answered 500"
        )

    async def advise(self) -> Sequence[Advice]:
        return [Advice("interval_short", "warning", "[keepalive]", "Wait longer.")]

    def _recorded(self, changes: Sequence[StateChange], streams: frozenset[str]) -> None:
        if changes:
            self.feed.wake()

    @cached_property
    def context(self) -> ApiContext:
        trunks = {trunk.id: trunk for trunk in TRUNKS}
        return ApiContext(
            pipeline=self.pipeline,
            roster=self.roster,
            board=self.board,
            events=self.store,
            measures=self.store,
            feed=self.feed,
            metrics=Metrics(
                pipeline=self.pipeline,
                roster=self.roster,
                board=self.board,
                deliveries=lambda: self.progress,
                stream_health=lambda: self.health,
                backlogs=Backlogs(self.store, self.clock),
                clock=self.clock,
                instance_id="edge-1",
                region="default",
                version="9.9.9",
                per_trunk=lambda: self.per_trunk,
            ),
            clock=self.clock,
            rng=random.Random(2),
            instance_id="edge-1",
            region="default",
            version="9.9.9",
            started_ms=NOW_MS,
            listen_host=self.listen_host,
            routes=lambda: self.routes,
            route_table=lambda: RouteTable(self.routes, trunks, "default"),
            subscriptions=self.subscriptions,
            maintenance=self.maintenance,
            deliveries=lambda: self.progress,
            stream_health=lambda: self.health,
            delivery_log=self.store,
            wake=self.woken.extend,
            sink_for=self.destination,
            advice=self.advise,
            refused=lambda: self.refused,
            readiness_problems=lambda: self.problems,
            record_seconds=self.record_seconds,
        )

    @cached_property
    def app(self) -> FastAPI:
        return create_api(self.context)

    def client(self, base: str = BASE) -> httpx2.AsyncClient:
        transport = httpx2.ASGITransport(app=self.app)  # raises what would be a 500
        return httpx2.AsyncClient(transport=transport, base_url=base)

    def target(self, trunk_id: str, place: int = 0) -> ProbeTarget:
        return self.roster.record(trunk_id).targets[place]

    def succeed(self, trunk_id: str, *, place: int = 0, times: int = 2) -> None:
        target = self.target(trunk_id, place)
        for _ in range(times):
            self.pipeline.answered(target, 200, 0.0125, b"")
            target.numbers.answered(target.index, 0.0125, 200)  # as the prober does

    def fail(
        self,
        trunk_id: str,
        *,
        place: int = 0,
        times: int = 3,
        kind: FailureKind = FailureKind.TIMEOUT,
        detail: str = "no final answer within 4 s",
    ) -> None:
        for _ in range(times):
            self.pipeline.failed(self.target(trunk_id, place), kind, detail)

    async def flap(self, trunk_id: str, times: int) -> None:
        """Record ``times`` changes of an AVAILABLE trunk with one target."""
        for turn in range(times):
            self.clock.seconds += 1
            if turn % 2:
                self.succeed(trunk_id)
            else:
                self.fail(trunk_id)
            await self.pipeline.recorder.flushed()


@asynccontextmanager
async def running(
    *, trunks: Sequence[Trunk] = TRUNKS, world: World | None = None
) -> AsyncIterator[World]:
    """A world whose trunks are applied and whose recorder runs."""
    world = world or World()
    async with asyncio.TaskGroup() as tasks:
        recorder = tasks.create_task(world.pipeline.recorder.run())
        try:
            await world.subscriptions.load(STREAMS)
            await world.roster.prepare(trunks)
            await world.roster.apply(trunks)
            await world.pipeline.recorder.flushed()
            yield world
        finally:
            world.roster.prober.close()
            recorder.cancel()


def many(count: int) -> tuple[Trunk, ...]:
    """Trunks ``t-0`` and so on, one target each."""
    return tuple(
        replace(TRUNKS[1], id=f"t-{n}", name=f"Trunk {n}", targets=(f"sip:t-{n}@127.0.0.1",))
        for n in range(count)
    )
