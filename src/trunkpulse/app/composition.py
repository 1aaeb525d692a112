"""Puts a trunkpulse together from its node and all adapters; starts it, and ends it in order."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import os
import random
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from trunkpulse import __version__
from trunkpulse.adapters import collector, heap, outbound
from trunkpulse.adapters.clock import SystemClock
from trunkpulse.adapters.http.api.application import create_api
from trunkpulse.adapters.http.api.context import ApiContext
from trunkpulse.adapters.http.api.feed import EventFeed
from trunkpulse.adapters.http.server import ListenFailed, serve_http
from trunkpulse.adapters.keyring import Keyring, KeysUnusable
from trunkpulse.adapters.metrics import Metrics
from trunkpulse.adapters.network.errors import BindFailed
from trunkpulse.adapters.network.link import MachineLink
from trunkpulse.adapters.network.local import LocalAddresses
from trunkpulse.adapters.network.resolver import SystemResolver
from trunkpulse.adapters.network.responder import Fate, OptionsResponder, ResponderSettings
from trunkpulse.adapters.network.streams import StreamTransport
from trunkpulse.adapters.network.tls import TlsUnusable
from trunkpulse.adapters.network.udp import UdpTransport
from trunkpulse.adapters.sinks import make_sink
from trunkpulse.adapters.storage.database import DatabaseStore
from trunkpulse.adapters.storage.errors import StorageError
from trunkpulse.adapters.turns import Turns
from trunkpulse.adapters.vault import AesGcmVault
from trunkpulse.config import Config
from trunkpulse.config.advice import Advice, advise
from trunkpulse.events.backlog import Backlogs
from trunkpulse.events.subscriptions import StreamRefused
from trunkpulse.model import EventStream, TransportProtocol
from trunkpulse.node import Node, Outside
from trunkpulse.ports import (
    Address,
    DestinationInvalid,
    EventSink,
    MessageReceiver,
    MessageTransport,
    SecretUnreadable,
    StoreUnavailable,
    TransportPlan,
)
from trunkpulse.probing.heard import LastHeard
from trunkpulse.probing.sockets import OpenTransport
from trunkpulse.progress import Progress, unseen
from trunkpulse.sip.grammar import host_and_port
from trunkpulse.sip.server import AnswerSettings

__all__ = ["CannotStart", "Running", "alone_with", "cannot_run", "open_store", "running"]

HTTP_GRACE_SECONDS = 1
STOP_SECONDS = 3.0
"""Together under the five seconds within which SIGTERM ends the process."""
OPTIONS_PER_SECOND = 50.0
"""Of one source that asks our own OPTIONS responder; a keepalive needs far less."""
ANSWERS_PER_SECOND = 5000.0
"""Of one source whose answers come in where we listen; it may stand for thousands of targets."""


class CannotStart(Exception):
    """Something that the service needs is not to be had; the message is for a person."""


@dataclass(frozen=True, slots=True)
class Running:
    """A trunkpulse that is up."""

    node: Node
    store: DatabaseStore
    url: str
    """Where its API listens."""


@contextlib.asynccontextmanager
async def running(
    config: Config, data: Path, progress: Progress = unseen
) -> AsyncIterator[Running]:
    """Everything of ``config`` up and running; ends in order, within five seconds.

    ``data`` is the folder of the database if the configuration names none; ``progress`` hears how
    far the start has come. Raises CannotStart, in an ExceptionGroup once tasks have been started.
    """
    database = config.storage.database(data)
    clock = SystemClock()
    rng = random.Random(secrets.randbits(128))
    with alone_with(database):
        vault = _vault(database.parent)
        store = await open_store(database, config.instance.id, clock)
        try:
            async with asyncio.TaskGroup() as tasks:
                way_out = outbound.Outside(allow=lambda: node.config.outbound.allow)
                outside = Outside(
                    clock=clock,
                    store=store,
                    resolver=SystemResolver(),
                    open_transport=_opener(clock),
                    address_towards=LocalAddresses().route_to,
                    sink_for=partial(make_sink, outside=way_out),
                    vault=vault,
                    rng=rng,
                    link=MachineLink(),
                )
                node = Node(config, outside, tasks)
                feed = EventFeed()
                node.listen(lambda _: feed.wake())
                await _start(node, progress)
                last_heard = LastHeard()
                async with _responders(node, clock, rng, last_heard) as responders:
                    async with _api(
                        node,
                        store,
                        feed,
                        clock,
                        rng,
                        sink_for=outside.sink_for,
                        last_heard=last_heard,
                    ) as url:
                        yield Running(node, store, url)
                        for responder in responders:
                            responder.draining = True
                    await node.stop(STOP_SECONDS)
        finally:
            await store.close()


def _opener(clock: SystemClock) -> OpenTransport:
    """Opens sockets for datagrams and sets of connections for streams."""

    def open_transport(plan: TransportPlan, receiver: MessageReceiver) -> MessageTransport:
        if plan.protocol is TransportProtocol.UDP:
            # An answer is known by its branch alone.
            return UdpTransport.open(plan.local, receiver, clock, asks_who=False)
        return StreamTransport.open(plan, receiver, clock)

    return open_transport


async def open_store(database: Path, instance_id: str, clock: SystemClock) -> DatabaseStore:
    """The database, created or brought up to date; raises CannotStart."""
    try:
        return await DatabaseStore.open(
            f"sqlite:///{database}", instance_id=instance_id, clock=clock
        )
    except StorageError as problem:
        raise CannotStart(str(problem)) from problem


def _vault(data: Path) -> AesGcmVault:
    """What seals the secrets in the database, its keys from ``data`` or the environment."""
    try:
        return AesGcmVault(Keyring.of(data, os.environ))
    except KeysUnusable as problem:
        raise CannotStart(str(problem)) from problem


async def _start(node: Node, progress: Progress) -> None:
    try:
        with collector.paused():
            await node.start(progress)
        heap.give_back()  # no probe waits yet
        heap.take_large_pages()
    except (
        OSError,
        StoreUnavailable,
        StreamRefused,
        SecretUnreadable,
        DestinationInvalid,
    ) as problem:
        raise CannotStart(cannot_run(problem, node.config)) from problem


def cannot_run(problem: Exception, config: Config) -> str:
    """Why a configuration that is right in itself cannot be run here, as one sentence."""
    if isinstance(problem, BindFailed):
        for trunk in config.trunks:
            if trunk.identity.source == problem.local:
                return (
                    f'Trunk "{trunk.id}" cannot probe from {problem.place}: {problem.reason}; '
                    "correct advanced.source."
                )
    if isinstance(problem, OSError):
        return f"Probing is not possible: {problem.strerror or problem}."
    return str(problem)


def _cannot_listen(problem: OSError) -> str:
    """Why our own OPTIONS responder has no socket, as one sentence."""
    if isinstance(problem, TlsUnusable):
        return f"{problem}."
    if not isinstance(problem, BindFailed):
        return f"The SIP responder cannot listen: {problem.strerror or problem}."
    sentence = f"The SIP responder cannot listen on {problem.place}"
    if problem.errno == errno.EADDRINUSE:
        return (
            f"{sentence} because another program does; stop it, choose another "
            "port in sip.listen, or set listen = [] under [sip]."
        )
    return f"{sentence}: {problem.reason}; correct sip.listen."


def _advice_on(node: Node) -> Callable[[], Awaitable[Sequence[Advice]]]:
    """Advice on the configuration in force, worked out once for each in a thread of its own."""
    known: dict[int, tuple[Config, Sequence[Advice]]] = {}

    async def advice() -> Sequence[Advice]:
        config = node.config
        if id(config) not in known:
            found = await asyncio.to_thread(advise, config)
            known.clear()
            known[id(config)] = config, found
        return known[id(config)][1]

    return advice


@contextlib.asynccontextmanager
async def _api(
    node: Node,
    store: DatabaseStore,
    feed: EventFeed,
    clock: SystemClock,
    rng: random.Random,
    *,
    sink_for: Callable[[EventStream], EventSink],
    last_heard: LastHeard,
) -> AsyncIterator[str]:
    """The REST API, listening; gives its URL."""
    instance = node.config.instance
    host, port = node.config.api.listen
    context = ApiContext(
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
        ),
        clock=clock,
        rng=rng,
        instance_id=instance.id,
        region=instance.region,
        version=__version__,
        started_ms=int(clock.wall() * 1000),
        listen_host=host,
        routes=lambda: node.config.routes,
        route_table=lambda: node.routes,
        subscriptions=node.subscriptions,
        maintenance=node.maintenance,
        deliveries=node.deliveries.progress,
        delivery_log=store,
        stream_health=node.deliveries.health,
        wake=node.deliveries.wake,
        sink_for=sink_for,
        readiness_problems=node.problems,
        advice=_advice_on(node),
        refused=lambda: node.refused,
        last_heard=last_heard,
        turns=Turns(overdue_seconds=node.roster.prober.overdue_seconds),
    )
    try:
        async with serve_http(
            create_api(context),
            host,
            port,
            graceful_seconds=HTTP_GRACE_SECONDS,
            stopping=feed.close,
        ) as (bound, bound_port):
            yield f"http://{host_and_port(bound, bound_port)}"
    except ListenFailed as problem:
        raise CannotStart(str(problem)) from problem


@contextlib.asynccontextmanager
async def _responders(
    node: Node, clock: SystemClock, rng: random.Random, last_heard: LastHeard
) -> AsyncIterator[list[OptionsResponder]]:
    """Our own answers to OPTIONS, on every address of ``[sip] listen``."""
    sip = node.config.sip
    settings = ResponderSettings(
        answer=AnswerSettings(tag_key=secrets.token_bytes(16), server=sip.user_agent),
        allow=sip.allow,
        requests_per_second=OPTIONS_PER_SECOND,
        responses_per_second=ANSWERS_PER_SECOND,
    )

    def heard(data: bytes, source: Address, fate: Fate) -> None:
        if fate is Fate.ANSWERED and data.lstrip(b"\r\n").startswith(b"OPTIONS "):
            last_heard.note(source[0], clock.wall())

    with contextlib.ExitStack() as open_ones:
        responders: list[OptionsResponder] = []
        for place in sip.listen:
            try:
                responder = await OptionsResponder.listen_on(
                    place,
                    settings,
                    clock=clock,
                    rng=rng,
                    tls=sip.tls,
                    heard=heard,
                    answers=node.roster.prober,
                )
            except OSError as problem:
                raise CannotStart(_cannot_listen(problem)) from problem
            open_ones.callback(responder.close)
            responders.append(responder)
        yield responders


@contextlib.contextmanager
def alone_with(database: Path) -> Iterator[None]:
    """Keeps others off: two processes with one database would announce every change twice.

    Raises CannotStart if there is another already.
    """
    try:
        database.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        file = Path(f"{database}.lock").open("w")  # noqa: SIM115 - closed by the block below
    except OSError as problem:
        raise CannotStart(
            f"The database {database} cannot have its folder: {problem.strerror or problem}; "
            "name a folder that this user may write to with --data or storage.url."
        ) from problem
    with file as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CannotStart(
                f"Another trunkpulse runs on {database}; stop it, or give this one a database of "
                "its own with storage.url or --data."
            ) from None
        yield
