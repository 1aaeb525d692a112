"""A whole node with its real database and sockets, and a tap on what its sockets send and hear.

The tap keeps its own account of the wire, so that what the node says it saw can be held against
what was there to see.
"""

from __future__ import annotations

import random
import re
from asyncio import TaskGroup
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from interop.journal import Journal
from trunkpulse.adapters import outbound
from trunkpulse.adapters.clock import SystemClock
from trunkpulse.adapters.network.local import LocalAddresses
from trunkpulse.adapters.network.resolver import SystemResolver
from trunkpulse.adapters.network.udp import UdpTransport
from trunkpulse.adapters.sinks import make_sink
from trunkpulse.adapters.storage.database import DatabaseStore
from trunkpulse.config import load_config
from trunkpulse.model import FailureKind, StateChange, TransportProtocol
from trunkpulse.node import Node, Outside
from trunkpulse.ports import (
    Address,
    Certificate,
    Clock,
    MessageReceiver,
    MessageTransport,
    Obstacle,
    TransportPlan,
)
from trunkpulse.probing.outcomes import ProbeCounts
from vaults import a_vault

BRANCH = re.compile(rb"branch=([^;\s]+)")


@dataclass(frozen=True)
class Answer:
    """A response as it came in."""

    code: int
    branch: bytes
    before_ms: int
    after_ms: int
    """The node dealt with it between these two moments of the wall clock."""


class Tap:
    """Between the node and its sockets; changes nothing."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.sent: Journal[bytes] = Journal("OPTIONS sent")
        """The branch of each, retransmissions included."""
        self.heard: Journal[Answer] = Journal("answers heard")

    def open(self, plan: TransportPlan, receiver: MessageReceiver) -> MessageTransport:
        return _TappedTransport(plan, receiver, self, self._clock)

    def first_answers(self) -> list[Answer]:
        """The final answers that were the first to their OPTIONS."""
        first: dict[bytes, Answer] = {}
        for answer in self.heard.entries:
            if answer.code >= 200:
                first.setdefault(answer.branch, answer)
        return list(first.values())

    def last_answer(self, until_ms: int) -> Answer:
        """Of ``first_answers`` the last one that had come by this moment."""
        return [each for each in self.first_answers() if each.before_ms <= until_ms][-1]

    def unanswered(self) -> list[bytes]:
        """The branches of attempts that have had no answer yet, oldest first."""
        answered = {answer.branch for answer in self.first_answers()}
        return [branch for branch in dict.fromkeys(self.sent.entries) if branch not in answered]

    async def further_attempts(self, number: int) -> None:
        """Returns once so many more attempts have begun."""
        known = len(set(self.sent.entries))
        await self.sent.until(lambda sent: True if len(set(sent)) >= known + number else None)


class _TappedTransport:
    def __init__(
        self, plan: TransportPlan, receiver: MessageReceiver, tap: Tap, clock: Clock
    ) -> None:
        self._receiver = receiver
        self._tap = tap
        self._clock = clock
        self._transport = UdpTransport.open(plan.local, self, clock)

    @property
    def protocol(self) -> TransportProtocol:
        return self._transport.protocol

    @property
    def local_address(self) -> Address:
        return self._transport.local_address

    def withdraw(self, data: bytes, destination: Address) -> Obstacle | None:
        return self._transport.withdraw(data, destination)

    def settled(self, data: bytes, destination: Address) -> None:
        self._transport.settled(data, destination)

    def drain(self) -> None:
        self._transport.drain()

    def dropped_datagrams(self) -> int:
        return self._transport.dropped_datagrams()

    def certificate(self, destination: Address) -> Certificate | None:
        return self._transport.certificate(destination)

    def message_left(self, data: bytes, now: float) -> None:
        self._receiver.message_left(data, now)

    def send(self, data: bytes, destination: Address) -> None:
        self._tap.sent.add(_branch(data))
        self._transport.send(data, destination)

    def send_many(self, messages: Sequence[bytes], destinations: Sequence[Address]) -> None:
        for data, destination in zip(messages, destinations, strict=True):
            self.send(data, destination)

    def close(self) -> None:
        self._transport.close()

    def message_received(self, data: bytes, source: Address, now: float) -> None:
        before_ms = int(self._clock.wall() * 1000)
        self._receiver.message_received(data, source, now)
        after_ms = int(self._clock.wall() * 1000)
        self._tap.heard.add(Answer(int(data[8:11]), _branch(data), before_ms, after_ms))

    def send_failed(
        self, data: bytes, destination: Address, kind: FailureKind, detail: str, now: float
    ) -> None:
        self._receiver.send_failed(data, destination, kind, detail, now)

    def batch_finished(self) -> None:
        self._receiver.batch_finished()


def _branch(data: bytes) -> bytes:
    found = BRANCH.search(data)
    assert found is not None, data
    return found[1]


@dataclass(frozen=True)
class TappedNode:
    node: Node
    tap: Tap
    changes: Journal[StateChange]
    """What was recorded, in that order."""
    store: DatabaseStore

    @property
    def counts(self) -> ProbeCounts:
        return self.node.roster.prober.counts


@asynccontextmanager
async def tapped_node(config: Path) -> AsyncIterator[TappedNode]:
    """A node that runs the configuration file for as long as the block does."""
    clock = SystemClock()
    store = await DatabaseStore.open(
        f"sqlite:///{config.parent / 'node.db'}", instance_id="interop", clock=clock
    )
    tap = Tap(clock)
    changes: Journal[StateChange] = Journal("changes recorded")

    def recorded(batch: Sequence[StateChange]) -> None:
        for change in batch:
            changes.add(change)

    try:
        async with TaskGroup() as tasks:
            outside = Outside(
                clock=clock,
                store=store,
                resolver=SystemResolver(),
                open_transport=tap.open,
                address_towards=LocalAddresses().route_to,
                sink_for=partial(make_sink, outside=outbound.Outside()),
                vault=a_vault(),
                rng=random.Random(),
            )
            node = Node(load_config(config, {}), outside, tasks)
            node.listen(recorded)
            await node.start()
            try:
                yield TappedNode(node, tap, changes, store)
            finally:
                await node.stop(deadline_seconds=5)
    finally:
        await store.close()
