"""The real API over a real pipeline and the in-memory store, on a clock that a test sets."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property

import httpx2
from fastapi import FastAPI

from access_world import OpenGate, access_over
from access_world import load as load_access
from trunkpulse.access.licence import Entitlement
from trunkpulse.adapters.http.api.access import Access
from trunkpulse.adapters.http.api.admission import Gate
from trunkpulse.adapters.http.api.application import create_api
from trunkpulse.adapters.http.api.context import ApiContext
from trunkpulse.adapters.http.api.feed import EventFeed, FeedLimits
from trunkpulse.adapters.metrics import Metrics
from trunkpulse.admission.idempotency import KeptAnswers
from trunkpulse.admission.licensing import Licensing
from trunkpulse.board import Board
from trunkpulse.config import Config
from trunkpulse.config.advice import Advice
from trunkpulse.config.settings import HepSettings, InstanceSettings
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
    Trunk,
)
from trunkpulse.node.live_calls import LiveCalls
from trunkpulse.node.switch_trunks import switches_of
from trunkpulse.pipeline import Pipeline
from trunkpulse.ports import (
    StreamHealth,
)
from trunkpulse.probing.target import ProbeTarget
from trunkpulse.provisioning.advice import AcceptedAdvice
from trunkpulse.provisioning.estate import combined
from trunkpulse.provisioning.routes import MadeRoutes
from trunkpulse.provisioning.settings import GlobalSettings
from trunkpulse.provisioning.trunks import MadeTrunks
from trunkpulse.roster import Roster
from unit.http.api_parts import Lanes, NoNames, Sent, SetClock, SwitchedStore
from unit.http.destinations import Destinations
from vaults import a_vault

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
    declared: tuple[Trunk, ...] = ()
    """Trunks of the file."""
    per_trunk: bool | None = None
    """Whether each trunk has series in the metrics."""
    progress: dict[str, DeliveryProgress] = field(default_factory=dict)
    health: dict[str, StreamHealth] = field(default_factory=dict)
    woken: list[str] = field(default_factory=list)
    """Streams of which it was said that there is something to deliver."""
    destination: Destinations = field(default_factory=Destinations)
    gate: Gate | None = field(default_factory=OpenGate)
    """None: the real one."""

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
        self.live_calls = LiveCalls(
            HepSettings(), roster=self.roster, pipeline=self.pipeline, clock=self.clock
        )
        self.switches = switches_of(
            asyncio.TaskGroup(),
            rng=rng,
            clock=self.clock,
            store=self.store,
            switch_for=None,
            board=self.board,
            pipeline=self.pipeline,
            roster=self.roster,
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
        self.applying = asyncio.Lock()
        self.config = Config(instance=InstanceSettings(id="edge-1"), file=FILE)
        self.routing = MadeRoutes(
            self.store,
            clock=self.clock,
            applying=self.applying,
            trunk=self._trunk,
            region="default",
        )
        self.made = MadeTrunks(
            self.store,
            a_vault(),
            clock=self.clock,
            roster=self.roster,
            applying=self.applying,
            default=self.config.keepalive,
            routes_of=self.routing.routes_of,
            changed=self.routing.trunks_changed,
        )
        self.settings = GlobalSettings(
            self.store,
            clock=self.clock,
            applying=self.applying,
            declared=lambda: self.config,
            apply=self.apply,
        )
        self.accepted = AcceptedAdvice(self.store, clock=self.clock, declared=lambda: self.config)
        self.answers = KeptAnswers(self.store, a_vault(), self.clock)
        self.licensing = Licensing(self.store, self.clock, apply=self._license)
        self.progress["noc"] = DeliveryProgress(
            delivered=7, retried=2, parked=1, dead=1, in_flight=3, last_error="answered 500"
        )

    async def _license(self, lacking: frozenset[Entitlement]) -> None:
        await self.roster.license(licensed=Entitlement.TALK not in lacking)

    async def apply(self) -> None:
        """All trunks under the settings in force, as the node does it."""
        config = replace(self.config, trunks=self.declared)
        estate = await combined(config, self.settings, self.made)
        await self.roster.prepare(estate.trunks)
        await self.roster.apply(estate.trunks, user_agent=estate.config.sip.user_agent)
        self.made.adopt(estate.heirs)
        await self.routing.declare(self.routes)

    def _trunk(self, trunk_id: str) -> Trunk | None:
        record = self.roster.records().get(trunk_id)
        return None if record is None else record.trunk

    async def advise(self) -> Sequence[Advice]:
        return [Advice("interval_short", "warning", "[keepalive]", "it is short", "wait longer")]

    def _recorded(self, changes: Sequence[StateChange], streams: frozenset[str]) -> None:
        if changes:
            self.feed.wake()

    @cached_property
    def access(self) -> Access:
        return access_over(self.store, self.clock, gate=self.gate)

    @cached_property
    def context(self) -> ApiContext:
        return ApiContext(
            access=self.access,
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
            routing=self.routing,
            subscriptions=self.subscriptions,
            maintenance=self.maintenance,
            deliveries=lambda: self.progress,
            stream_health=lambda: self.health,
            delivery_log=self.store,
            trunks=self.made,
            settings=self.settings,
            accepted=self.accepted,
            configuration=lambda: self.config,
            answers=self.answers,
            licensing=self.licensing,
            live_calls=self.live_calls,
            wake=self.woken.extend,
            sink_for=self.destination,
            advice=self.advise,
            refused=lambda: self.refused,
            switches=self.switches,
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
        target.started = self.clock.monotonic()
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
            await load_access(world.access)
            await world.subscriptions.load(STREAMS)
            world.declared = tuple(trunks)
            await world.settings.load()
            await world.made.load(world.settings.effective(world.config)[0])
            await world.routing.load()
            await world.accepted.load()
            await world.apply()
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
