"""What is known of one far side that is reached over connections, and of the requests to it."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass

from trunkpulse.adapters.network.connection import Connection
from trunkpulse.adapters.network.obstacles import CONNECTING
from trunkpulse.ports import Certificate, Obstacle
from trunkpulse.sip.errors import SipError
from trunkpulse.sip.message import response_facts
from trunkpulse.sip.peek import peek_response

__all__ = ["Flow", "Request", "StreamCounts", "answered_branch", "branch_of"]


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
        "not_before",
        "opening",
        "pausing",
        "phase",
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
