"""The live feed: server-sent events (WHATWG HTML 9.2), read from the event log.

A client is a position in the log and nothing more. After each commit the feed is woken, and each
client reads on from where it is, so that nothing can be missed, there is no queue that could
overflow, and a client that comes back with ``Last-Event-ID`` goes on where it stopped. Memory per
client is one page of events. Whoever asks for few of all events is told with the comments in
between how far the search came, so that it need not be made again after a break.

A client that does not take what it is sent within ``send_seconds`` is cut off, and so is one that
would not be let in any more. Like everybody whose
stream we end it is told why by a last message, ``feed.ended``, if it takes that.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum
from http import HTTPStatus

import structlog
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from trunkpulse.adapters.http.api.problems import Problem, ProblemResponse
from trunkpulse.adapters.turns import Turns
from trunkpulse.events.prober_envelope import event_type_of
from trunkpulse.ports import FoundEvents, RecordedEvent, StoreUnavailable

__all__ = ["FEED_ENDED", "EventFeed", "FeedEnd", "FeedLimits", "LiveEvents"]

log = structlog.get_logger(__name__)

PAGE = 100
RECONNECT_MILLISECONDS = 2000
HEARTBEAT = ": still here\n"
FEED_ENDED = "feed.ended"
"""The type of the last message of a stream that we end; no event has it."""

Reading = Callable[[int, int], Awaitable[FoundEvents]]
"""Gives, behind a position, so many events at most."""
Permitting = Callable[[], Awaitable[bool]]
"""True if the client may go on; asked again after each ``heartbeat_seconds``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedLimits:
    """What the live feed may take of the process."""

    clients: int = 64
    heartbeat_seconds: float = 15.0
    """A comment after so much silence keeps proxies from closing the connection."""
    send_seconds: float = 20.0
    """How long a client may take to accept a page."""
    farewell_seconds: float = 5.0
    """How long the last message is tried to be sent to a client that was too slow."""


class FeedEnd(Enum):
    """Why we ended a client's stream: the word for programs, the sentence for people."""

    SLOW_READER = (
        "slow_reader",
        "Events were not taken as fast as they came; come back with Last-Event-ID to miss none.",
    )
    LOG_UNAVAILABLE = (
        "log_unavailable",
        "The event log is away; come back with Last-Event-ID in a few seconds.",
    )
    ACCESS_ENDED = (
        "access_ended",
        "What let you in has ended or changed; prove anew who you are, with Last-Event-ID.",
    )
    SHUTTING_DOWN = (
        "shutting_down",
        "This instance is shutting down; come back with Last-Event-ID once it is up again.",
    )


class EventFeed:
    """Wakes the clients of the live feed; the composition root wakes and closes it."""

    def __init__(self, limits: FeedLimits | None = None) -> None:
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
        self,
        feed: EventFeed,
        *,
        position: int,
        read: Reading,
        turns: Turns,
        permitted: Permitting,
    ) -> None:
        # A proxy that collects an answer before it passes it on would make live what it likes.
        super().__init__(status_code=HTTPStatus.OK.value, headers={"x-accel-buffering": "no"})
        del self.headers["content-length"]
        self._feed = feed
        self._position = self._told = position
        self._read = read
        self._turns = turns
        self._permitted = permitted

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
            start = {
                "type": "http.response.start",
                "status": self.status_code,
                "headers": self.raw_headers,
            }
            await self._send(send, start)
            await self._send_text(send, f"retry: {RECONNECT_MILLISECONDS}\n\n")
            end = await self._follow(send)
            await self._send(send, self._farewell(end))
        except TimeoutError:
            log.info("feed.slow_client_cut", position=self._position)
            await self._tell_why(send)

    async def _follow(self, send: Send) -> FeedEnd:
        feed = self._feed
        now = asyncio.get_running_loop().time
        asked = now()
        while not feed.closed:
            turn = feed.turn
            await self._turns.take()  # a commit wakes all clients at once
            if now() - asked >= feed.limits.heartbeat_seconds:
                asked = now()
                if not await self._permitted():
                    return FeedEnd.ACCESS_ENDED
            try:
                found = await self._read(self._position, PAGE)
            except StoreUnavailable:
                return FeedEnd.LOG_UNAVAILABLE
            if found.events:
                await self._send_text(send, "".join(map(_frame, found.events)))
                self._told = found.events[-1].position
            self._position = found.place
            if not found.more and not await _within(turn, feed.limits.heartbeat_seconds):
                await self._send_text(send, f"{HEARTBEAT}{self._reached()}\n")
        return FeedEnd.SHUTTING_DOWN

    async def _tell_why(self, send: Send) -> None:
        # What was not taken was not sent either: the position is still that of the last page.
        try:
            async with asyncio.timeout(self._feed.limits.farewell_seconds):
                await send(self._farewell(FeedEnd.SLOW_READER))
        except TimeoutError:
            pass  # it takes nothing at all; whoever serves us closes the connection

    def _farewell(self, end: FeedEnd) -> Message:
        reason, detail = end.value
        data = json.dumps({"reason": reason, "detail": detail})
        text = f"{self._reached()}event: {FEED_ENDED}\ndata: {data}\n\n"
        return {"type": "http.response.body", "body": text.encode(), "more_body": False}

    def _reached(self) -> str:
        """A line that moves the client's Last-Event-ID to where the search is, if it is ahead."""
        if self._position == self._told:
            return ""
        self._told = self._position
        return f"id: {self._position}\n"

    async def _send_text(self, send: Send, text: str) -> None:
        message = {"type": "http.response.body", "body": text.encode(), "more_body": True}
        await self._send(send, message)

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


def _frame(event: RecordedEvent) -> str:
    # The body is compact JSON: it holds no line break.
    kind = event_type_of(event.body)
    return f"id: {event.position}\nevent: {kind}\ndata: {event.body}\n\n"
