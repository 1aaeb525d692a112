"""Puts a trunkpulse together from its node and all adapters; starts it, and ends it in order."""

from __future__ import annotations

import asyncio
import contextlib
import random
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from trunkpulse.access.licence import LicenceUnreadable
from trunkpulse.adapters import collector, heap, outbound
from trunkpulse.adapters.clock import SystemClock
from trunkpulse.adapters.http.api.feed import EventFeed
from trunkpulse.adapters.network.errors import BindFailed
from trunkpulse.adapters.network.link import MachineLink
from trunkpulse.adapters.network.local import LocalAddresses
from trunkpulse.adapters.network.resolver import SystemResolver
from trunkpulse.adapters.network.streams import StreamTransport
from trunkpulse.adapters.network.udp import UdpTransport
from trunkpulse.adapters.sinks import make_sink
from trunkpulse.adapters.sip_redirect import RedirectCounts
from trunkpulse.adapters.storage.database import DatabaseStore
from trunkpulse.adapters.switches import make_switch
from trunkpulse.admission.ledger import Ledger
from trunkpulse.admission.people import FirstAdministrator
from trunkpulse.app.access import open_door
from trunkpulse.app.api import certificate_file, listening_api
from trunkpulse.app.bookkeeping import note_broken_audit, note_licence, note_start, note_stop
from trunkpulse.app.data import alone_with, open_store, open_vault
from trunkpulse.app.errors import CannotStart
from trunkpulse.app.mirrors import listening_for_mirrors
from trunkpulse.app.people import first_administrator, provider_of, session_rules
from trunkpulse.app.responders import listening_responders
from trunkpulse.config import Config
from trunkpulse.events.subscriptions import StreamRefused
from trunkpulse.model import TransportProtocol
from trunkpulse.node import Node, Outside
from trunkpulse.ports import (
    DestinationInvalid,
    MessageReceiver,
    MessageTransport,
    SecretUnreadable,
    StoreUnavailable,
    TransportPlan,
)
from trunkpulse.probing.heard import LastHeard
from trunkpulse.probing.sockets import OpenTransport
from trunkpulse.progress import Progress, unseen
from trunkpulse.provisioning.refusals import Refused

__all__ = [
    "CannotStart",
    "Running",
    "alone_with",
    "cannot_run",
    "open_store",
    "open_vault",
    "running",
]

STOP_SECONDS = 3.0
"""With what the API gives requests under way, less than the five seconds within which SIGTERM ends
the process."""


@dataclass(frozen=True, slots=True)
class Running:
    """A trunkpulse that is up."""

    node: Node
    store: DatabaseStore
    url: str
    """Where its API listens."""
    token: str
    """For whoever runs it: with this as a bearer token they may do everything."""
    ledger: Ledger
    """Writes the audit."""
    first: FirstAdministrator | None = None
    """Who was made because there was nobody; None: there was somebody."""


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
        vault = open_vault(database.parent)
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
                    switch_for=make_switch,
                    vault=vault,
                    rng=rng,
                    link=MachineLink(),
                )
                node = Node(config, outside, tasks)
                feed = EventFeed()
                node.listen(lambda _: feed.wake())
                await _start(node, progress)
                last_heard, redirects = LastHeard(), RedirectCounts()
                async with (
                    listening_responders(node, clock, rng, last_heard, redirects) as responders,
                    listening_for_mirrors(node, clock) as mirrors,
                    provider_of(config, way_out, clock) as provider,
                    open_door(
                        store,
                        vault,
                        clock,
                        database=database,
                        api=lambda: node.config.api,
                        rules=session_rules(config.access),
                        oidc=provider,
                    ) as door,
                ):
                    made = await first_administrator(door.access.people, config.access)
                    async with listening_api(
                        node,
                        store,
                        feed,
                        clock,
                        rng,
                        sink_for=outside.sink_for,
                        last_heard=last_heard,
                        redirects=redirects,
                        mirrors=mirrors,
                        door=door,
                    ) as url:
                        ledger = door.access.ledger
                        node.licensing.told = partial(note_licence, ledger)
                        note_start(ledger, node.config, made_administrator=made is not None)
                        if (broken := door.access.sealed.problem) is not None:
                            note_broken_audit(ledger, broken)
                        with door.at(url, certificate_file(config.api)):
                            yield Running(node, store, url, door.token, ledger, made)
                        note_stop(ledger)
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
        Refused,
        LicenceUnreadable,
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
