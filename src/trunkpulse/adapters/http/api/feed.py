"""The live feed: server-sent events (WHATWG HTML 9.2), read from the event log.

A client is a position in the log and nothing more. After each commit the feed is woken, and each
client reads on from where it is, so that nothing can be missed, there is no queue that could
overflow, and a client that comes back with ``Last-Event-ID`` goes on where it stopped. Memory per
client is one page of events. A client that does not take what it is sent within
``send_seconds`` is cut off; it may come back the same way.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from http import HTTPStatus

import structlog
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from trunkpulse.adapters.http.api.problems import Problem, ProblemResponse
from trunkpulse.adapters.turns import Turns
from trunkpulse.events.prober_envelope import event_type_of
from trunkpulse.ports import EventLog, RecordedEvent, StoreUnavailable

__all__ = ["EventFeed", "FeedLimits", "LiveEvents"]

log = structlog.get_logger(__name__)

PAGE = 100
RECONNECT_MILLISECONDS = 2000
HEARTBEAT = b": still here\n\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedLimits:
    """What the live feed may take of the process."""

    clients: int = 64
    heartbeat_seconds: float = 15.0
    """A comment after so much silence keeps proxies from closing the connection."""
    send_seconds: float = 20.0
    """How long a client may take to accept a page."""


class EventFeed:
    """Wakes the clients of the live feed; the composition root wakes and closes it."""

    def __init__(self, events: EventLog, limits: FeedLimits | None = None) -> None:
        self.events = events
        self.limits = limits or FeedLimits()
        self.closed = False
        self.clients = 0
        self._turn = asyncio.Event()

    @property
    def turn(self) -> asyncio.Event:
        """Set at the next wake-up. Take it before reading: then nothing falls in between."""
        return self._turn

    def wake(self) -> None:
        """Events were committed."""
        self._turn.set()
        self._turn = asyncio.Event()

    def close(self) -> None:
        """End every client's stream after what it is being sent; safe to repeat."""
        self.closed = True
        self.wake()


class LiveEvents(Response):
    """The events after ``position`` and then, until somebody hangs up, those to come."""

    media_type = "text/event-stream"

    def __init__(
        self, feed: EventFeed, *, position: int, trunk_id: str | None, turns: Turns
    ) -> None:
        super().__init__(status_code=HTTPStatus.OK.value)
        del self.headers["content-length"]
        self._feed = feed
        self._position = position
        self._trunk_id = trunk_id
        self._turns = turns

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Stream until the client goes, the feed closes, or the client is too slow."""
        feed = self._feed
        if feed.closed or feed.clients >= feed.limits.clients:
            why = "is shutting down" if feed.closed else "has as many clients as it may have"
            problem = Problem(
                HTTPStatus.SERVICE_UNAVAILABLE,
                f"The live feed {why}; try again later or read /api/v2/events.",
                headers={"retry-after": "5"},
            )
            await ProblemResponse(problem, scope["path"])(scope, receive, send)
            return
        feed.clients += 1
        try:
            async with asyncio.TaskGroup() as tasks:
                stream = tasks.create_task(self._stream(send))
                hang_up = tasks.create_task(_hung_up(receive))
                await asyncio.wait((stream, hang_up), return_when=asyncio.FIRST_COMPLETED)
                stream.cancel()
                hang_up.cancel()
        finally:
            feed.clients -= 1

    async def _stream(self, send: Send) -> None:
        try:
            await self._send(
                send,
                {
                    "type": "http.response.start",
                    "status": self.status_code,
                    "headers": self.raw_headers,
                },
            )
            await self._send_text(send, f"retry: {RECONNECT_MILLISECONDS}\n\n".encode())
            await self._follow(send)
            await self._send(send, {"type": "http.response.body", "body": b"", "more_body": False})
        except TimeoutError:
            log.info("feed.slow_client_cut", position=self._position)

    async def _follow(self, send: Send) -> None:
        feed = self._feed
        while not feed.closed:
            turn = feed.turn
            await self._turns.take()  # a commit wakes all clients at once
            try:
                page = await feed.events.read(
                    after=self._position, limit=PAGE, trunk_id=self._trunk_id
                )
            except StoreUnavailable:
                # The client comes back by itself, with the position that it has reached.
                await self._send_text(send, b": the event log is not available\n\n")
                return
            if page:
                await self._send_text(send, b"".join(map(_frame, page)))
                self._position = page[-1].position
            if len(page) < PAGE and not await _within(turn, feed.limits.heartbeat_seconds):
                await self._send_text(send, HEARTBEAT)

    async def _send_text(self, send: Send, text: bytes) -> None:
        await self._send(send, {"type": "http.response.body", "body": text, "more_body": True})

    async def _send(self, send: Send, message: Message) -> None:
        async with asyncio.timeout(self._feed.limits.send_seconds):
            await send(message)


async def _hung_up(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _within(turn: asyncio.Event, seconds: float) -> bool:
    """True if ``turn`` came within ``seconds``."""
    try:
        async with asyncio.timeout(seconds):
            await turn.wait()
    except TimeoutError:
        return False
    return True


def _frame(event: RecordedEvent) -> bytes:
    # The body is compact JSON: it holds no line break.
    kind = event_type_of(event.body)
    return f"id: {event.position}\nevent: {kind}\ndata: {event.body}\n\n".encode()
