"""The far sides: carriers that answer OPTIONS as the test says, and receivers of webhooks."""

from __future__ import annotations

import asyncio
import json
import re
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from itertools import pairwise
from typing import Any

from http_receiver import Receiver, Request, saying
from torture.watch import Watch

_CSEQ = re.compile(rb"^CSeq: *(\d+) ", re.MULTILINE | re.IGNORECASE)
_ECHOED = re.compile(rb"^(?:Via|From|To|Call-ID|CSeq):.*\r\n", re.MULTILINE | re.IGNORECASE)


class Carrier:
    """Answers OPTIONS on a port of its own: 200 while it is up, 503 while it is not."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self.up = True
        self.hears = True
        """False: what comes is noted and not answered."""
        self.script: Iterator[bool] | None = None
        """If there is one, it says before each answer whether the carrier is up."""
        self.asked: list[tuple[int, int]] = []
        """(source port, CSeq number) of every attempt; retransmissions count once."""
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.bind(("127.0.0.1", 0))
        self.uri = f"sip:127.0.0.1:{self._socket.getsockname()[1]}"
        asyncio.get_running_loop().add_reader(self._socket, self._answer)

    def _answer(self) -> None:
        data, source = self._socket.recvfrom(65_535)
        found = _CSEQ.search(data)
        assert found is not None
        attempt = (source[1], int(found[1]))
        if attempt not in self.asked[-1:]:
            self.asked.append(attempt)
            if self.script is not None:
                self.up = next(self.script)
        if not self.hears:
            self._watch.stir()
            return
        status = b"200 OK" if self.up else b"503 Service Unavailable"
        echoed = b"".join(_ECHOED.findall(data))
        answer = b"SIP/2.0 %b\r\n%bContent-Length: 0\r\n\r\n" % (status, echoed)
        with suppress(ConnectionRefusedError):  # whoever asked has been killed meanwhile
            self._socket.sendto(answer, source)
        self._watch.stir()

    async def until_asked(self, more: int) -> None:
        """Return once ``more`` attempts have come, counted from now."""
        goal = len(self.asked) + more
        await self._watch.until(lambda: len(self.asked) >= goal, f"{more} more OPTIONS")

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._socket)
        self._socket.close()


class Hook:
    """A webhook receiver that keeps what came, answers 200, and can be held back."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._receiver = Receiver()
        self._receiver.answer = self._answer
        self.open = asyncio.Event()
        """While it is not set, answers wait."""
        self.open.set()
        self.finished = 0
        """Answers given."""

    @property
    def url(self) -> str:
        return self._receiver.url

    @property
    def requests(self) -> list[Request]:
        return self._receiver.requests

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(request.body) for request in self.requests]

    def told(self) -> set[str]:
        """Ids of the events that came."""
        return {request.headers["webhook-id"] for request in self.requests}

    async def start(self) -> None:
        await self._receiver.start()

    async def stop(self) -> None:
        await self._receiver.stop()

    async def until_told(self, events: int) -> None:
        await self._watch.until(lambda: len(self.told()) >= events, f"{events} events delivered")

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._watch.stir()
        await self.open.wait()
        await saying(200)(reader, writer)
        self.finished += 1
        self._watch.stir()


class World:
    """Everything outside the process."""

    def __init__(self, stack: AsyncExitStack) -> None:
        self.watch = Watch()
        self._stack = stack

    def carrier(self) -> Carrier:
        carrier = Carrier(self.watch)
        self._stack.callback(carrier.close)
        return carrier

    async def hook(self) -> Hook:
        hook = Hook(self.watch)
        await hook.start()
        self._stack.push_async_callback(hook.stop)
        return hook


@asynccontextmanager
async def world() -> AsyncIterator[World]:
    async with AsyncExitStack() as stack:
        yield World(stack)


def cseqs_rise(carrier: Carrier) -> None:
    """One socket, and each CSeq above the one before: the prober was not started afresh.

    That is our own habit. Of a request outside a dialog RFC 3261 asks less, a number below 2**31
    (8.1.1.5); steps of one are for requests within a dialog (12.2.1.1).
    """
    assert len({port for port, _ in carrier.asked}) == 1, carrier.asked
    numbers = [number for _, number in carrier.asked]
    assert all(before < after for before, after in pairwise(numbers)), numbers
    assert numbers[-1] < 2**31
