"""What is known of one far side that is reached over connections, and of the requests to it."""

from __future__ import annotations

import asyncio
import math
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from trunkpulse.adapters.network.connection import Connection
from trunkpulse.adapters.network.obstacles import CONNECTING, too_late
from trunkpulse.ports import Address, Certificate, Obstacle
from trunkpulse.sip.errors import SipError
from trunkpulse.sip.message import response_facts
from trunkpulse.sip.peek import peek_response

__all__ = [
    "Flow",
    "Request",
    "RestingFlows",
    "StreamCounts",
    "answered_branch",
    "branch_of",
    "renewal_seconds",
]

DAY_SECONDS: Final = 86_400.0
RENEWAL_SECONDS: Final = DAY_SECONDS
NEARLY_OVER_SECONDS: Final = 30 * DAY_SECONDS
"""With less left, a certificate is about to be renewed."""
LATE_RENEWAL_SECONDS: Final = 6 * 3600.0
RESTING_SECONDS: Final = DAY_SECONDS
"""For how long a certificate is remembered that nobody asked to see again."""
RESTING_LIMIT: Final = 4096


@dataclass(slots=True)
class StreamCounts:
    """What a transport did since it was opened."""

    opened: int = 0
    """Connections that came about."""
    failed: int = 0
    """Connections that did not."""
    reused: int = 0
    """Messages sent over a connection that was there already."""
    repeated: int = 0
    """Messages sent once more because a connection was closed under them."""
    pings: int = 0
    dead_flows: int = 0
    """Connections given up because a far side that answers pings did not answer one."""


@dataclass(slots=True)
class Request:
    """A message on its way."""

    data: bytes
    sent_at: float = 0.0
    on_fresh: bool = True
    """Its connection was opened for it."""
    repeated: bool = False
    """It went over another connection before."""


class Flow:
    """Everything towards one destination."""

    __slots__ = (
        "certificate",
        "connection",
        "failures",
        "last_failure",
        "last_used",
        "looked",
        "not_before",
        "opening",
        "pausing",
        "phase",
        "refusal",
        "renew_at",
        "unanswered",
        "waiting",
    )

    def __init__(self, now: float) -> None:
        self.connection: Connection | None = None
        self.opening: asyncio.Task[None] | None = None
        self.pausing = False
        """True while the opening waits because the last one failed."""
        self.phase = CONNECTING
        """What the opening has not come to, for a person."""
        self.waiting: OrderedDict[bytes, Request] = OrderedDict()
        self.unanswered: OrderedDict[bytes, Request] = OrderedDict()
        self.failures = 0
        """Of connections in a row."""
        self.last_failure: Obstacle | None = None
        self.not_before = now
        """When the next connection may be opened."""
        self.last_used = now
        self.certificate: Certificate | None = None
        """What was last shown, trusted or not."""
        self.refusal: Obstacle | None = None
        """Why its certificate is not trusted, while that is read once more."""
        self.looked: tuple[str, float] | None = None
        """For which distrust, and when, its certificate was last read in that way."""
        self.renew_at = math.inf
        """When the connection has served long enough for certificates to be shown again."""

    @property
    def obstacle(self) -> Obstacle:
        """Why there is no connection yet."""
        known = self.last_failure if self.pausing else self.refusal
        return known or too_late(self.phase)

    @property
    def is_idle(self) -> bool:
        """True while nobody waits for anything."""
        return not self.waiting and not self.unanswered


class RestingFlows:
    """Flows that nobody uses, kept for a while for the certificates that were shown there."""

    def __init__(self) -> None:
        self._flows: OrderedDict[Address, Flow] = OrderedDict()

    def __len__(self) -> int:
        return len(self._flows)

    def put(self, destination: Address, flow: Flow) -> None:
        """Keep ``flow``, whose connection is gone, if there is a certificate to remember."""
        if flow.certificate is not None:
            self._flows[destination] = flow

    def take(self, destination: Address) -> Flow | None:
        """The flow to ``destination``, which is used again."""
        return self._flows.pop(destination) if destination in self._flows else None

    def certificate(self, destination: Address) -> Certificate | None:
        """What ``destination`` last showed."""
        flow = self._flows.get(destination)
        return None if flow is None else flow.certificate

    def forget(self, now: float) -> None:
        """Forget those that rest for too long, and the first ones if they are too many."""
        while self._flows:
            flow = next(iter(self._flows.values()))
            if len(self._flows) <= RESTING_LIMIT and now - flow.last_used <= RESTING_SECONDS:
                break
            self._flows.popitem(last=False)

    def clear(self) -> None:
        """Forget all."""
        self._flows.clear()


def renewal_seconds(certificate: Certificate | None, wall: float) -> float:
    """For how long a connection over TLS is kept: a renewed certificate is seen on a new one."""
    left = math.inf if certificate is None else certificate.not_after_ms / 1000 - wall
    return RENEWAL_SECONDS if left >= NEARLY_OVER_SECONDS else LATE_RENEWAL_SECONDS


def branch_of(data: bytes) -> bytes:
    """The branch of a request of ours, whose first Via is its second line."""
    start = data.find(b";branch=", data.find(b"\r\nVia:")) + len(b";branch=")
    end = data.find(b"\r\n", start)
    return data[start:end].partition(b";")[0].lower()


def answered_branch(data: bytes) -> bytes:
    """The branch that a final answer belongs to; b"" for anything else."""
    peeked = peek_response(data)
    if peeked is not None:
        return b"" if peeked[0] < 200 else peeked[1].lower()
    try:
        facts = response_facts(data)
    except SipError:
        return b""
    return b"" if facts.code < 200 else facts.branch.lower()
