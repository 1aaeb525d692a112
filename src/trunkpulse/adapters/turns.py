"""One piece of work per turn of the event loop, so that probes leave on time whoever asks.

Probes, answers and requests share one event loop. Within one of its turns the loop runs all that
is ready: with 64 clients that each ask for a page, 64 pages, and a probe that falls due meanwhile
waits for all of them. Here whoever has work that is not a probe's takes a number. One is called
per turn of the loop, in order, and the loop looks at its timers and sockets before the next. Work
that is long gives way after ``TURN_SECONDS`` and takes a new number.

So a probe waits for one piece of work at most, however many clients there are, and clients wait
for each other: the queue is as long as the connections that the server takes.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable

from starlette.types import ASGIApp, Receive, Scope, Send

__all__ = ["TURN_SECONDS", "InTurn", "Turns"]

TURN_SECONDS = 0.004
"""Work may go on for so long before it gives way; a single step of it is much shorter."""


class Turns:
    """See the module's opening. Lives on one event loop; not thread-safe."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """``clock`` tells seconds, from any moment on."""
        self._clock = clock
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._calling = False
        self._since = clock()

    def __len__(self) -> int:
        """How many wait for their turn."""
        return len(self._waiting)

    async def take(self) -> None:
        """Return when it is the caller's turn; none other has one in this turn of the loop."""
        loop = asyncio.get_running_loop()
        number: asyncio.Future[None] = loop.create_future()
        self._waiting.append(number)
        if not self._calling:
            self._calling = True
            loop.call_soon(self._call_next)
        await number
        self._since = self._clock()

    async def give_way(self) -> None:
        """Between two steps of long work: wait for another turn if this one has lasted enough."""
        if self._clock() - self._since >= TURN_SECONDS:
            await self.take()

    def _call_next(self) -> None:
        while self._waiting:
            number = self._waiting.popleft()
            if not number.done():  # its task was not cancelled
                number.set_result(None)
                break
        self._calling = bool(self._waiting)
        if self._calling:
            # Runs in the loop's next turn, after the one who was just called.
            asyncio.get_running_loop().call_soon(self._call_next)


class InTurn:
    """ASGI middleware: no request is begun before its turn."""

    def __init__(self, app: ASGIApp, *, turns: Turns) -> None:
        self._app = app
        self._turns = turns

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Wait, then let the application answer."""
        if scope["type"] == "http":
            await self._turns.take()
        await self._app(scope, receive, send)
