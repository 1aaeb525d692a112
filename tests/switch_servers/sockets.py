"""What the stand-ins for switches have in common: a port that they keep, and bad manners."""

from __future__ import annotations

import asyncio
import ssl
from abc import ABC, abstractmethod
from contextlib import suppress
from enum import Enum, auto


class Manner(Enum):
    """How a stand-in answers."""

    PROPER = auto()
    DRIBBLING = auto()
    """Properly, one byte at a time."""
    SILENT = auto()
    """It takes connections and says nothing at all."""
    ABSENT_MINDED = auto()
    """It lets everybody in and forgets to answer."""
    CUT_SHORT = auto()
    """It hangs up in the middle of each answer to a question."""
    GARBLED = auto()
    """It speaks another protocol."""
    ENDLESS = auto()
    """It never comes to an end."""


HOST = "127.0.0.1"
GARBAGE = b"\x16\x03\x01SSH-2.0-\x00\xff\r\n\r\n\n\n" * 3
ENDLESS_CHUNK = b"x" * 60_000


class TcpStandIn(ABC):
    """A server on loopback that one adapter talks with."""

    def __init__(self) -> None:
        self.manner = Manner.PROPER
        self.connections = 0
        self.port = 0
        self.tls: ssl.SSLContext | None = None
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._serving: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listen; on the same port as before if there was one."""
        self._server = await asyncio.start_server(self._accept, HOST, self.port, ssl=self.tls)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Listen no more, and hang up on everybody."""
        assert self._server is not None
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()
        await self._server.wait_closed()
        if self._serving:
            await asyncio.wait(self._serving)

    async def restart(self) -> None:
        """As a process that ends and is started anew."""
        await self.stop()
        self.forget()
        await self.start()

    @abstractmethod
    def forget(self) -> None:
        """Lose what the real one loses when it is restarted."""

    @abstractmethod
    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection properly, by ``self.say``."""

    async def say(
        self, writer: asyncio.StreamWriter, text: str | bytes, *, answer: bool = True
    ) -> None:
        """Send it as the manner is; ``answer``: it is one to a question, not a formality."""
        data = text.encode() if isinstance(text, str) else text
        if answer and self.manner is Manner.ABSENT_MINDED:
            return
        if answer and self.manner is Manner.CUT_SHORT:
            writer.write(data[: len(data) // 2])
            writer.close()
            return
        if answer and self.manner is Manner.ENDLESS:
            while not writer.is_closing():
                writer.write(ENDLESS_CHUNK)
                await writer.drain()
        if self.manner is Manner.DRIBBLING:
            for at in range(len(data)):
                writer.write(data[at : at + 1])
                await asyncio.sleep(0)
        else:
            writer.write(data)
        await writer.drain()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.add(writer)
        try:
            with suppress(asyncio.IncompleteReadError, OSError):
                if self.manner is Manner.GARBLED:
                    writer.write(GARBAGE)
                if self.manner in {Manner.GARBLED, Manner.SILENT}:
                    await reader.read()  # until the other side gives up
                else:
                    await self.converse(reader, writer)
        finally:
            self._writers.discard(writer)
            writer.close()
            with suppress(OSError):  # a broken TLS connection is one
                await writer.wait_closed()
