"""One piece of work per turn of the event loop, so that probes leave on time whoever asks.

Probes, answers and requests share one event loop. Within one of its turns the loop runs all that
is ready: with 64 clients that each ask for a page, 64 pages, and a probe that falls due meanwhile
waits for all of them. Here whoever has work that is not a probe's takes a number. One is called
per turn of the loop, in order, and the loop looks at its timers and sockets before the next. Work
that is long gives way after ``TURN_SECONDS`` and takes a new number.

So a probe waits for one piece of work at most, however many clients there are, and clients wait
for each other: the queue is as long as the connections that the server takes.

While probes are overdue, because there is more to do than one core can, nobody is called for
``GRACE_SECONDS`` after the one before; so clients are served slowly then, but they are served.
Whoever asks whether this process is well neither waits for that nor for others.
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
OVERDUE_SECONDS = 0.05
"""Probes that are later than this have more to do than they can; they rest for up to 0.04 s."""
GRACE_SECONDS = 0.05
LOOK_SECONDS = 0.005
"""How often it is looked whether probes are overdue."""
URGENT_PATHS = frozenset({"/healthz", "/readyz"})


class Turns:
    """See the module's opening. Lives on one event loop; not thread-safe."""

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        overdue_seconds: Callable[[], float] = float,
    ) -> None:
        """``clock`` tells seconds, from any moment on; ``overdue_seconds`` how late probes are."""
        self._clock = clock
        self._overdue_seconds = overdue_seconds
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._urgent: deque[asyncio.Future[None]] = deque()
        self._calling: asyncio.Handle | None = None
        self._since = self._called = self._looked = clock()
        self._overdue = self._holding = False

    def __len__(self) -> int:
        """How many wait for their turn."""
        return len(self._waiting) + len(self._urgent)

    async def take(self, *, urgent: bool = False) -> None:
        """Return when it is the caller's turn; none other has one in this turn of the loop."""
        loop = asyncio.get_running_loop()
        number: asyncio.Future[None] = loop.create_future()
        (self._urgent if urgent else self._waiting).append(number)
        if self._calling is None:
            self._calling = loop.call_soon(self._call_next)
        elif urgent and self._holding:
            self._calling.cancel()
            self._calling = loop.call_soon(self._call_next)
        await number
        self._since = self._clock()

    async def give_way(self) -> bool:
        """Between two steps of long work: wait for another turn if this one has lasted enough.

        True if others may have worked meanwhile.
        """
        if self._clock() - self._since < TURN_SECONDS:
            return False
        await self.take()
        return True

    def _call_next(self) -> None:
        loop = asyncio.get_running_loop()
        self._holding = not self._urgent and self._probes_go_first()
        if self._holding:
            self._calling = loop.call_later(LOOK_SECONDS, self._call_next)
            return
        waiting = self._urgent or self._waiting
        while waiting:
            number = waiting.popleft()
            if not number.done():  # its task was not cancelled
                number.set_result(None)
                self._called = self._clock()
                break
        # The next one is called in the loop's next turn, after the one who was just called.
        self._calling = loop.call_soon(self._call_next) if len(self) else None

    def _probes_go_first(self) -> bool:
        now = self._clock()
        if now - self._looked >= LOOK_SECONDS:
            self._looked = now
            self._overdue = self._overdue_seconds() > OVERDUE_SECONDS
        return self._overdue and now - self._called < GRACE_SECONDS


class InTurn:
    """ASGI middleware: no request is begun before its turn."""

    def __init__(self, app: ASGIApp, *, turns: Turns) -> None:
        self._app = app
        self._turns = turns

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Wait, then let the application answer."""
        if scope["type"] == "http":
            await self._turns.take(urgent=scope["path"] in URGENT_PATHS)
        await self._app(scope, receive, send)
