"""What the endpoints are given to answer from; the composition root builds one."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Request

from trunkpulse.adapters.http.api.access import Access
from trunkpulse.adapters.http.api.feed import EventFeed
from trunkpulse.adapters.http.api.paging import Catalogue
from trunkpulse.adapters.http.api.trunk_index import TrunkIndex
from trunkpulse.adapters.metrics import Metrics
from trunkpulse.adapters.turns import Turns
from trunkpulse.admission.idempotency import KeptAnswers
from trunkpulse.admission.licensing import Licensing
from trunkpulse.board import Board
from trunkpulse.config import Config
from trunkpulse.config.advice import Advice
from trunkpulse.config.switches import SwitchSettings
from trunkpulse.events.delivery import DeliveryProgress
from trunkpulse.events.maintenance import Maintenance
from trunkpulse.events.subscriptions import Subscriptions
from trunkpulse.model import EventStream, MaintenanceWindow, Route
from trunkpulse.node.live_calls import LiveCalls
from trunkpulse.pipeline import Pipeline
from trunkpulse.ports import (
    Clock,
    DeliveryLog,
    EventLog,
    EventSink,
    MeasureStore,
    StreamHealth,
)
from trunkpulse.probing.heard import LastHeard
from trunkpulse.provisioning.advice import AcceptedAdvice
from trunkpulse.provisioning.routes import MadeRoutes
from trunkpulse.provisioning.settings import GlobalSettings
from trunkpulse.provisioning.trunks import MadeTrunks
from trunkpulse.roster import Roster
from trunkpulse.routing.selection import CallRequest, Decision
from trunkpulse.switching.switches import Switches as TheSwitches

__all__ = ["ApiContext", "Context", "Index", "Routes", "Streams", "Switches", "Windows"]


async def _no_advice() -> Sequence[Advice]:
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiContext:
    """The live parts of one instance. Callables are asked anew for each request."""

    access: Access
    pipeline: Pipeline
    roster: Roster
    board: Board
    events: EventLog
    measures: MeasureStore
    feed: EventFeed
    metrics: Metrics
    clock: Clock
    rng: random.Random
    instance_id: str
    region: str
    version: str
    started_ms: int
    """When this process started."""
    listen_host: str
    """What the API listens on, without brackets: a ``Host`` header may name it."""
    routing: MadeRoutes
    """All routes, those of the file among them, and what decides."""
    subscriptions: Subscriptions
    deliveries: Callable[[], Mapping[str, DeliveryProgress]]
    """By stream id; a stream that is not delivered to is absent."""
    maintenance: Maintenance
    stream_health: Callable[[], Mapping[str, StreamHealth]]
    """Of streams whose destinations do nothing but fail, by id."""
    delivery_log: DeliveryLog
    trunks: MadeTrunks
    """Those that were made through the API."""
    settings: GlobalSettings
    accepted: AcceptedAdvice
    """Advice that is given no more."""
    configuration: Callable[[], Config]
    """What is in force."""
    answers: KeptAnswers
    """Given before to requests that may be sent again."""
    licensing: Licensing
    """What the licence covers."""
    live_calls: LiveCalls
    """Calls that run over trunks, as far as they are shown or reported."""
    wake: Callable[[Iterable[str]], None]
    """There is something new to be delivered to these streams."""
    sink_for: Callable[[EventStream], EventSink]
    """Makes a sink of its own for a test event; raises DestinationInvalid."""
    switches: TheSwitches
    """What is told which trunks are alive."""
    readiness_problems: Callable[[], Sequence[str]]
    """Why this instance should get no traffic, one sentence each; empty: it is ready."""
    advice: Callable[[], Awaitable[Sequence[Advice]]] = field(default=_no_advice)
    """What the configuration in force makes one reconsider."""
    refused: Callable[[], Sequence[str]] = tuple
    """Why the newest configuration was not taken; empty: it is in force."""
    last_heard: LastHeard = field(default_factory=LastHeard)
    """When which address last sent us an OPTIONS."""
    trials: set[str] = field(default_factory=set)
    """Ids of streams that a test event is on its way to."""
    turns: Turns = field(default_factory=Turns)
    """Who of the requests may work now."""
    record_seconds: float = 5.0
    """How long a request waits for what it did to be in the database."""

    def now_ms(self) -> int:
        """Milliseconds since the epoch."""
        return int(self.clock.wall() * 1000)

    def decide(self, request: CallRequest, rng: random.Random) -> Decision:
        """Which trunks shall take this call, in order, as things stand."""
        return self.routing.table.decide(
            request, self.board.status, rng, self.now_ms(), self.board.returned_ms
        )


async def _context(request: Request) -> ApiContext:
    context = request.app.state.context
    assert isinstance(context, ApiContext)
    return context


async def _index(request: Request) -> TrunkIndex:
    index = request.app.state.trunk_index
    assert isinstance(index, TrunkIndex)
    return index


async def _routes(request: Request) -> Catalogue[Route]:
    routes = request.app.state.routes
    assert isinstance(routes, Catalogue)
    return routes


async def _streams(request: Request) -> Catalogue[EventStream]:
    streams = request.app.state.streams
    assert isinstance(streams, Catalogue)
    return streams


async def _switches(request: Request) -> Catalogue[SwitchSettings]:
    switches = request.app.state.switches
    assert isinstance(switches, Catalogue)
    return switches


async def _windows(request: Request) -> Catalogue[MaintenanceWindow]:
    windows = request.app.state.windows
    assert isinstance(windows, Catalogue)
    return windows


Context = Annotated[ApiContext, Depends(_context)]
Index = Annotated[TrunkIndex, Depends(_index)]
Routes = Annotated[Catalogue[Route], Depends(_routes)]
Streams = Annotated[Catalogue[EventStream], Depends(_streams)]
Switches = Annotated[Catalogue[SwitchSettings], Depends(_switches)]
Windows = Annotated[Catalogue[MaintenanceWindow], Depends(_windows)]
