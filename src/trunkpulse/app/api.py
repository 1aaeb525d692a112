"""The REST API of a node: what it is given to show and change, and where it listens."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable, Sequence
from itertools import chain

import structlog

from trunkpulse import __version__
from trunkpulse.adapters.access_metrics import of_audit, of_licence
from trunkpulse.adapters.clock import SystemClock
from trunkpulse.adapters.hep import HepListener
from trunkpulse.adapters.http.api.application import create_api
from trunkpulse.adapters.http.api.context import ApiContext
from trunkpulse.adapters.http.api.feed import EventFeed
from trunkpulse.adapters.http.api.trunk_index import TrunkIndex
from trunkpulse.adapters.http.connections import Peers
from trunkpulse.adapters.http.server import ListenFailed, serve_http
from trunkpulse.adapters.http.tls import ServedCertificate
from trunkpulse.adapters.live_metrics import of_live_calls
from trunkpulse.adapters.metrics import Metrics
from trunkpulse.adapters.network.tls import TlsUnusable
from trunkpulse.adapters.redirect_metrics import of_redirects
from trunkpulse.adapters.sip_redirect import RedirectCounts
from trunkpulse.adapters.storage.database import DatabaseStore
from trunkpulse.adapters.switch_metrics import of_switches
from trunkpulse.adapters.turns import Turns
from trunkpulse.app.access import Door
from trunkpulse.app.advising import StandingAdvice
from trunkpulse.app.errors import CannotStart
from trunkpulse.config.settings import ApiSettings
from trunkpulse.events.backlog import Backlogs
from trunkpulse.model import EventStream
from trunkpulse.node import Node
from trunkpulse.ports import EventSink
from trunkpulse.probing.heard import LastHeard
from trunkpulse.sip.grammar import host_and_port

__all__ = ["certificate_file", "listening_api"]

log = structlog.get_logger(__name__)

HTTP_GRACE_SECONDS = 1
"""For requests that are under way when the service ends."""


@contextlib.asynccontextmanager
async def listening_api(
    node: Node,
    store: DatabaseStore,
    feed: EventFeed,
    clock: SystemClock,
    rng: random.Random,
    *,
    sink_for: Callable[[EventStream], EventSink],
    last_heard: LastHeard,
    redirects: RedirectCounts,
    mirrors: Sequence[HepListener],
    door: Door,
) -> AsyncIterator[str]:
    """The REST API, listening; gives its URL."""
    instance = node.config.instance
    host, port = node.config.api.listen
    context = ApiContext(
        access=door.access,
        pipeline=node.pipeline,
        roster=node.roster,
        board=node.board,
        events=store,
        measures=store,
        feed=feed,
        metrics=Metrics(
            pipeline=node.pipeline,
            roster=node.roster,
            board=node.board,
            deliveries=node.deliveries.progress,
            stream_health=node.deliveries.health,
            backlogs=Backlogs(store, clock),
            clock=clock,
            instance_id=instance.id,
            region=instance.region,
            version=__version__,
            per_trunk=lambda: node.config.metrics.per_trunk,
            others=lambda: chain(
                of_licence(node.licensing),
                of_audit(door.access.ledger),
                of_redirects(redirects),
                of_live_calls(node.live_calls, mirrors),
                of_switches(node.switches.reports()),
            ),
        ),
        clock=clock,
        rng=rng,
        instance_id=instance.id,
        region=instance.region,
        version=__version__,
        started_ms=int(clock.wall() * 1000),
        listen_host=host,
        routing=node.made.routes,
        subscriptions=node.subscriptions,
        maintenance=node.maintenance,
        deliveries=node.deliveries.progress,
        delivery_log=store,
        trunks=node.made.trunks,
        settings=node.made.settings,
        accepted=node.made.accepted,
        configuration=lambda: node.config,
        answers=node.answers,
        licensing=node.licensing,
        live_calls=node.live_calls,
        stream_health=node.deliveries.health,
        wake=node.deliveries.wake,
        sink_for=sink_for,
        switches=node.switches,
        readiness_problems=node.problems,
        advice=StandingAdvice(
            lambda: node.config, node.made.trunks, clock, routes=lambda: node.made.routes.all
        ),
        refused=lambda: node.refused,
        last_heard=last_heard,
        turns=Turns(overdue_seconds=node.roster.prober.turns.overdue_seconds),
    )
    api = create_api(context)
    try:
        async with serve_http(
            api,
            host,
            port,
            graceful_seconds=HTTP_GRACE_SECONDS,
            stopping=feed.close,
            tls=_certificate(node.config.api),
            peers=Peers(lambda: node.config.api.trusted_proxies),
        ) as (bound, bound_port):
            scheme = "http" if node.config.api.tls is None else "https"
            index: TrunkIndex = api.state.trunk_index
            preparing = asyncio.create_task(_prepare(index, context.turns), name="prepare lists")
            try:
                yield f"{scheme}://{host_and_port(bound, bound_port)}"
            finally:
                preparing.cancel()
    except ListenFailed as problem:
        raise CannotStart(str(problem)) from problem


async def _prepare(index: TrunkIndex, turns: Turns) -> None:
    await index.prepare(turns)
    log.debug("lists.ready")


def certificate_file(api: ApiSettings) -> str | None:
    return None if api.tls is None else api.tls.cert_file


def _certificate(api: ApiSettings) -> ServedCertificate | None:
    """What the API shows to those who connect; None: it is served in the clear."""
    if api.tls is None:
        return None
    try:
        return ServedCertificate(api.tls)
    except TlsUnusable as problem:
        raise CannotStart(f"{problem}.") from problem
