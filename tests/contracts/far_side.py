"""A far side of connections that does what a test says, and an ear for what became of requests."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

from trunkpulse.model import FailureKind
from trunkpulse.ports import Address
from trunkpulse.sip.framing import MessageFramer, Pulse
from trunkpulse.sip.request import SharedOptions
from trunkpulse.sip.server import AnswerSettings, answer_request

SETTINGS = AnswerSettings(tag_key=b"far side")
OPTIONS = SharedOptions(sent_by="127.0.0.1", transport="TCP")


def request(number: int = 1) -> bytes:
    """An OPTIONS of ours, told from others by its number."""
    mark = b"%016x" % number
    return OPTIONS.render(b"sip:x@127.0.0.1", b"z9hG4bK" + mark, b"t" + mark, b"c" + mark, number)


def answer_to(data: bytes) -> bytes:
    answer = answer_request(data, "127.0.0.1", 5060, settings=SETTINGS)
    assert answer is not None
    return answer.data


@dataclass
class Ear:
    """A ``MessageReceiver`` that keeps what it hears and wakes who waits for it."""

    messages: list[tuple[bytes, Address]] = field(default_factory=list)
    left: list[bytes] = field(default_factory=list)
    failures: list[tuple[bytes, FailureKind, str]] = field(default_factory=list)
    batches: int = 0
    within: bool = False
    """True while a test is inside of a call to the transport."""
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def message_received(self, data: bytes, source: Address, now: float) -> None:
        assert not self.within
        self.messages.append((data, source))
        self._news.set()

    def message_left(self, data: bytes, now: float) -> None:
        assert not self.within
        self.left.append(data)
        self._news.set()

    def send_failed(
        self, data: bytes, destination: Address, kind: FailureKind, detail: str, now: float
    ) -> None:
        assert not self.within
        self.failures.append((data, kind, detail))
        self._news.set()

    def batch_finished(self) -> None:
        self.batches += 1
        self._news.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            self._news.clear()
            await self._news.wait()

    async def answers(self, number: int) -> None:
        await self.until(lambda: len(self.messages) >= number)

    async def failure(self) -> tuple[FailureKind, str]:
        await self.until(lambda: bool(self.failures))
        _, kind, detail = self.failures[-1]
        return kind, detail


@dataclass
class Caller:
    """One connection as the far side has it."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    framer: MessageFramer = field(default_factory=MessageFramer)
    _ready: list[bytes | Pulse] = field(default_factory=list)

    async def next(self) -> bytes | Pulse | None:
        """The next message or pulse; None when the other side has closed."""
        while not self._ready:
            data = await self.reader.read(65536)
            if not data:
                return None
            self._ready += self.framer.feed(data)
        return self._ready.pop(0)

    async def message(self) -> bytes:
        found = await self.next()
        assert isinstance(found, bytes)
        return found

    def say(self, data: bytes) -> None:
        self.writer.write(data)

    def hang_up(self) -> None:
        self.writer.close()

    def reset(self) -> None:
        self.writer.transport.abort()


Habit = Callable[[Caller], Awaitable[None]]


async def answering(caller: Caller) -> None:
    """Answers everything."""
    while (found := await caller.next()) is not None:
        if isinstance(found, bytes):
            caller.say(answer_to(found))


@dataclass
class Far:
    """Where it listens, and how often it was called."""

    address: Address
    calls: int = 0
    requests: int = 0


@contextlib.asynccontextmanager
async def far_side(
    *habits: Habit, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1", port: int = 0
) -> AsyncIterator[Far]:
    """Each connection meets the next of ``habits``; those after the last one meet the last one."""
    meetings: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    def met(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        habit = habits[min(far.calls, len(habits) - 1)]
        far.calls += 1
        meetings[asyncio.ensure_future(_meet(habit, Caller(reader, writer)))] = writer

    server = await asyncio.start_server(met, host, port, ssl=tls)
    far = Far(server.sockets[0].getsockname())
    try:
        yield far
    finally:
        server.close()
        for meeting, writer in meetings.items():
            meeting.cancel()
            writer.transport.abort()
        await asyncio.gather(*meetings, return_exceptions=True)
        for writer in meetings.values():
            with contextlib.suppress(OSError):
                await writer.wait_closed()


async def _meet(habit: Habit, caller: Caller) -> None:
    try:
        with contextlib.suppress(OSError):
            await habit(caller)
    finally:
        caller.writer.close()
